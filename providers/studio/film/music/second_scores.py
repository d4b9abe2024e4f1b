"""The second piece of each look: another tempo, key, rhythm and band than the first in `scores.py`."""

from __future__ import annotations

from .score import Hits, Music, Part

# Neon-noir: after hours. Half time, brushed drums, a low string that walks in F minor, a flute in the rain.
AFTER_HOURS = Music(
    root=43.65,
    scale=(0, 2, 3, 5, 7, 8, 10),
    beats_per_minute=84,
    parts=(
        Part("bell", ("scan",), "9.....7...4.....", 0.10, octave=3, pan=0.2, wet=0.6),
        Part("kick", ("hero", "title"), "X.....X...x.....", 0.95, wet=0.05),
        Part("snare", ("hero", "title"), "........X......x", 0.34, pan=0.15, wet=0.4),
        Part("rim", ("hero", "title"), "..x..x....x..x..", 0.15, pan=-0.35, wet=0.3),
        Part("tick", ("hero", "break", "title"), "x..x..x.x..x..x.", 0.10, pan=0.3, wet=0.2),
        Part("saw_bass", ("hero", "title"), "0.....4.2...5.4.", 0.60, octave=1, wet=0.05),
        Part("low_string", ("hero", "title"), "0.......5.......", 0.40, octave=1, wet=0.3),
        Part("flute", ("hero", "break", "title"), "9.....b...7.....", 0.15, octave=2, pan=-0.25, wet=0.7),
    ),
    hits=Hits("cymbal_riser", "boom", "shimmer", "whoosh", "gong", "temple_bell", (0.28, 1.0, 0.22, 0.5, 0.8, 0.22)),
    drone="throat",
    drone_gain=0.18,
    hall=2.0,
    hall_gain=0.55,
)

# Chrome-samurai: the chase over the roofs. A machine's kick, plucked sixteenths in hirajoshi on F sharp.
ROOFTOPS = Music(
    root=46.25,
    scale=(0, 2, 3, 7, 8),
    beats_per_minute=140,
    parts=(
        Part("blip", ("scan",), "5...7...5...9...", 0.10, octave=3, pan=-0.2, wet=0.5),
        Part("short_kick", ("hero", "title"), "X...X...X...X.x.", 0.95, wet=0.03),
        Part("clap", ("hero", "title"), "....X.......X...", 0.30, wet=0.3),
        Part("hat", ("hero", "title"), "..X...X...X...Xx", 0.16, pan=0.3, wet=0.1),
        Part("saw_bass", ("hero", "title"), "0.00..0.3.33..2.", 0.62, octave=1, ducked=True, wet=0.03),
        Part("shamisen", ("hero", "title"), "5.7.8.7.a.8.7.5.", 0.34, octave=2, pan=-0.25, wet=0.3),
        Part("cold_pad", ("hero", "break", "title"), "0...............", 0.20, octave=2, ducked=True, wet=0.5),
        Part("heart", ("break",), "X.x.....X.x.....", 0.7, wet=0.2),
    ),
    hits=Hits("noise_riser", "data_drop", "blade", "blade", "brass_fall", "shimmer", (0.30, 1.0, 0.24, 0.5, 0.8, 0.22)),
    drone="drone",
    drone_gain=0.20,
    hall=1.2,
    hall_gain=0.45,
)

# Netrunner: the back door. Dub in half time, a slow bass that talks in E Phrygian, bells far away.
BACK_DOOR = Music(
    root=41.2,
    scale=(0, 1, 3, 5, 7, 8, 10),
    beats_per_minute=88,
    parts=(
        Part("blip", ("scan",), "7.......8.......", 0.11, octave=3, pan=-0.3, wet=0.8),
        Part("kick", ("hero", "title"), "X.........X.....", 1.0, wet=0.05),
        Part("clap", ("hero", "title"), "........X.......", 0.42, wet=0.6),
        Part("rim", ("hero", "title"), "...x..x.....x..x", 0.16, pan=0.35, wet=0.5),
        Part("hat", ("hero", "title"), "x...x...x...x.x.", 0.13, pan=-0.3, wet=0.1),
        Part("wobble", ("hero", "title"), "0.....1.0.....3.", 0.60, octave=1, ducked=True),
        Part("pad", ("hero", "break", "title"), "0...............", 0.28, octave=2, ducked=True, wet=0.5),
        Part("bell", ("hero", "break", "title"), "....7.....8...5.", 0.17, octave=3, pan=0.25, wet=0.8),
    ),
    hits=Hits("noise_riser", "boom", "servo", "whoosh", "chord_stab", "shimmer", (0.30, 1.0, 0.20, 0.45, 0.8, 0.22)),
    drone="drone",
    drone_gain=0.22,
    hall=2.2,
    hall_gain=0.6,
)

