"""Films in: what a provider may give us for a film, and what people's browsers will do with it.

outcomes  a film's facts, or BadFilm with the reason
boxes     what the file says about itself, read without a decoder: type, completeness, order
index     the index moved before the pictures, so that a film begins while it is still being loaded
sandbox   the one process that opens films and posters, with limits on CPU, memory, time and files (`jobs.sandbox`)
child     what runs in it
probe     the work on one film: open, measure, decode pictures, make a poster

What is accepted: one H.264 stream, 8 bits, 4:2:0, for every browser plays that; VP9, AV1 and HEVC stay black on
many phones, and a film that a third of the people cannot watch is not a film. Sound is not looked at: one that cannot
be played leaves a silent film. An index at the end of the file is moved to its front without encoding anything anew.

Nothing here imports Django, so that the child starts quickly and holds no settings or secrets.
"""
