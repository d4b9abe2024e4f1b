"""Makes a film: from a photo to 138 frames with sound. It does no HTTP.

render     from a photo's bytes to a film, frame by frame
shots      the shots of the film (moves, glitch, scan, hologram, hud)
hero       the person in the suit, lit and posed
person     photo, matte, light and face
suit       armour, helmets, visors
city       streets, signs, weather
titles     names in any script
music      sound
looks      the looks as data; variation: differences by seed; baked: stored plates
"""
