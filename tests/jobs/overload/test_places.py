"""A place in the waiting room is a signed time, and nothing about the person."""

from __future__ import annotations

import pytest

from jobs.overload import places

NOW = 1_800_000_000.0


def test_a_place_is_read_back() -> None:
    place = places.new(now=NOW)
    assert places.read(place.token, now=NOW + 60) == place


@pytest.mark.parametrize("seconds", [-3700, 60])
def test_a_place_is_taken_for_an_hour_and_not_from_the_future(seconds: float) -> None:
    assert places.read(places.new(now=NOW + seconds).token, now=NOW) is None


@pytest.mark.parametrize("token", ["", "x", "1800000000.abc:forged", "9" * 500])
def test_no_other_token_is_a_place(token: str) -> None:
    assert places.read(token, now=NOW) is None


def test_nobody_moves_a_place_forward() -> None:
    since, rest = places.new(now=NOW).token.split(".", 1)
    assert places.read(f"{int(since) - 100}.{rest}", now=NOW) is None
