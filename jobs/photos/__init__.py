"""Photos: checking uploads, and cleaning them in a sandbox.

upload_checks  cheap checks on the bytes, in the request: type, size, pixels, scans, animation; nothing is decoded
decode_cost    what opening a photo will take, by its header
headers        reading the headers of JPEG, PNG, WebP and HEIC files
sandbox        the one process that decodes, with limits on CPU, memory and time (`jobs.sandbox`)
child          what runs in it
cleaning       the work on one photo: decode it, find the face, encode it anew
decoding       bytes to upright sRGB pixels in a fresh image; for the posters of films too
upright        which way up a photo is when its file does not say
outcomes       what can come of a photo: a clean one, or a reason with a sentence for people

Nothing here imports Django, so that the child starts quickly and holds no settings or secrets.
"""
