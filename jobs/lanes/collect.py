"""The collect lane: what a provider made is copied into our storage before anybody is told.

Recorded deliveries are applied here in batches, before each claim. A job passes this lane for
its preview while the film is still being made (no winner yet), and for the film itself.
"""

from __future__ import annotations

import io
import logging
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from PIL import Image, UnidentifiedImageError

from providers import http, registry
from providers.errors import PredictionGone, ProviderError, Rejected
from providers.models import ProviderConfig

from .. import claims, fallback, films, ingest, lifecycle, queues, storage
from ..models import Attempt, Lane
from .engine import LaneWork

logger = logging.getLogger(__name__)

# Longer than the longest download, its poster and the probe together.
LEASE = timedelta(seconds=90)
DOWNLOAD_SECONDS = 45.0
PREVIEW_SECONDS = 10.0
PREVIEW_MAX_BYTES = 5 * 2**20
MAX_PREVIEW_TRIES = 2
MAX_FILM_TRIES = 4


@dataclass(frozen=True)
class _Parcel:
    """What to fetch for a job: its film, or just the preview."""

    job_id: UUID
    lease_token: str
    attempt: Attempt | None
    tries: int
    is_film: bool


@dataclass(frozen=True)
class _Outcome:
    parcel: _Parcel
    video_key: str = ""
    poster_key: str = ""
    video_bytes: int = 0
    video_seconds: float = 0.0
    error: str = ""
    gone: bool = False
    unusable: bool = False


class CollectLane(LaneWork):
    lane = Lane.COLLECT
    threads = 16

    def before_claim(self) -> None:
        while ingest.apply_deliveries() >= ingest.APPLY_LIMIT:
            pass

    def claim(self, room: int) -> list[_Parcel]:
        claim = claims.claim_lane(Lane.COLLECT, limit=room, lease=LEASE)
        parcels = []
        for job in claim.jobs:
            attempt = job.winner
            if attempt is None:
                attempts = Attempt.objects.filter(job=job).exclude(preview_url="").select_related("provider")
                attempt = attempts.order_by("-number").first()
            parcels.append(_Parcel(job.id, claim.lease_token, attempt, job.lane_tries, job.winner_id is not None))
        return parcels

    def work(self, parcel: _Parcel) -> _Outcome:
        if parcel.attempt is None:
            return _Outcome(parcel, error="nothing to fetch")
        try:
            return _fetch_film(parcel, parcel.attempt) if parcel.is_film else _fetch_preview(parcel, parcel.attempt)
        except PredictionGone as error:
            return _Outcome(parcel, error=error.detail, gone=True)
        except (Rejected, films.BadFilm) as error:
            return _Outcome(parcel, error=str(error), unusable=True)
        except (ProviderError, OSError) as error:
            return _Outcome(parcel, error=f"{type(error).__name__}: {error}")

    def record(self, outcomes: list[_Outcome]) -> None:
        unwanted: list[str] = []
        with transaction.atomic():
            for outcome in outcomes:
                unwanted += _record_film(outcome) if outcome.parcel.is_film else _record_preview(outcome)
        storage.delete(unwanted)

    def record_crash(self, item: _Parcel, error: BaseException) -> None:
        self.record([_Outcome(item, error=f"{type(error).__name__}: {error}")])


def _fetch_film(parcel: _Parcel, attempt: Attempt) -> _Outcome:
    """Download, probe and store the film and its poster. Runs in a thread, without the database."""
    with tempfile.NamedTemporaryFile(dir=_folder(), suffix=".mp4") as film:
        size = _download(attempt, attempt.video_url, film, seconds=DOWNLOAD_SECONDS, max_bytes=settings.VIDEO_MAX_BYTES)
        film.flush()
        facts = films.probe(Path(film.name))
        poster = _poster(attempt) or facts.poster
        poster_key = storage.save(storage.new_key("poster", "jpg"), poster)
        try:
            film.seek(0)
            video_key = storage.save(storage.new_key("video", "mp4"), film)
        except BaseException:
            storage.delete([poster_key])
            raise
    return _Outcome(parcel, video_key, poster_key, size, facts.seconds)


