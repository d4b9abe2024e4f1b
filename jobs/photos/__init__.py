"""Photos in: what may come through the door, and how it is made clean.

upload_checks  cheap checks on the bytes, in the request: type, size, pixels, scans, animation; nothing is decoded
headers        what they know of JPEG, PNG, WebP and HEIC
sandbox        the one process that decodes, with limits on CPU, memory and time (`jobs.sandbox`)
child          what runs in it
cleaning       the work on one photo: find the face in what `decoding` brings
decoding       upright, sRGB, fresh pixels; for the posters of films too
outcomes       what can come of a photo: a clean one, or a reason with a sentence for people

Nothing here imports Django, so that the child starts quickly and holds no settings or secrets.
"""
