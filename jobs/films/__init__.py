"""Films: checking what a provider returned, so that people's browsers can play it.

outcomes  a film's facts, or BadFilm with the reason
boxes     the file's top-level boxes, read without a decoder: type, completeness, order
index     moves the index before the pictures, so that a film starts to play while it is still loading
sandbox   the one process that opens films and posters, with limits on CPU, memory, time and files (`jobs.sandbox`)
child     what runs in it
probe     the work on one film: open, measure, decode pictures, make a poster

A film must have exactly one H.264 stream, 8 bits, 4:2:0, because every browser plays that; VP9, AV1 and HEVC stay black
on many phones. Sound is not checked: a sound track that a browser cannot play leaves a silent film. An index at the end
of the file is moved to its front without encoding anything anew.

Nothing here imports Django, so that the child starts quickly and holds no settings or secrets.
"""
