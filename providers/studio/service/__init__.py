"""The studio as a service: predictions over HTTP, a pool of renderer processes, signed webhooks.

server           HTTP: what callers ask
render_requests  what callers send, checked
scheduler        lines predictions up and hands them to renderers
pool, worker     renderer processes, seen from the service and from inside
predictions      one prediction, and how far it is
store            predictions on disk, so that a restart takes them up again
webhooks         what callers are told
settings, credentials, numbers  how a studio is configured
"""
