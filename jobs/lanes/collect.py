"""The collect lane: copies finished films and previews into our storage, and then announces them.

Recorded deliveries are applied here in batches, before each claim. A job is in this lane for its preview while the
film is still being rendered (it has no winner yet), and for the film itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from jobs import lifecycle, storage
from jobs.clock import database_now
from jobs.films.sandbox import FilmSandbox, SandboxUnavailable, shared_sandbox
from jobs.models import Attempt, Lane
from jobs.queue import claims, queues
from jobs.queue.engine import LaneWork
from jobs.routing import fallback, hosts
from providers.models import ProviderConfig

from . import ingest, mixed_up
from .fetching import Fetched, FetchResult, fetch_film, fetch_preview
from .unreferenced_files import unreferenced

logger = logging.getLogger(__name__)

# Renewed while a film is fetched; after this long the films of a worker that died or hangs are due again.
LEASE = timedelta(seconds=10)
MAX_PREVIEW_TRIES = 2
MAX_FILM_TRIES = 4


@dataclass(frozen=True)
class _FetchItem:
    """What to fetch for a job: its film, or only its preview."""

    job_id: UUID
    lease_token: str
    attempt: Attempt | None
    tries: int
    is_film: bool

    @property
    def is_last_try(self) -> bool:
        return self.tries + 1 >= (MAX_FILM_TRIES if self.is_film else MAX_PREVIEW_TRIES)


@dataclass(frozen=True)
class _Outcome:
    item: _FetchItem
    fetched: Fetched


class CollectLane(LaneWork):
    lane = Lane.COLLECT
    threads = 16

    def __init__(self, sandbox: FilmSandbox | None = None) -> None:
        self.sandbox = sandbox or shared_sandbox()

    def warm_up(self) -> None:
        try:
            self.sandbox.start()
        except SandboxUnavailable as error:
            logger.error("sandbox_unavailable error=%s", error)

    def before_claim(self) -> int:
        """Apply what providers have told; each film comes with two or three deliveries."""
        applied = last = ingest.apply_deliveries()
        while last >= ingest.APPLY_LIMIT:
            last = ingest.apply_deliveries()
            applied += last
        return applied

    def claim(self, room: int) -> list[_FetchItem]:
        if not claims.has_due(Lane.COLLECT, now=database_now()):
            return []
        claim = claims.claim_lane(
            Lane.COLLECT, limit=room, lease=LEASE, not_at=hosts.out_of_reach(), related=["winner__provider"]
        )
        items = []
        for job in claim.jobs:
            attempt = job.winner
            if attempt is None:
                attempts = Attempt.objects.filter(job=job).exclude(preview_url="").select_related("provider", "job")
                attempt = attempts.order_by("-number").first()
            else:
                attempt.job = job
            items.append(_FetchItem(job.id, claim.lease_token, attempt, job.lane_tries, job.winner_id is not None))
        return items

    def keep(self, items: list[_FetchItem]) -> None:
        claims.renew([(item.job_id, item.lease_token) for item in items], lane=self.lane, lease=LEASE)

    def give_back(self, items: list[_FetchItem]) -> None:
        with transaction.atomic():
            claims.give_back([(item.job_id, item.lease_token) for item in items], lane=self.lane)
            queues.nudge_after_commit(self.lane)

    def work(self, item: _FetchItem) -> _Outcome:
        attempt = item.attempt
        if attempt is None:
            return _Outcome(item, Fetched(result=FetchResult.GONE, error="nothing to fetch"))
        if item.is_film:
            return _Outcome(item, fetch_film(self.sandbox, attempt, is_last_try=item.is_last_try))
        return _Outcome(item, fetch_preview(self.sandbox, attempt))

    def record(self, outcomes: list[_Outcome]) -> None:
        unwanted: list[str] = []
        now, job_ids = database_now(), [outcome.item.job_id for outcome in outcomes]
        with transaction.atomic():
            outcomes, refused = _without_mixed_up(outcomes, now=now)
            unwanted += refused + _record_films(outcomes, now=now)
            for outcome in outcomes:
                if not outcome.item.is_film:
                    unwanted += _record_preview(outcome, now=now)
                elif not outcome.fetched.video_key:
                    _record_failure(outcome, now=now)
        storage.discard(unreferenced(unwanted, brought_for=job_ids))

    def record_crash(self, item: _FetchItem, error: BaseException) -> None:
        self.record([_Outcome(item, Fetched(result=FetchResult.UNAVAILABLE, error=f"{type(error).__name__}: {error}"))])


def _record_preview(outcome: _Outcome, *, now: datetime) -> list[str]:
    """Write the outcome for a preview; return the keys of files to remove."""
    item, poster_key = outcome.item, outcome.fetched.poster_key
    if poster_key:
        took = lifecycle.record_preview(item.job_id, lease_token=item.lease_token, preview_key=poster_key, now=now)
        return [] if took else [poster_key]
    if item.is_last_try or item.attempt is None:
        lifecycle.give_up_preview(item.job_id, lease_token=item.lease_token)
    else:
        claims.release(item.job_id, lease_token=item.lease_token, due_at=now + timedelta(seconds=1))
    return []


def _without_mixed_up(outcomes: list[_Outcome], *, now: datetime) -> tuple[list[_Outcome], list[str]]:
    """Refuse films that are somebody else's; return the other outcomes, and the files of those."""
    films = [film for outcome in outcomes if (film := _collected(outcome)) is not None]
    others = mixed_up.belonging_to_others(films) if films else {}
    kept, files = [], []
    for outcome in outcomes:
        item, attempt = outcome.item, outcome.item.attempt
        if attempt is None or not item.is_film or attempt.id not in others:
            kept.append(outcome)
            continue
        files += [outcome.fetched.video_key, outcome.fetched.poster_key]
        if claims.holds(item.job_id, lane=Lane.COLLECT, lease_token=item.lease_token):
            mixed_up.alarm(attempt, others[attempt.id], now=now)
            refused = Fetched(result=FetchResult.UNUSABLE, error="it is somebody else's film")
            _replace(attempt, refused, now=now)
    return kept, files


