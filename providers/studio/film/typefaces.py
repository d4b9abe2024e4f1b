"""The shipped fonts by purpose, and the fallback fonts of other scripts."""

from __future__ import annotations

from pathlib import Path

FONTS = Path(__file__).parent / "fonts"
TITLE = "orbitron-latin-900"
HEAVY = "unbounded-900"
LINE = "rajdhani-latin-600"
HUD = "share-tech-mono-latin-400"
SIGNS = "dela-gothic-one-japanese-400"
# Where the title's font has no glyph, the first of these that has it is used.
FALLBACKS = (
    TITLE,
    HEAVY,
    SIGNS,
    "noto-sans-greek-700",
    "noto-sans-hebrew-700",
    "noto-sans-arabic-700",
    "noto-sans-thai-700",
    "noto-sans-devanagari-700",
    "noto-sans-cjk-700",
    "noto-sans-georgian-700",
    "noto-sans-armenian-700",
    "noto-sans-bengali-700",
    "noto-sans-gurmukhi-700",
    "noto-sans-gujarati-700",
    "noto-sans-tamil-700",
    "noto-sans-telugu-700",
    "noto-sans-kannada-700",
    "noto-sans-malayalam-700",
)
# Scripts that are joined, stacked or right-to-left: their letters are never spaced.
JOINED = {
    *("noto-sans-hebrew-700", "noto-sans-arabic-700", "noto-sans-thai-700", "noto-sans-devanagari-700"),
    *("noto-sans-bengali-700", "noto-sans-gurmukhi-700", "noto-sans-gujarati-700", "noto-sans-tamil-700"),
    *("noto-sans-telugu-700", "noto-sans-kannada-700", "noto-sans-malayalam-700"),
}


def font_path(name: str) -> Path:
    """The file of a font."""
    (path,) = FONTS.glob(f"{name}.[ot]tf")
    return path
