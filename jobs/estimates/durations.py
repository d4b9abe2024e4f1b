"""How long films take at each provider: of the last hour, those under way counted in.

Whoever looks only at finished films believes the quick ones: of a hundred films begun together the first ten to come
back are the ten fastest. So a film under way counts as one that takes *at least* as long as it has been (the estimate
of Kaplan and Meier), and a provider that has become slow is seen before its first slow film is there.

With few films in the hour what was learned before (`cold_starts`) is added; before anything was learned there is a
guess, and those under way say when it was too short.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import NormalDist

from jobs.models import Attempt
from jobs.routing import cold_starts
from providers.models import ProviderConfig

WINDOW = timedelta(hours=1)
NEWEST = 200
# So many films make a figure; so many make it certain.
ENOUGH, SURE = 9, 30
# Before anything was measured: seconds within which half and nine of ten films come, from our own studio and a cloud.
OUR_GUESS, CLOUD_GUESS = (8.0, 15.0), (60.0, 180.0)
COLLECTING_GUESS = (0.5, 1.5)
# The largest part of a provider's places that failures may seem to take: beyond it the breaker has its say.
MOST_OVERHEAD = 3.0
# How much slower than at the mean pace a line may move without that being a surprise.
LITTLE_DOUBT = 1.15
_STEPS = 20
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Durations:
    """Seconds from the claim of a place to the film: the median, the 90th percentile, the mean, and what comes on top.

    `overhead` is how many times as long places are taken as the films alone would take them: the tries that fail.
    """

    median: float
    slow: float
    mean: float
    overhead: float = 1.0
    failing: float = 0.0
    count: int = 0

    @property
    def doubt(self) -> float:
        """How many times as long as thought it may be: much before anything was measured, little afterwards."""
        unknown = max(0.0, 1 - self.count / SURE)
        return LITTLE_DOUBT + (self.slow / self.median - 1) * unknown

    @property
    def place_seconds(self) -> float:
        """How long a place is taken for each film that comes out of it."""
        return self.mean * self.overhead


def guessed(median: float, slow: float) -> Durations:
    return Durations(median, slow, (median + slow) / 2)


@dataclass(frozen=True)
class Measured:
    """Each provider's pace, and from the film there to the film in our storage: the median and the slow one."""

    paces: dict[int, Durations]
    collecting: tuple[float, float]


@dataclass
class _Ended:
    """How long the newest tries of a provider held their place, and how long their films took to be collected."""

    films: list[float] = field(default_factory=list)
    failures: list[float] = field(default_factory=list)
    collecting: list[float] = field(default_factory=list)


def measure(
    providers: Sequence[ProviderConfig], under_way: Mapping[int, Sequence[float]], *, now: datetime
) -> Measured:
    """Return what can be said now; `under_way` holds the ages of the films each provider is making."""
    ended = {provider.id: _ended(provider.id, now=now) for provider in providers}
    unknown = [provider for provider in providers if len(ended[provider.id].films) < ENOUGH]
    learned = cold_starts.known_of(unknown) if unknown else {}
    found: dict[int, Durations] = {}
    for provider in providers:
        its = ended[provider.id]
        films = its.films
        if provider.id in learned:
            before = learned[provider.id].samples
            films = films + (before.get(cold_starts.WARM_FILM) or before.get(cold_starts.COLD_FILM) or [])
        found[provider.id] = _durations_of(provider, films, its.failures, under_way.get(provider.id, ()))
    seconds = [second for its in ended.values() for second in its.collecting]
    median, slow = cold_starts.percentile(seconds, 0.5), cold_starts.percentile(seconds, 0.9)
    is_known = len(seconds) >= ENOUGH and median is not None and slow is not None
    return Measured(found, (median, slow) if is_known else COLLECTING_GUESS)


def _ended(provider_id: int, *, now: datetime) -> _Ended:
    rows = Attempt.objects.filter(
        provider_id=provider_id, claimed_at__gt=now - WINDOW, claimed_at__lte=now, finished_at__isnull=False
    )
    found = _Ended()
    listed = rows.order_by("-claimed_at").values_list(
        "status", "claimed_at", "finished_at", "error_code", "job__finished_at"
    )
    for status, claimed_at, finished_at, code, ready_at in listed[:NEWEST]:
        seconds = max(0.1, (finished_at - claimed_at).total_seconds())
        if status in (Attempt.Status.SUCCEEDED, Attempt.Status.SUPERSEDED):
            found.films.append(seconds)
        elif status in (Attempt.Status.FAILED, Attempt.Status.TIMED_OUT) and code not in Attempt.NOT_ITS_FAULT:
            found.failures.append(seconds)
        if status == Attempt.Status.SUCCEEDED and ready_at:
            found.collecting.append(max(0.0, (ready_at - finished_at).total_seconds()))
    return found


def _durations_of(
    provider: ProviderConfig, films: Sequence[float], failures: Sequence[float], under_way: Sequence[float]
) -> Durations:
    guess = OUR_GUESS if provider.capabilities.is_ours else CLOUD_GUESS
    steps = [(step + 0.5) / _STEPS for step in range(_STEPS)]
    spread = [_quantile(films, under_way, share, guess) for share in (0.5, 0.9, *steps)]
    mean = sum(spread[2:]) / _STEPS
    overhead, failing = 1.0, 0.0
    if len(films) + len(failures) >= ENOUGH:
        failing = len(failures) / (len(films) + len(failures))
        overhead = min(MOST_OVERHEAD, 1 + sum(failures) / sum(films)) if films else MOST_OVERHEAD
    return Durations(spread[0], max(spread[0], spread[1]), mean, overhead, failing, len(films))


def _quantile(films: Sequence[float], under_way: Sequence[float], share: float, guess: tuple[float, float]) -> float:
    """Return within how many seconds that share of all films comes, those under way counted in."""
    if not films and max(under_way, default=0.0) < guess[0]:
        return _of_guess(guess, share)
    if len(films) < ENOUGH and (not films or len(films) < len(under_way)):
        # As if the guess had been measured a few times: it counts less with each film.
        films = [*films, *(_of_guess(guess, (number + 0.5) / ENOUGH) for number in range(ENOUGH - len(films)))]
    left = len(films) + len(under_way)
    ended = sorted([(seconds, 0) for seconds in films] + [(age, 1) for age in under_way])
    alive = 1.0
    for seconds, is_under_way in ended:
        if not is_under_way:
            alive *= 1 - 1 / left
            if alive <= 1 - share + 1e-9:
                return seconds
        left -= 1
    # So many have been under way for so long that nobody has seen the end: as if a film were the likelier to end the
    # longer it takes (Weibull's distribution with a shape of 2), through the last that is known.
    last = ended[-1][0]
    if alive >= 1.0:
        return max(last * 1.5, _of_guess(guess, share))
    return last * min(2.5, max(1.0, math.sqrt(math.log(1 - share) / math.log(alive))))


def _of_guess(guess: tuple[float, float], share: float) -> float:
    """Return a share's seconds by a guess: log-normal through its two points."""
    median, slow = guess
    return median * math.exp(math.log(slow / median) * _NORMAL.inv_cdf(share) / _NORMAL.inv_cdf(0.9))
