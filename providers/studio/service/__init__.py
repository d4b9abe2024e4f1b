"""The studio as a service: predictions over HTTP, a pool of renderer processes, signed webhooks.

server           the HTTP API
render_requests  parsing of requests, fetching of photos
scheduler        the queue of predictions, and their hand-over to renderers
pool, worker     renderer processes: their management, and their own code
predictions      one prediction and its state
store            predictions on disk, from which a restart continues
webhooks         outgoing webhooks
settings, credentials, numbers  configuration
"""
