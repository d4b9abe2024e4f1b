"""Times in buckets: percentiles as of the times themselves, and sums of histograms as of all times together."""

from __future__ import annotations

import random

import pytest

from jobs.rollups import histograms
from jobs.routing import cold_starts


def times(seed: int, number: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.lognormvariate(2, 1.5) for _ in range(number)]


@pytest.mark.parametrize("number", [1, 2, 9, 500])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 0.999])
def test_a_percentile_is_that_of_the_times_to_a_fortieth(number: int, share: float) -> None:
    seconds = times(number, number)
    assert histograms.percentile(histograms.of(seconds), share) == pytest.approx(
        cold_starts.percentile(seconds, share), rel=0.026
    )


def test_histograms_add_up_to_that_of_all_times_together() -> None:
    first, second = times(1, 80), times(2, 120)
    together = histograms.added([histograms.of(first), histograms.of(second)])
    assert together == histograms.of(first + second)
    assert histograms.count(together) == 200
    assert histograms.mean(together) == pytest.approx(sum(first + second) / 200, rel=0.026)


def test_without_times_there_is_no_percentile_and_no_mean() -> None:
    assert histograms.percentile({}, 0.5) is None
    assert histograms.mean({}) is None
    assert histograms.count(histograms.of([0.0])) == 1
