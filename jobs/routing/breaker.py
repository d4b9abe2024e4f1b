"""Whether a provider may be called: its circuit breaker and its rate limits.

               failures or spoiled films in a row, or trouble with our account
      closed ──────────────────────────────────────────────────────────────────► open
        ▲                                                                          │ its time is over
        │ the probe went well                     the probe failed: longer         ▼
        └────────────────────────────────────────────────────────────────────── half open: one call

A rate limit (429, Retry-After) is no failure: it does not count against the provider or as a try of the job, and it
ends by itself. Both may hold at once; the later end wins. After either, one call is let through, the probe, and the
others follow when it went well: sixty calls at once after a 429 would be sixty more 429s. However many workers there
are, there is exactly one probe, because it is given out under the lock of the provider's row (`allowance`, called by
`jobs.queue.claims`). A probe whose lease has lapsed is given up.

What calls and films say about a provider is collected as observations and written by `write` in transactions of
their own, which lock nothing but the provider. Only calls that were claimed after the provider was blocked count for
opening or prolonging: the others of the same batch were under way already, whatever they return.

| opened by | after | closed by a probe whose |
| --- | --- | --- |
| calls | CALLS_UNTIL_OPEN failed or lost in a row | call is answered |
| films | FILMS_UNTIL_OPEN predictions failed in a row | film is finished |
| account | one 401, 402 or 403 | call is answered |

Open times have full jitter (random below a cap that doubles), so that many installations do not return at once.
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
# Nobody knows how many films are wrong: long enough for staff to look.
MIXED_UP_OPEN = timedelta(minutes=10)
ACCOUNT_OPEN, ACCOUNT_JITTER = timedelta(minutes=10), timedelta(minutes=2)
# For a 429 that does not say how long to wait.
RATE_LIMIT_FIRST, RATE_LIMIT_CAP = timedelta(seconds=2), timedelta(minutes=1)
# After a probe's lease: by then its worker has written the result, or is dead.
PROBE_MARGIN = timedelta(seconds=5)

_ADDRESS = re.compile(r"https?://[^\s\"'<>]+", re.I)

BUSY, ASKED = "busy", "asked to wait"

_COLUMNS = (*NOTHING_AGAINST_IT, "last_error", "last_error_at")
_AS_NEW = Q(rate_limited_until=None, breaker_until=None, probe_until=None, consecutive_failures=0, spoiled_films=0)


class HealthSignal(StrEnum):
    """What a call or a film says about its provider."""

    ANSWERED = "answered"  # the call was accepted, or refused because of the request
    FINISHED = "finished"  # a film was made, or failed because of the photo
    FAILED = "failed"  # the call failed, or its answer was lost
    SPOILED = "spoiled"  # the call was accepted and no film came of it
    MIXED_UP = "mixed_up"  # it gave one person's film for another's
    ACCOUNT = "account"  # our key, balance or permissions
    BUSY = "busy"  # no room now
    UNUSED = "unused"  # the call was never made


@dataclass(frozen=True)
class Observation:
    """What a call that was claimed at that time says about its provider."""

    provider_id: int
    signal: HealthSignal
    claimed_at: datetime
    retry_after: timedelta | None = None
    error: str = ""


def allowance(provider: ProviderConfig, *, now: datetime) -> int | None:
    """Return how many calls may be sent now: 0, 1 (a probe), or None for as many as its limits allow."""
    if not provider.enabled or provider.blocked_until(now=now) is not None:
        return 0
    if not provider.needs_probe(now=now):
        return None
    return 0 if provider.probe_until is not None and provider.probe_until > now else 1


def probe_ends_at(provider: ProviderConfig, *, lease_until: datetime, deadline_at: datetime) -> datetime:
    """Return until when no other probe may be sent: until the call is answered, or until the film is finished."""
    return (deadline_at if provider.breaker_reason == BreakerReason.FILMS else lease_until) + PROBE_MARGIN


def write(observations: Iterable[Observation], *, chance: random.Random | None = None) -> None:
    """Apply observations to their providers, in order.

    Do not call it inside a transaction that has locked jobs or attempts: claims lock the provider's row first, so that
    could deadlock.
    """
    by_provider: dict[int, list[Observation]] = {}
    for observation in observations:
        by_provider.setdefault(observation.provider_id, []).append(observation)
    good = {HealthSignal.ANSWERED, HealthSignal.FINISHED, HealthSignal.UNUSED}
    all_good = [id for id, found in by_provider.items() if all(observation.signal in good for observation in found)]
    if all_good:
        # The usual case, which needs no lock: all went well, and the row has nothing to reset.
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
    """Apply one observation to a loaded row, without saving it."""
    counts = provider.blocked_at is None or observation.claimed_at > provider.blocked_at
    if observation.error:
        # Vendors quote the photo's address when they cannot fetch it, and this text is kept longer than the photo.
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
        case HealthSignal.MIXED_UP:
            provider.spoiled_films += 1
            _open(provider, BreakerReason.FILMS, now=now, chance=chance, at_least=MIXED_UP_OPEN)
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
        # Another call of the batch that was rate limited already: it may only prolong the wait.
        if wait is not None and provider.rate_limited_until is not None:
            _wait_until(provider, now + wait, BUSY)
        return
    if wait is None:
        cap = min(RATE_LIMIT_CAP, RATE_LIMIT_FIRST * 2 ** min(provider.rate_limits_in_row, 10))
        wait = cap * (0.5 + 0.5 * chance.random())
    provider.rate_limits_in_row += 1
    _block(provider, now=now)
    _wait_until(provider, now + wait, BUSY)


def _wait_until(provider: ProviderConfig, end: datetime, reason: str) -> None:
    """Let it wait until then, or for longer when it waits for longer already; the reason is that of the later end.

    So staff who have parked it go on seeing that, whatever a call that was under way is answered.
    """
    if provider.rate_limited_until is None or end > provider.rate_limited_until:
        provider.rate_limited_until, provider.rate_limited_reason = end, reason


def _failed(provider: ProviderConfig, observation: Observation, *, now: datetime, chance: random.Random) -> None:
    provider.consecutive_failures += 1
    provider.probe_until = None
    half_open = provider.breaker_state(now=now) == BreakerState.HALF_OPEN
    if half_open or provider.consecutive_failures >= CALLS_UNTIL_OPEN:
        _open(provider, provider.breaker_reason or BreakerReason.CALLS, now=now, chance=chance)
    if observation.retry_after is not None:
        _block(provider, now=now)
        _wait_until(provider, now + observation.retry_after, ASKED)


def _answered(provider: ProviderConfig, *, now: datetime) -> None:
    provider.consecutive_failures = 0
    if not provider.is_rate_limited(now=now):
        provider.rate_limited_until, provider.rate_limited_reason, provider.rate_limits_in_row = None, "", 0
    if provider.breaker_reason != BreakerReason.FILMS:
        _close_breaker(provider)


def _open(
    provider: ProviderConfig,
    reason: str,
    *,
    now: datetime,
    chance: random.Random,
    at_least: timedelta = OPEN_AT_LEAST,
) -> None:
    provider.breaker_openings += 1
    if reason == BreakerReason.ACCOUNT:
        wait = ACCOUNT_OPEN + ACCOUNT_JITTER * chance.random()
    else:
        cap = min(OPEN_CAP, OPEN_FIRST * 2 ** min(provider.breaker_openings - 1, 10))
        wait = max(at_least, cap * chance.random())
    provider.breaker_until = max(provider.breaker_until or now, now + wait)
    provider.breaker_reason = reason
    _block(provider, now=now)


def _close_breaker(provider: ProviderConfig) -> None:
    provider.breaker_until, provider.breaker_reason, provider.breaker_openings = None, "", 0
    provider.probe_until = None
    if provider.rate_limited_until is None:
        provider.blocked_at = None


def _block(provider: ProviderConfig, *, now: datetime) -> None:
    """Mark the provider as blocked now: calls claimed before no longer count."""
    provider.blocked_at, provider.probe_until = now, None