def _fetch_preview(parcel: _Parcel, attempt: Attempt) -> _Outcome:
    picture = _poster(attempt)
    if picture is None:
        return _Outcome(parcel, error="no preview could be had")
    return _Outcome(parcel, poster_key=storage.save(storage.new_key("preview", "jpg"), picture))


def _poster(attempt: Attempt) -> bytes | None:
    """Return the provider's poster as a JPEG of our own making, or None: a film is not lost for its poster."""
    if not attempt.preview_url:
        return None
    buffer = io.BytesIO()
    try:
        _download(attempt, attempt.preview_url, buffer, seconds=PREVIEW_SECONDS, max_bytes=PREVIEW_MAX_BYTES)
        picture = Image.open(buffer, formats=("JPEG", "PNG", "WEBP"))
        if picture.width * picture.height > 8_000_000:
            return None
        out = io.BytesIO()
        picture.convert("RGB").save(out, "JPEG", quality=88)
    except (ProviderError, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        logger.info("poster_not_had attempt=%s error=%s", attempt.id, type(error).__name__)
        return None
    return out.getvalue()


def _download(attempt: Attempt, url: str, into: Any, *, seconds: float, max_bytes: int) -> int:
    """Fetch a result from a host the provider is allowed to name."""
    account = attempt.provider.account()
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("https", "http") and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.hostname not in account.result_hosts:
        raise Rejected("the result lies on a host that is not allowed")
    return http.download(
        url,
        into.write,
        headers=registry.adapter_for(attempt.provider.adapter).result_headers(account),
        connect_seconds=account.connect_seconds,
        total_seconds=seconds,
        max_bytes=max_bytes,
    )


def _folder() -> Path:
    """Where a film lies until it is whole; on the same disk as everything we write."""
    settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
    return settings.FILE_UPLOAD_TEMP_DIR


def _record_preview(outcome: _Outcome) -> list[str]:
    parcel, now = outcome.parcel, timezone.now()
    if outcome.poster_key:
        took = lifecycle.preview_collected(
            parcel.job_id, lease_token=parcel.lease_token, preview_key=outcome.poster_key, now=now
        )
        return [] if took else [outcome.poster_key]
    if parcel.tries + 1 < MAX_PREVIEW_TRIES and parcel.attempt is not None:
        claims.release(parcel.job_id, lease_token=parcel.lease_token, due_at=now + timedelta(seconds=1))
    else:
        lifecycle.preview_given_up(parcel.job_id, lease_token=parcel.lease_token)
    return []


def _record_film(outcome: _Outcome) -> list[str]:
    parcel, now = outcome.parcel, timezone.now()
    if outcome.video_key:
        took = lifecycle.succeed(
            parcel.job_id,
            lease_token=parcel.lease_token,
            video_key=outcome.video_key,
            poster_key=outcome.poster_key,
            video_bytes=outcome.video_bytes,
            video_seconds=outcome.video_seconds,
            now=now,
        )
        return [] if took else [outcome.video_key, outcome.poster_key]
    if not claims.holds(parcel.job_id, lane=Lane.COLLECT, lease_token=parcel.lease_token):
        return []  # another worker has it now, or nobody wants it any more
    logger.warning("film_not_collected job=%s tries=%d error=%s", parcel.job_id, parcel.tries + 1, outcome.error)
    attempt = parcel.attempt
    if attempt is None:
        lifecycle.fail(parcel.job_id, code="film_unusable", now=now)
    elif outcome.gone or outcome.unusable or parcel.tries + 1 >= MAX_FILM_TRIES:
        _replace(attempt, parcel, outcome, now=now)
    else:
        due_at = now + fallback.backoff(parcel.tries + 1)
        claims.release(parcel.job_id, lease_token=parcel.lease_token, due_at=due_at)
    return []


def _replace(attempt: Attempt, parcel: _Parcel, outcome: _Outcome, *, now: Any) -> None:
    """The film cannot be had: give the win back and let another attempt make it."""
    if not lifecycle.result_lost(attempt, raw_error=outcome.error, now=now):
        return
    provider = ProviderConfig.objects.get(id=attempt.provider_id)
    fallback.provider_failed(provider, serious=False, retry_after=None, now=now)
    fallback.after_failure(attempt, code="film_unusable" if outcome.unusable else "prediction_lost", now=now)
    queues.nudge_after_commit(Lane.DISPATCH)