def _collected(outcome: _Outcome) -> mixed_up.Collected | None:
    attempt, fetched = outcome.item.attempt, outcome.fetched
    if not (outcome.item.is_film and fetched.video_key and attempt):
        return None
    return mixed_up.Collected(attempt, fetched.film_sha256, fetched.film_url_sha256)


def _record_films(outcomes: Sequence[_Outcome], *, now: datetime) -> list[str]:
    """Write all films that are in our storage at once; return the keys of files to remove."""
    films = [
        lifecycle.StoredFilm(
            outcome.item.job_id,
            outcome.item.lease_token,
            outcome.fetched.video_key,
            outcome.fetched.poster_key,
            outcome.fetched.video_bytes,
            outcome.fetched.video_seconds,
            outcome.fetched.video_size,
            outcome.fetched.poster_size,
        )
        for outcome in outcomes
        if outcome.item.is_film and outcome.fetched.video_key
    ]
    taken = lifecycle.succeed_all(films, now=now)
    done = {film.job_id for film in taken}
    collected = [film for outcome in outcomes if (film := _collected(outcome)) and outcome.item.job_id in done]
    mixed_up.remember(collected)
    return [key for film in films if film not in taken for key in (film.video_key, film.poster_key)]


def _record_failure(outcome: _Outcome, *, now: datetime) -> None:
    """Write what follows from a film that could not be fetched: another try, another attempt, or the end."""
    item, fetched = outcome.item, outcome.fetched
    if not claims.holds(item.job_id, lane=Lane.COLLECT, lease_token=item.lease_token):
        return  # another worker has it now, or the job has ended
    level = logging.ERROR if fetched.result is FetchResult.OURS else logging.WARNING
    logger.log(
        level,
        "film_not_collected job=%s tries=%d result=%s error=%s",
        item.job_id,
        item.tries + 1,
        fetched.result.value if fetched.result else "",
        fetched.error,
    )
    attempt = item.attempt
    is_retried = fetched.result is FetchResult.OURS or (
        fetched.result is FetchResult.UNAVAILABLE and not item.is_last_try
    )
    if attempt is None:
        lifecycle.fail(item.job_id, code="film_unusable", now=now)
    elif is_retried:
        due_at = now + fallback.backoff(item.tries + 1)
        claims.release(item.job_id, lease_token=item.lease_token, due_at=due_at)
    else:
        _replace(attempt, fetched, now=now)


def _replace(attempt: Attempt, fetched: Fetched, *, now: datetime) -> None:
    """Take the win back from an attempt whose film cannot be fetched, and have another attempt make the film."""
    if not lifecycle.mark_result_lost(attempt, raw_error=fetched.error, now=now):
        return
    provider = ProviderConfig.objects.get(id=attempt.provider_id)
    fallback.provider_failed(provider, serious=False, retry_after=None, now=now)
    code = "film_unusable" if fetched.result is FetchResult.UNUSABLE else "prediction_lost"
    fallback.after_failure(attempt, code=code, now=now)
    queues.nudge_after_commit(Lane.DISPATCH)
