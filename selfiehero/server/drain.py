"""Whether this web process drains: set by the first signal, read by /readyz."""

from threading import Event

draining = Event()
