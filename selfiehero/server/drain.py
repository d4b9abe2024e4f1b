"""Whether this web process is on its way out: set once by the first signal, read by /readyz."""

from threading import Event

draining = Event()
