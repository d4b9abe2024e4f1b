"""The scores of the looks."""

from __future__ import annotations

from .score import Hits, Music, Part

# Neon-noir: a night drive. Saw bass in sixteenths that ducks below the kick, a wide pad, a bell-like lead.
SYNTHWAVE = Music(
    root=41.2,
    scale=(0, 2, 3, 5, 7, 8, 10),
    beats_per_minute=110,
    parts=(
        Part("blip", ("scan",), "7.7.e.7.7.7.e.e.", 0.10, octave=3, wet=0.3),
        Part("kick", ("hero", "title"), "X...X...X...X...", 0.95, wet=0.03),
        Part("clap", ("hero", "title"), "....X.......X..x", 0.34, wet=0.35),
        Part("hat", ("hero", "title"), "x.X.x.X.x.X.x.Xx", 0.15, pan=0.25, wet=0.1),
        Part(
            "saw_bass",
            ("hero", "title"),
            ("0070007000750070", "0700070035003500", "0007007055573002"),
            0.62,
            octave=1,
            ducked=True,
            wet=0.02,
        ),
        Part("pad", ("hero", "break"), "0...............", 0.30, octave=2, ducked=True, wet=0.4),
        Part("pad", ("break", "title"), "5.......4.......", 0.26, octave=2, ducked=True, wet=0.4),
        Part(
            "bell",
            ("hero", "title"),
            ("..7..9..b..9....", "b..9..7..4..7...", "..4.7..9....b.9."),
            0.17,
            octave=3,
            pan=-0.3,
            wet=0.55,
        ),
        Part("heart", ("break",), "X..x....X..x....", 0.8, wet=0.2),
    ),
    hits=Hits("noise_riser", "boom", "servo", "whoosh", "brass_fall", "shimmer", (0.32, 1.0, 0.20, 0.6, 0.85, 0.22)),
    drone="drone",
    drone_gain=0.22,
    hall=1.3,
    hall_gain=0.5,
)

# Chrome-samurai: the drum before the duel. Taiko in three, a plucked string in the in-sen scale, a gong at the title.
TAIKO = Music(
    root=36.71,
    scale=(0, 1, 5, 7, 10),
    beats_per_minute=96,
    parts=(
        Part("wood", ("scan",), "X.....X...X.X.XX", 0.28, pan=0.2, wet=0.5),
        Part(
            "taiko",
            ("hero", "title"),
            ("X..xX..x..X.x.xx", "X.x..xX...x.X.xx", "X...X.xx..X.X.x."),
            1.0,
            octave=1,
            wet=0.3,
        ),
        Part("small_taiko", ("hero", "title"), "..x..x.xx..x.x..", 0.40, octave=2, pan=0.35, wet=0.35),
        Part("rim", ("hero", "title"), "x.x.x.x.x.x.x.x.", 0.10, pan=-0.35, wet=0.3),
        Part(
            "shamisen",
            ("hero", "break"),
            ("5..7..6.5...3.5.", "7.6.5..3..5.6...", "3.5...7.6..5.3.."),
            0.42,
            octave=2,
            pan=-0.2,
            wet=0.3,
        ),
        Part(
            "flute",
            ("break", "title"),
            ("8.......7...6...", "9.......8.......", "7.....8.........."),
            0.16,
            octave=3,
            wet=0.7,
        ),
        Part("low_string", ("hero", "title"), "0.......1.......", 0.36, octave=1, wet=0.2),
    ),
    hits=Hits("cymbal_riser", "war_drum", "blade", "blade", "gong", "temple_bell", (0.30, 1.1, 0.26, 0.5, 0.85, 0.22)),
    drone="throat",
    drone_gain=0.20,
    hall=2.2,
    hall_gain=0.6,
)

# Netrunner: a machine that thinks. A chip arpeggio, broken drums, bits that crackle, a bass that talks.
GLITCH = Music(
    root=43.65,
    scale=(0, 2, 3, 5, 7, 9, 10),
    beats_per_minute=132,
    parts=(
        Part("modem", ("scan",), "2.5.b.9.7.e.c.9.", 0.11, octave=3, pan=0.2, wet=0.2),
        Part("short_kick", ("hero", "title"), "X..x..X.x.X...xX", 0.9, wet=0.02),
        Part("snare", ("hero", "title"), "....X..x....X.x.", 0.40, wet=0.15),
        Part("tick", ("hero", "title"), "xxx.xXx.xx.xXxxx", 0.11, pan=-0.3, wet=0.05),
        Part("bits", ("hero", "title"), "..X.....x..X..x.", 0.20, pan=0.4, wet=0.1),
        Part(
            "chip",
            ("hero", "break", "title"),
            ("0479479b479b7974", "079b079b57bc57bc", "0274027b2479247b"),
            0.17,
            octave=3,
            pan=0.2,
            wet=0.35,
        ),
        Part(
            "wobble",
            ("hero", "title"),
            ("0..0..3.0..0..5.", "0...0.0.3...5...", "0.0..0..5..3..2."),
            0.60,
            octave=1,
            ducked=True,
        ),
        Part("cold_pad", ("hero", "break", "title"), "4...............", 0.22, octave=2, ducked=True, wet=0.5),
    ),
    hits=Hits(
        "bit_riser", "data_drop", "servo", "stutter", "chord_stab", "shimmer", (0.30, 1.0, 0.20, 0.42, 0.75, 0.22)
    ),
    drone="drone",
    drone_gain=0.18,
    hall=0.9,
    hall_gain=0.4,
)

