"""How a film is made: a photo in, 138 frames with sound out. Knows nothing of HTTP.

render     the whole way, frame by frame
shots      what is in front of the camera, when, and how it moves (moves, glitch, scan, hologram, hud)
hero       the person, dressed and lit
person     photo, matte, light and face
suit       armour, helmets, visors
city       streets, signs, weather
titles     names in any script
music      sound
looks      the looks as data; variation: what the seed changes; baked: their prepared plates
"""
