"""Times as counts by bucket: small, exact to 2.5 %, and those of several minutes can be added up.

A bucket is a power of STEP: bucket 0 is 1 second, 10 is 1.6, 100 is 132. JSON has them as strings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

STEP = 1.05
# Shorter times count as this long.
LEAST_SECONDS = 0.01

Histogram = Mapping[str, int]


def of(seconds: Iterable[float]) -> dict[str, int]:
    """Return the histogram of these times in seconds."""
    return dict(Counter(str(round(math.log(max(LEAST_SECONDS, one), STEP))) for one in seconds))


def added(histograms: Iterable[Histogram]) -> dict[str, int]:
    """Return the histogram of all their times together."""
    total: Counter[str] = Counter()
    for one in histograms:
        total.update(one)
    return dict(total)


def count(histogram: Histogram) -> int:
    return sum(histogram.values())


def percentile(histogram: Histogram, share: float) -> float | None:
    """Return the seconds that this share of the times does not exceed (nearest rank), None without times."""
    total = count(histogram)
    if not total:
        return None
    rank, seen = min(total - 1, int(total * share)), 0
    for bucket in sorted(histogram, key=int):
        seen += histogram[bucket]
        if seen > rank:
            return float(STEP ** int(bucket))
    raise AssertionError("a rank lies within the count")


def mean(histogram: Histogram) -> float | None:
    """Return the mean of the times in seconds, None without times."""
    total = count(histogram)
    return sum(STEP ** int(bucket) * number for bucket, number in histogram.items()) / total if total else None
