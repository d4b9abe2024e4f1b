"""How much waits, how fast it drains, and what is left out while too much waits.

backlog  the age of the backlog, from samples of how many jobs wait and how many left
levels   the brownout levels, entered and left with hysteresis
state    the cluster's one row: written each second by reconcile, read by every process at most once a second
places   signed tokens that keep somebody's place while nobody is let in

Who is let in is decided by `selfiehero.server.admission`, before a request's body is read.
"""
