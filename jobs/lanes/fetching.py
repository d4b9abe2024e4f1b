"""Fetches films and previews from providers, checks them in the sandbox and stores them.

Runs in threads, without the database. This table has everything that can go wrong:

| result | when | what follows |
| --- | --- | --- |
| GONE | the provider's address answers 4xx, or there is none | the provider is asked for another, else a new attempt |
| UNUSABLE | a bad or hostile file or address, too large | a new attempt, unless the provider has another address |
| UNAVAILABLE | 5xx, too slow, broken off, not reachable | fetched again, MAX_FILM_TRIES times; then as UNUSABLE |
| UNAVAILABLE | the film cannot be labelled (`jobs.labels`) | likewise: nothing is delivered without a label |
| OURS | our disk, storage or sandbox failed | fetched again until the job's deadline |

A new attempt costs money again, so the provider is asked for the film's address once more before; that is free.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from django.conf import settings

from jobs import storage
from jobs.films import boxes, index
from jobs.films.outcomes import POSTER_EDGE, BadFilm, BadPoster
from jobs.films.sandbox import POSTER_LIMITS, FilmSandbox, SandboxUnavailable
from jobs.labels import signing
from jobs.labels.sources import source_of
from jobs.models import Attempt
from jobs.photos.sandbox import size_of_bare_jpeg
from providers import registry
from providers.errors import PredictionGone, ProviderError, Rejected, Unavailable, UnreadableSecret
from providers.http import downloads
from providers.types import PredictionStatus, ProviderEvent

logger = logging.getLogger(__name__)

DOWNLOAD_SECONDS = 45.0
POSTER_SECONDS = 10.0
ANSWER_SECONDS = 8.0
# For all downloads of an item together.
WORK_SECONDS = 60.0


class FetchResult(Enum):
    """Why a film or a preview could not be fetched."""

    GONE = "gone"
    UNUSABLE = "unusable"
    UNAVAILABLE = "unavailable"
    OURS = "ours"


_RESULTS: tuple[tuple[type[Exception], FetchResult], ...] = (
    (PredictionGone, FetchResult.GONE),
    (Rejected, FetchResult.UNUSABLE),
    (BadFilm, FetchResult.UNUSABLE),
    (BadPoster, FetchResult.UNUSABLE),
    (UnreadableSecret, FetchResult.OURS),
    (ProviderError, FetchResult.UNAVAILABLE),
    (SandboxUnavailable, FetchResult.OURS),
    (signing.LabelFailed, FetchResult.UNAVAILABLE),
    (OSError, FetchResult.OURS),
)


@dataclass(frozen=True)
class Fetched:
    """What was stored, or why nothing was (`result`)."""

    video_key: str = ""
    poster_key: str = ""
    video_bytes: int = 0
    video_seconds: float = 0.0
    video_size: tuple[int, int] = (0, 0)
    poster_size: tuple[int, int] = (0, 0)
    film_sha256: str = ""  # of the bytes as they came
    film_url_sha256: str = ""
    result: FetchResult | None = None
    error: str = ""


class StorageFailed(OSError):
    """The storage did not take a file."""


def fetch_film(
    sandbox: FilmSandbox, attempt: Attempt, *, is_last_try: bool, folders: tuple[str, str] = ("video", "poster")
) -> Fetched:
    """Store an attempt's film and its poster in these folders; while our storage is away nothing is fetched."""
    if storage.is_away():
        return Fetched(result=FetchResult.OURS, error="storage is away")
    ends_at = time.monotonic() + WORK_SECONDS
    first = _film_from(sandbox, attempt, attempt.video_url, attempt.preview_url, ends_at, folders)
    if first.result in (None, FetchResult.OURS) or (first.result is FetchResult.UNAVAILABLE and not is_last_try):
        return first
    try:
        event = _ask(attempt)
    except (PredictionGone, Rejected):
        return first
    except ProviderError as error:
        # It is unknown whether there is a film, so no other one is made yet.
        logger.info("film_not_asked_for attempt=%s error=%s", attempt.id, type(error).__name__)
        return dataclasses.replace(first, result=FetchResult.UNAVAILABLE) if first.result is FetchResult.GONE else first
    is_other = event.video_url != attempt.video_url
    if event.status != PredictionStatus.SUCCEEDED or not event.video_url:
        return first
    if not is_other and first.result is not FetchResult.GONE:
        return first
    logger.info("film_elsewhere attempt=%s is_other=%s", attempt.id, is_other)
    preview_url = event.preview_url or attempt.preview_url
    return _film_from(sandbox, attempt, event.video_url, preview_url, ends_at, folders)


def fetch_preview(sandbox: FilmSandbox, attempt: Attempt) -> Fetched:
    """Bring an attempt's preview into our storage, encoded anew as a bare JPEG."""

    def fetch() -> Fetched:
        picture = _picture(sandbox, attempt, attempt.preview_url, time.monotonic() + POSTER_SECONDS)
        return Fetched(poster_key=_store("preview", "jpg", _signed_still(attempt, picture)))

    return _classified(fetch)


