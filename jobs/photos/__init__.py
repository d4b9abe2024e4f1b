"""Photos in: what may come through the door, and how it is made clean.

door      cheap checks on the bytes, in the request: type, size, pixels, scans, animation; nothing is decoded
headers   what the door knows of JPEG, PNG, WebP and HEIC
sandbox   the parent's side of the one process that decodes, with limits on CPU, memory and time
process   that child as a process: pipes, deadlines, the end of it
child     the process itself
cleaning  the work inside it: decode, upright, sRGB, fresh pixels, find the face
wire      the frames both sides exchange
outcomes  what can come of a photo: a clean one, or a reason with a sentence for people

Nothing here imports Django, so that the child starts quickly and holds no settings or secrets.
"""
