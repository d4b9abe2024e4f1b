"""What it will cost to open a photo, as far as its header tells: a few kilobytes may be 40 megapixels of black.

Coefficients are CPU measured on the two cores of `docs/measurements.md`, rounded up. Counted in COST_UNIT: limits on
uploads, places in the queue and how many photos a worker claims at a time go by it, so that nobody who sends costly
photos has more of the machine than somebody who sends ordinary ones.
"""

import math

COST_UNIT = 0.1  # seconds of CPU; a photo as the page sends it costs one
_FIXED = 0.02
# Seconds a megapixel. Only JPEG can be decoded at a smaller scale.
_JPEG, _JPEG_SCAN = 0.008, 0.001
_OTHERS = {"webp": 0.03, "heic": 0.046, "png": 0.042}
_DEEP = 1.5  # times as much for 16 bits a channel
_WITHOUT_END = 4  # times as much for a JPEG of which it has to be seen whether it is whole


def decode_cost(
    photo_format: str, *, width: int, height: int, scans: int = 1, is_deep: bool = False, has_end: bool = True
) -> int:
    """Return the cost of opening a photo, in units of COST_UNIT, at least one."""
    megapixels = width * height / 1e6
    rate = _JPEG + _JPEG_SCAN * max(0, scans - 1) if photo_format == "jpeg" else _OTHERS[photo_format]
    seconds = _FIXED + megapixels * rate * (_DEEP if is_deep else 1.0) * (1 if has_end else _WITHOUT_END)
    return max(1, math.ceil(seconds / COST_UNIT))