# Dust-nomad: the ride. A gallop in twelve, D Dorian, a bass under the hooves and bells on the harness.
RIDE = Music(
    root=36.71,
    scale=(0, 2, 3, 5, 7, 9, 10),
    beats_per_minute=138,
    parts=(
        Part("flute", ("scan",), "7...............", 0.10, octave=2, pan=0.2, wet=0.8),
        Part("kick", ("hero", "title"), "X..X..X..X..", 0.85, wet=0.05),
        Part("wood", ("hero", "title"), "X.xX.xX.xX.x", 0.22, pan=0.3, wet=0.3),
        Part("clap", ("hero", "title"), "......X.....", 0.30, pan=-0.2, wet=0.4),
        Part("tick", ("hero", "title"), "x.xx.xx.xx.x", 0.12, pan=-0.35, wet=0.1),
        Part("saw_bass", ("hero", "title"), "0..0..4..3..", 0.62, octave=1, ducked=True, wet=0.05),
        Part("bell", ("hero", "break", "title"), "7..9..b..9.7", 0.17, octave=2, pan=-0.25, wet=0.5),
        Part("pad", ("break", "title"), "0...............", 0.24, octave=2, wet=0.5),
    ),
    hits=Hits("noise_riser", "boom", "blade", "whoosh", "gong", "shimmer", (0.30, 1.0, 0.22, 0.55, 0.8, 0.22)),
    drone="drone",
    drone_gain=0.20,
    hall=1.3,
    hall_gain=0.45,
)

# Frost-warden: the march. A snare that drives, a chord of strings in G harmonic minor, the bass in eighths.
MARCH = Music(
    root=49.0,
    scale=(0, 2, 3, 5, 7, 8, 11),
    beats_per_minute=118,
    parts=(
        Part("rim", ("scan",), "X..xX..xX.xxX.xx", 0.16, pan=-0.2, wet=0.5),
        Part("kick", ("hero", "title"), "X.......X.......", 0.95, wet=0.05),
        Part("snare", ("hero", "title"), "X.xxX.xxX.xxXxxx", 0.26, pan=0.15, wet=0.3),
        Part("hat", ("hero", "title"), "....X.......X...", 0.14, pan=-0.3, wet=0.2),
        Part("saw_bass", ("hero", "title"), "0.0.0.0.5.5.4.4.", 0.60, octave=1, ducked=True, wet=0.03),
        Part("low_string", ("hero", "title"), "0.......5...4...", 0.42, octave=1, wet=0.3),
        Part("flute", ("hero", "break", "title"), "7.....9...8.....", 0.17, octave=2, pan=0.2, wet=0.6),
        Part("shamisen", ("hero", "title"), "7.7.9.7.c.b.9.8.", 0.26, octave=2, pan=-0.3, wet=0.3),
    ),
    hits=Hits("cymbal_riser", "boom", "blade", "whoosh", "brass_fall", "temple_bell", (0.3, 1.0, 0.2, 0.5, 0.8, 0.22)),
    drone="throat",
    drone_gain=0.18,
    hall=1.4,
    hall_gain=0.45,
)

# Daybreak: the first cup. Slow hand percussion, a plucked string in a major pentatonic on D, a flute that answers.
FIRST_CUP = Music(
    root=36.71,
    scale=(0, 2, 4, 7, 9),
    beats_per_minute=92,
    parts=(
        Part("flute", ("scan",), "5.......7.......", 0.10, octave=2, pan=0.25, wet=0.7),
        Part("small_taiko", ("hero", "title"), "X.....x...X.x...", 0.85, octave=1, wet=0.25),
        Part("taiko", ("hero", "title"), "X.........X.....", 0.55, octave=1, wet=0.3),
        Part("rim", ("hero", "title"), "....x..x....x...", 0.16, pan=0.35, wet=0.3),
        Part("tick", ("hero", "title"), "..x...x...x...x.", 0.13, pan=-0.3, wet=0.15),
        Part("shamisen", ("hero", "break", "title"), "5..7.8..a..8.7..", 0.36, octave=2, pan=-0.2, wet=0.35),
        Part("low_string", ("hero", "title"), "0.......3.......", 0.46, octave=1, wet=0.2),
        Part("chip", ("title",), "a.c.a.c.d.c.a.8.", 0.10, octave=2, pan=0.2, wet=0.5),
    ),
    hits=Hits("cymbal_riser", "war_drum", "shimmer", "whoosh", "gong", "shimmer", (0.30, 1.0, 0.24, 0.5, 0.7, 0.24)),
    drone="drone",
    drone_gain=0.18,
    hall=1.5,
    hall_gain=0.5,
)
