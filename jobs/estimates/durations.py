"""How long films take at each provider, measured over the last hour including the films under way.

Finished films alone are biased: of a hundred films started together the first ten to finish are the ten fastest. So a
film under way counts as one that takes *at least* as long as it has taken so far (the Kaplan-Meier estimate), and a
provider that has become slow is noticed before its first slow film is finished.

With few films in the hour, the samples of `cold_starts` are added; without any samples a guess is used, which the
films under way correct when it is too short.
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
# From ENOUGH films on the measurement is used; from SURE on it is taken as certain.
ENOUGH, SURE = 9, 30
# Before anything was measured: seconds within which half and nine of ten films are finished, in our studio and a cloud.
OUR_GUESS, CLOUD_GUESS = (8.0, 15.0), (60.0, 180.0)
COLLECTING_GUESS = (0.5, 1.5)
# A film takes no less: a sample of nothing was taken while a machine's clock was set back.
LEAST_SECONDS = 0.1
# Failed attempts may make slots look this many times as busy at most: beyond that the breaker opens.
MOST_OVERHEAD = 3.0
# The queue may move this much slower than its mean at any time.
LITTLE_DOUBT = 1.15
_STEPS = 20
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Durations:
    """Seconds from the claim of a slot to the finished film: the median, the 90th percentile and the mean.

    `overhead` is by how much failed attempts lengthen the time that a slot is busy for each film; 1 means not at all.
    """

    median: float
    slow: float
    mean: float
    overhead: float = 1.0
    failing: float = 0.0
    count: int = 0

    @property
    def doubt(self) -> float:
        """The factor between an expected and a slow duration: large with few measured films, small with many."""
        unknown = max(0.0, 1 - self.count / SURE)
        return LITTLE_DOUBT + (self.slow / self.median - 1) * unknown

    @property
    def slot_seconds(self) -> float:
        """For how long a slot is busy for each finished film."""
        return self.mean * self.overhead


def guessed(median: float, slow: float) -> Durations:
    return Durations(median, slow, (median + slow) / 2)


@dataclass(frozen=True)
class Measured:
    """Durations by provider id, and the (median, slow) seconds from a finished film to the film in our storage."""

    by_provider: dict[int, Durations]
    collecting: tuple[float, float]


@dataclass
class _Ended:
    """Seconds that the newest attempts of a provider held their slots, and that collecting their films took."""

    films: list[float] = field(default_factory=list)
    failures: list[float] = field(default_factory=list)
    collecting: list[float] = field(default_factory=list)


def measure(
    providers: Sequence[ProviderConfig], under_way: Mapping[int, Sequence[float]], *, now: datetime
) -> Measured:
    """Return the present durations; `under_way` has the ages in seconds of the films each provider is rendering."""
    ended = {provider.id: _ended(provider.id, now=now) for provider in providers}
    unknown = [provider for provider in providers if len(ended[provider.id].films) < ENOUGH]
    learned = cold_starts.known_of(unknown) if unknown else {}
    found: dict[int, Durations] = {}
    for provider in providers:
        its = ended[provider.id]
        films = its.films
        if provider.id in learned:
            before = learned[provider.id].samples
            samples = before.get(cold_starts.WARM_FILM) or before.get(cold_starts.COLD_FILM) or []
            films = films + [max(LEAST_SECONDS, seconds) for seconds in samples]
        found[provider.id] = _durations_of(provider, films, its.failures, under_way.get(provider.id, ()))
    seconds = [second for its in ended.values() for second in its.collecting]
    median, slow = cold_starts.percentile(seconds, 0.5), cold_starts.percentile(seconds, 0.9)
    if len(seconds) < ENOUGH or median is None or slow is None:
        return Measured(found, COLLECTING_GUESS)
    return Measured(found, (median, slow))


def _ended(provider_id: int, *, now: datetime) -> _Ended:
    rows = Attempt.objects.filter(
        provider_id=provider_id, claimed_at__gt=now - WINDOW, claimed_at__lte=now, finished_at__isnull=False
    )
    found = _Ended()
    listed = rows.order_by("-claimed_at").values_list(
        "status", "claimed_at", "finished_at", "error_code", "job__finished_at"
    )
    for status, claimed_at, finished_at, code, ready_at in listed[:NEWEST]:
        assert finished_at is not None  # asked for above
        seconds = max(LEAST_SECONDS, (finished_at - claimed_at).total_seconds())
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
    """Return within how many seconds that share of all films is finished, counting those under way."""
    if not films and max(under_way, default=0.0) < guess[0]:
        return _of_guess(guess, share)
    if len(films) < ENOUGH and (not films or len(films) < len(under_way)):
        # Add the guess as a few samples, fewer with each measured film.
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
    # So many films are still under way that this share lies beyond the last finished one: extrapolate from there,
    # with a film the likelier to end the longer it takes (a Weibull distribution of shape 2).
    last = ended[-1][0]
    if alive >= 1.0:
        return max(last * 1.5, _of_guess(guess, share))
    return last * min(2.5, max(1.0, math.sqrt(math.log(1 - share) / math.log(alive))))


def _of_guess(guess: tuple[float, float], share: float) -> float:
    """Return the seconds at which that share is finished, by the log-normal distribution through the guess."""
    median, slow = guess
    return median * math.exp(math.log(slow / median) * _NORMAL.inv_cdf(share) / _NORMAL.inv_cdf(0.9))