# Dust-nomad: a caravan at dusk. Hand drums in a long swing, a plucked string in the hijaz scale, a flute over it.
CARAVAN = Music(
    root=38.89,
    scale=(0, 1, 4, 5, 7, 8, 10),
    beats_per_minute=104,
    parts=(
        Part("rim", ("scan",), "X..X.x..X.X..x..", 0.22, pan=-0.2, wet=0.5),
        Part(
            "small_taiko",
            ("hero", "title"),
            ("X...x.X.X..xx...", "X..x..X.X.x.x...", "X.x...X..xX..x.."),
            0.85,
            octave=1,
            wet=0.3,
        ),
        Part("taiko", ("hero", "title"), "X.......X.......", 0.62, octave=1, wet=0.3),
        Part("rim", ("hero", "title"), "..xx..x...xx..x.", 0.13, pan=0.35, wet=0.25),
        Part("wood", ("hero", "title"), "....x.......x.xx", 0.12, pan=-0.4, wet=0.4),
        Part(
            "shamisen",
            ("hero", "break", "title"),
            ("7.8.7.5.4.5.7...", "a.9.8.7.8.5.4...", "4.5.7.8.a.8.7.5."),
            0.40,
            octave=2,
            pan=0.2,
            wet=0.35,
        ),
        Part(
            "flute",
            ("break", "title"),
            ("b.....a...8.....", "8...a.....7.....", "e.....b.....a..."),
            0.17,
            octave=2,
            pan=-0.2,
            wet=0.7,
        ),
        Part("low_string", ("hero", "title"), "0.....0.4...3...", 0.42, octave=1, wet=0.2),
    ),
    hits=Hits(
        "cymbal_riser",
        "war_drum",
        "shimmer",
        "whoosh",
        "brass_fall",
        "temple_bell",
        (0.30, 1.0, 0.24, 0.55, 0.75, 0.22),
    ),
    drone="throat",
    drone_gain=0.18,
    hall=1.8,
    hall_gain=0.5,
)

# Frost-warden: a watch on a wall. Slow great drums, bells like ice, a cold pad that opens at the title.
VIGIL = Music(
    root=34.65,
    scale=(0, 2, 3, 7, 8),
    beats_per_minute=78,
    parts=(
        Part("bell", ("scan",), "....9...........", 0.10, octave=3, pan=0.3, wet=0.8),
        Part(
            "taiko",
            ("hero", "title"),
            ("X.......X...X...", "X.....X.X.......", "X...X.......X.x."),
            1.0,
            octave=1,
            wet=0.45,
        ),
        Part("snare", ("hero", "title"), "............x.xx", 0.20, pan=-0.2, wet=0.4),
        Part("low_string", ("hero", "title"), "0.......3.......", 0.50, octave=1, wet=0.3),
        Part("saw_bass", ("hero", "title"), "0...0...0...0...", 0.34, octave=1, ducked=True, wet=0.1),
        Part("cold_pad", ("hero", "break", "title"), "0...............", 0.26, octave=2, wet=0.6),
        Part(
            "bell",
            ("hero", "break", "title"),
            ("5..7..a...9..7..", "a...7..5..7...9.", "7.9.a.....5...4."),
            0.19,
            octave=3,
            pan=-0.2,
            wet=0.7,
        ),
        Part("heart", ("break",), "X...x.......X...", 0.7, wet=0.3),
    ),
    hits=Hits("noise_riser", "war_drum", "servo", "blade", "gong", "shimmer", (0.30, 1.1, 0.20, 0.5, 0.85, 0.24)),
    drone="drone",
    drone_gain=0.24,
    hall=2.6,
    hall_gain=0.7,
)

# Daybreak: the city wakes. Bells over a warm pad in a major scale, hand claps, a bass that walks up.
SUNRISE = Music(
    root=43.65,
    scale=(0, 2, 4, 5, 7, 9, 11),
    beats_per_minute=120,
    parts=(
        Part("bell", ("scan",), "7...9...b...e...", 0.12, octave=3, pan=-0.2, wet=0.6),
        Part("kick", ("hero", "title"), "X.....x.X.......", 0.85, wet=0.03),
        Part("clap", ("hero", "title"), "....X..x....X...", 0.26, pan=-0.15, wet=0.4),
        Part("tick", ("hero", "title"), "x.x.X.x.x.x.X.xx", 0.12, pan=0.3, wet=0.15),
        Part("wood", ("hero", "title"), "..x...x.....x.x.", 0.14, pan=-0.35, wet=0.4),
        Part(
            "saw_bass",
            ("hero", "title"),
            ("0.....0.4...5...", "0...0...3.....4.", "0..0..0.5...4.3."),
            0.52,
            octave=1,
            ducked=True,
            wet=0.03,
        ),
        Part("cold_pad", ("hero", "break", "title"), "0.......3.......", 0.24, octave=2, ducked=True, wet=0.5),
        Part(
            "bell",
            ("hero", "break", "title"),
            ("7.9.b...e.b.9...", "b...9.7.9...b.e.", "e.b.9.b.7...9..."),
            0.18,
            octave=2,
            pan=0.25,
            wet=0.55,
        ),
        Part("flute", ("break", "title"), "b.......9...b...", 0.14, octave=2, pan=-0.2, wet=0.7),
    ),
    hits=Hits("noise_riser", "boom", "shimmer", "whoosh", "gong", "temple_bell", (0.30, 0.9, 0.24, 0.5, 0.7, 0.24)),
    drone="drone",
    drone_gain=0.16,
    hall=1.6,
    hall_gain=0.55,
)