def _film_from(
    sandbox: FilmSandbox, attempt: Attempt, url: str, preview_url: str, ends_at: float, folders: tuple[str, str]
) -> Fetched:
    video_folder, poster_folder = folders

    def fetch() -> Fetched:
        if not url:
            raise PredictionGone("no address of a film was given")
        with (
            tempfile.NamedTemporaryFile(dir=_folder(), suffix=".mp4") as film,
            tempfile.TemporaryFile(dir=_folder()) as signed,
        ):
            _download(attempt, url, film, DOWNLOAD_SECONDS, ends_at, settings.VIDEO_MAX_BYTES)
            film.seek(0)
            film_sha256 = hashlib.file_digest(film, "sha256").hexdigest()
            index.move_to_front(film)
            film.flush()
            path = Path(film.name)
            facts = sandbox.probe(path, with_poster=not preview_url)
            poster = facts.poster or _poster(sandbox, attempt, preview_url, ends_at)
            if poster is None:
                poster = sandbox.probe(path, with_poster=True).poster
            boxes.cut_tail(film)
            # Last of all: whatever writes a film again drops its label.
            size = signing.sign_film(film, signed, source=_source(attempt), made_by=attempt.provider.title)
            poster_key = _store(poster_folder, "jpg", _signed_still(attempt, poster))
            try:
                signed.seek(0)
                video_key = _store(video_folder, "mp4", signed)
            except BaseException:
                storage.discard([poster_key])
                raise
        return Fetched(
            video_key=video_key,
            poster_key=poster_key,
            video_bytes=size,
            video_seconds=facts.seconds,
            video_size=(facts.width, facts.height),
            poster_size=size_of_bare_jpeg(poster, long_edge=POSTER_EDGE),
            film_sha256=film_sha256,
            film_url_sha256=hashlib.sha256(url.encode()).hexdigest(),
        )

    return _classified(fetch)


def _signed_still(attempt: Attempt, picture: bytes) -> bytes:
    return signing.sign_still(picture, source=_source(attempt), made_by=attempt.provider.title)


def _source(attempt: Attempt) -> str:
    return source_of(is_ours=attempt.provider.capabilities.is_ours)


def _poster(sandbox: FilmSandbox, attempt: Attempt, url: str, ends_at: float) -> bytes | None:
    """Return the provider's poster, or None when it cannot be had: a film does not fail because of its poster."""
    try:
        return _picture(sandbox, attempt, url, ends_at)
    except (ProviderError, BadPoster, SandboxUnavailable) as error:
        logger.info("poster_not_had attempt=%s error=%s", attempt.id, type(error).__name__)
        return None


def _picture(sandbox: FilmSandbox, attempt: Attempt, url: str, ends_at: float) -> bytes:
    buffer = io.BytesIO()
    _download(attempt, url, buffer, POSTER_SECONDS, ends_at, POSTER_LIMITS.bytes)
    return sandbox.poster(buffer.getvalue())


def _download(attempt: Attempt, url: str, into: IO[bytes], seconds: float, ends_at: float, max_bytes: int) -> int:
    account = attempt.provider.account()
    left = ends_at - time.monotonic()
    if left <= 0:
        raise Unavailable("no time is left")
    return downloads.download(
        url,
        into.write,
        account=account,
        headers=registry.adapter_for(attempt.provider.adapter).result_headers(account),
        total_seconds=min(seconds, left),
        max_bytes=max_bytes,
    )


def _ask(attempt: Attempt) -> ProviderEvent:
    """Return the prediction's present state from the provider. Raise PredictionGone without a prediction id."""
    if not attempt.prediction_id:
        raise PredictionGone("there is no prediction to ask after")
    account = attempt.provider.account()
    account = dataclasses.replace(account, read_seconds=min(account.read_seconds, ANSWER_SECONDS))
    return registry.adapter_for(attempt.provider.adapter).fetch(account, attempt.prediction_id)


def _store(kind: str, extension: str, content: bytes | IO[bytes]) -> str:
    try:
        return storage.save(storage.new_key(kind, extension), content)
    except Exception as error:  # each storage backend has errors of its own, and all of them are ours
        raise StorageFailed(f"{type(error).__name__}: {error}") from error


def _classified(fetch: Callable[[], Fetched]) -> Fetched:
    """Turn known errors into a result; any other exception is a bug and is raised."""
    try:
        return fetch()
    except tuple(kind for kind, _ in _RESULTS) as error:
        result = next(result for kind, result in _RESULTS if isinstance(error, kind))
        return Fetched(result=result, error=f"{type(error).__name__}: {error}"[:500])


def _folder() -> Path:
    """Return the folder in which a film is stored until it is complete, on the same disk as everything we write."""
    settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
    return settings.FILE_UPLOAD_TEMP_DIR
