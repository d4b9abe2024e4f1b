"""Sample films of look versions: what staff see before people get a new wording.

    staff press the button ─► sample_asked_at ─► one attempt without a job (sample_token) ─► the film, sample_result

The film is of the sample photo, as long and as large as people's are, and costs as much. It is fetched, checked and
labelled like theirs, and kept until another one of the same version takes its place.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.text import Truncator

from jobs import storage
from jobs.films.sandbox import FilmSandbox
from jobs.lanes import dispatch, fetching, submitting
from jobs.lanes.fetching import FetchResult
from jobs.models import Attempt, Look, LookVersion
from jobs.models.looks import LookVersionQuerySet
from jobs.queue import claims
from jobs.routing import hosts
from providers.errors import UnreadableSecret
from providers.models import ProviderConfig

logger = logging.getLogger(__name__)

# So long a sample waits for a free slot, and a film that cannot be fetched is tried again.
ROOM_WITHIN = timedelta(minutes=10)
FETCHED_WITHIN = timedelta(minutes=5)
TRIED_EVERY_SECONDS = 20.0
_MADE = (Attempt.Status.SUCCEEDED, Attempt.Status.SUPERSEDED)
_TRIED_AGAIN = (FetchResult.UNAVAILABLE, FetchResult.OURS)
# By the token of an attempt whose film could not be fetched: the moment of the next try, in this process.
_next_tries: dict[str, float] = {}


def waiting() -> LookVersionQuerySet:
    """Return the versions whose sample film is asked for and not made."""
    return LookVersion.objects.waiting()


def advance(threads: ThreadPoolExecutor, *, now: datetime) -> int:
    """Begin the sample films that were asked for, and fetch those that are made; return how many steps were taken."""
    reached = ProviderConfig.objects.all().reached_from(hosts.this_host())
    rows = waiting().filter(sample_provider__in=reached).select_related("look", "sample_provider")
    return sum(_fetch(row, now=now) if row.sample_token else _begin(row, threads, now=now) for row in rows)


def _begin(version: LookVersion, threads: ThreadPoolExecutor, *, now: datetime) -> bool:
    try:
        attempt = claims.claim_look_sample(version)
    except UnreadableSecret as error:
        return _conclude(version, f"Failed: {error.detail}")
    if attempt is not None:
        look = Look(slug=version.look.slug, **version.asked_for())
        dispatch.record(list(threads.map(submitting.submit, [submitting.Submission.of(attempt, look, is_sample=True)])))
        return True
    if version.sample_asked_at is not None and version.sample_asked_at < now - ROOM_WITHIN:
        return _conclude(version, "Failed: no slot, call or money was free for it. Ask again, or ask another provider.")
    return False


def _fetch(version: LookVersion, *, now: datetime) -> bool:
    attempt = Attempt.objects.filter(token=version.sample_token).select_related("provider").first()
    if attempt is None:
        return _conclude(version, "Failed: its attempt is gone. Ask again.")
    if attempt.status in Attempt.OPEN:
        return False
    if attempt.status not in _MADE:
        said = attempt.raw_error.strip() or f"it ended as {attempt.error_code or attempt.status}."
        return _conclude(version, f"Failed: {said}")
    if time.monotonic() < _next_tries.get(attempt.token, 0.0):
        return False
    _next_tries[attempt.token] = time.monotonic() + TRIED_EVERY_SECONDS
    with FilmSandbox() as sandbox:
        fetched = fetching.fetch_film(sandbox, attempt, is_last_try=True, folders=("sample", "sample"))
    ended_at = attempt.finished_at or attempt.claimed_at
    if fetched.result in _TRIED_AGAIN and now < ended_at + FETCHED_WITHIN:
        return False
    try:
        return _keep(version, attempt, fetched, now=now)
    except BaseException:
        storage.discard([fetched.video_key, fetched.poster_key])
        raise


def _keep(version: LookVersion, attempt: Attempt, fetched: fetching.Fetched, *, now: datetime) -> bool:
    """Show the film that was fetched in place of the one before, and have the provider forget it."""
    before = [version.video_key, version.poster_key]
    with transaction.atomic():
        Attempt.objects.filter(id=attempt.id).update(
            video_url="", cleanup=Attempt.ProviderCleanup.DELETE, cleanup_at=now, cleanup_tries=0
        )
        if fetched.result is not None:
            return _conclude(version, f"Failed: the film could not be fetched: {fetched.error}")
        seconds = ((attempt.finished_at or now) - attempt.claimed_at).total_seconds()
        kept = _conclude(
            version,
            f"Made by {attempt.provider.title} in {seconds:.0f} s.",
            video_key=fetched.video_key,
            poster_key=fetched.poster_key,
            sample_made_at=now,
        )
    storage.discard(before if kept else [fetched.video_key, fetched.poster_key])
    return kept


def _conclude(version: LookVersion, words: str, **values: object) -> bool:
    """Write what came of it, unless it was asked for anew meanwhile."""
    same = LookVersion.objects.filter(id=version.id, sample_asked_at=version.sample_asked_at)
    _next_tries.pop(version.sample_token, None)
    written = same.update(sample_asked_at=None, sample_result=Truncator(words).chars(300), **values)
    logger.info("look_sampled look=%s version=%s made=%s", version.look.slug, version.number, bool(values))
    return bool(written)
