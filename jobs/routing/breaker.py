"""Whether a provider is asked at all: its breaker, and the waits it asks for.

               failures or spoiled films in a row, or trouble with our account
      closed ──────────────────────────────────────────────────────────────────► open
        ▲                                                                          │ its time is over
        │ the probe went well                     the probe failed: longer         ▼
        └────────────────────────────────────────────────────────────────────── half open: one call

A wait (429, Retry-After) is something else than failing: it says nothing against the provider, is no try of
the job, and ends by itself. Both may hold at once; the later end wins. After either the door opens for one
call, the probe, and for all others when that went well: sixty calls at once after a 429 are sixty more 429s.
There is exactly one probe, by any number of workers, because it is given out under the lock of the
provider's row (`allowance` in `jobs.queue.claims`), and it is given up when its lease has lapsed.

What calls and films meant is gathered as observations and written by `write` in transactions of their own, which
lock nothing but the provider. Only a call that was claimed after the door was shut says anything about opening
it: the others of the same volley were on their way already, whatever they come back with.

| opened by | after | closed by a probe whose |
| --- | --- | --- |
| calls | CALLS_UNTIL_OPEN failed or lost in a row | call is answered |
| films | FILMS_UNTIL_OPEN predictions failed in a row | film is finished |
| account | one 401, 402 or 403 | call is answered |

Open times are full-jitter (random below a cap that doubles), so that many installations do not come back at once.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Q

from jobs.clock import database_now
from providers.models import NOTHING_AGAINST_IT, BreakerReason, BreakerState, ProviderConfig

CALLS_UNTIL_OPEN = 3
FILMS_UNTIL_OPEN = 5
OPEN_FIRST, OPEN_CAP = timedelta(seconds=4), timedelta(minutes=2)
OPEN_AT_LEAST = timedelta(seconds=1)
ACCOUNT_OPEN, ACCOUNT_JITTER = timedelta(minutes=10), timedelta(minutes=2)
# Asked to wait without being told how long.
RATE_LIMIT_FIRST, RATE_LIMIT_CAP = timedelta(seconds=2), timedelta(minutes=1)
# After a probe's lease: by then its worker is dead or has written what it found.
PROBE_MARGIN = timedelta(seconds=5)

_ADDRESS = re.compile(r"https?://[^\s\"'<>]+", re.I)

BUSY, ASKED = "busy", "asked to wait"

_COLUMNS = (*NOTHING_AGAINST_IT, "last_error", "last_error_at")
_AS_NEW = Q(rate_limited_until=None, breaker_until=None, probe_until=None, consecutive_failures=0, spoiled_films=0)


class HealthSignal(StrEnum):
    """What a call or a film says about its provider."""

    ANSWERED = "answered"  # the call was understood: taken, or refused for a reason of the request's own
    FINISHED = "finished"  # a film was made, or could not be for a reason of the photo's own
    FAILED = "failed"  # the call failed, or its answer was lost
    SPOILED = "spoiled"  # the call was taken and no film came of it
    ACCOUNT = "account"  # our key, balance or permissions
    BUSY = "busy"  # no room now
    UNUSED = "unused"  # the call was never made


@dataclass(frozen=True)
class Observation:
    """A signal over the provider of a call that was claimed at that time."""

    provider_id: int
    signal: HealthSignal
    claimed_at: datetime
    retry_after: timedelta | None = None
    error: str = ""


def allowance(provider: ProviderConfig, *, now: datetime) -> int | None:
    """Return how many calls may be sent now: 0, 1 for a probe, None for as many as its limits allow."""
    if not provider.enabled or provider.blocked_until(now=now) is not None:
        return 0
    if not provider.needs_probe(now=now):
        return None
    return 0 if provider.probe_until is not None and provider.probe_until > now else 1


def probe_ends_at(provider: ProviderConfig, *, lease_until: datetime, deadline_at: datetime) -> datetime:
    """Return until when nobody else may probe: a call is soon known, a film only at its end."""
    return (deadline_at if provider.breaker_reason == BreakerReason.FILMS else lease_until) + PROBE_MARGIN


def write(observations: Iterable[Observation], *, chance: random.Random | None = None) -> None:
    """Bring providers up to date with what was found, in the order it was found.

    Not inside a transaction that holds jobs or attempts: claims take the provider's row first.
    """
    by_provider: dict[int, list[Observation]] = {}
    for observation in observations:
        by_provider.setdefault(observation.provider_id, []).append(observation)
    good = {HealthSignal.ANSWERED, HealthSignal.FINISHED, HealthSignal.UNUSED}
    all_good = [id for id, found in by_provider.items() if all(observation.signal in good for observation in found)]
    if all_good:
        # The usual case: all went well, and there is nothing to take back. Costs no lock.
        for provider_id in ProviderConfig.objects.filter(_AS_NEW, id__in=all_good).values_list("id", flat=True):
            del by_provider[provider_id]
    for provider_id in sorted(by_provider):
        _write_one(provider_id, by_provider[provider_id], chance or random.SystemRandom())


def _write_one(provider_id: int, observations: list[Observation], chance: random.Random) -> None:
    with transaction.atomic():
        provider = ProviderConfig.objects.select_for_update().filter(id=provider_id).first()
        if provider is None:
            return
        before = [getattr(provider, name) for name in _COLUMNS]
        now = database_now()
        for observation in observations:
            judge(provider, observation, now=now, chance=chance)
        if before != [getattr(provider, name) for name in _COLUMNS]:
            provider.save(update_fields=[*_COLUMNS, "updated_at"])


def judge(provider: ProviderConfig, observation: Observation, *, now: datetime, chance: random.Random) -> None:
    """Change a row at hand by one observation."""
    counts = provider.blocked_at is None or observation.claimed_at > provider.blocked_at
    if observation.error:
        # Vendors quote the address of a photo when they could not fetch it; this text outlives the photo.
        provider.last_error, provider.last_error_at = _ADDRESS.sub("(address)", observation.error)[:300], now
    match observation.signal:
        case HealthSignal.BUSY:
            _rate_limit(provider, observation, counts, now=now, chance=chance)
        case HealthSignal.ACCOUNT:
            if counts or provider.breaker_reason != BreakerReason.ACCOUNT:
                _open(provider, BreakerReason.ACCOUNT, now=now, chance=chance)
        case HealthSignal.FAILED if counts:
            _failed(provider, observation, now=now, chance=chance)
        case HealthSignal.SPOILED if counts:
            provider.spoiled_films += 1
            probed = provider.breaker_reason == BreakerReason.FILMS
            if probed or provider.spoiled_films >= FILMS_UNTIL_OPEN:
                _open(provider, BreakerReason.FILMS, now=now, chance=chance)
        case HealthSignal.ANSWERED if counts:
            _answered(provider, now=now)
        case HealthSignal.FINISHED if counts:
            provider.spoiled_films = 0
            if provider.breaker_reason == BreakerReason.FILMS:
                _close_breaker(provider)
        case HealthSignal.UNUSED if counts:
            provider.probe_until = None


def _rate_limit(
    provider: ProviderConfig, observation: Observation, counts: bool, *, now: datetime, chance: random.Random
) -> None:
    wait = observation.retry_after
    if not counts:
        # Of the volley that was refused already: it may ask for a longer wait, no more.
        if wait is not None and provider.rate_limited_until is not None:
            provider.rate_limited_until = max(provider.rate_limited_until, now + wait)
        return
    if wait is None:
        cap = min(RATE_LIMIT_CAP, RATE_LIMIT_FIRST * 2 ** min(provider.rate_limits_in_row, 10))
        wait = cap * (0.5 + 0.5 * chance.random())
    provider.rate_limits_in_row += 1
    _block(provider, now=now)
    provider.rate_limited_until = max(provider.rate_limited_until or now, now + wait)
    provider.rate_limited_reason = BUSY


def _failed(provider: ProviderConfig, observation: Observation, *, now: datetime, chance: random.Random) -> None:
    provider.consecutive_failures += 1
    provider.probe_until = None
    half_open = provider.breaker_state(now=now) == BreakerState.HALF_OPEN
    if half_open or provider.consecutive_failures >= CALLS_UNTIL_OPEN:
        _open(provider, provider.breaker_reason or BreakerReason.CALLS, now=now, chance=chance)
    if observation.retry_after is not None:
        _block(provider, now=now)
        provider.rate_limited_until = max(provider.rate_limited_until or now, now + observation.retry_after)
        provider.rate_limited_reason = ASKED


def _answered(provider: ProviderConfig, *, now: datetime) -> None:
    provider.consecutive_failures = 0
    if not provider.is_rate_limited(now=now):
        provider.rate_limited_until, provider.rate_limited_reason, provider.rate_limits_in_row = None, "", 0
    if provider.breaker_reason != BreakerReason.FILMS:
        _close_breaker(provider)


def _open(provider: ProviderConfig, reason: str, *, now: datetime, chance: random.Random) -> None:
    provider.breaker_openings += 1
    if reason == BreakerReason.ACCOUNT:
        wait = ACCOUNT_OPEN + ACCOUNT_JITTER * chance.random()
    else:
        cap = min(OPEN_CAP, OPEN_FIRST * 2 ** min(provider.breaker_openings - 1, 10))
        wait = max(OPEN_AT_LEAST, cap * chance.random())
    provider.breaker_until = max(provider.breaker_until or now, now + wait)
    provider.breaker_reason = reason
    _block(provider, now=now)


def _close_breaker(provider: ProviderConfig) -> None:
    provider.breaker_until, provider.breaker_reason, provider.breaker_openings = None, "", 0
    provider.probe_until = None
    if provider.rate_limited_until is None:
        provider.blocked_at = None


def _block(provider: ProviderConfig, *, now: datetime) -> None:
    """From now on only calls that are claimed later say anything about opening again."""
    provider.blocked_at, provider.probe_until = now, None
