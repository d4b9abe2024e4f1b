"""One warm child process in which foreign bytes are opened: photos, films, posters.

parent    the worker's side: start a child, give it one order after the other, replace it when an order ruined it
process   that child as a process: pipes, deadlines, the end of it
child     the child's side: load, give up every right (`confinement`), answer orders
wire      the frames both sides exchange

What the work is, is the business of who uses it: `jobs.photos.child`, `jobs.films.child`. Nothing here imports Django,
so that a child starts quickly and holds no settings or secrets.
"""
