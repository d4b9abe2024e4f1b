"""Rows for tests, made by the product's own functions wherever there is one, so that they are rows it could have."""

from __future__ import annotations

import hashlib
import io
import itertools
import secrets
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import numpy
from django.conf import settings
from django.utils import timezone
from PIL import Image

from jobs import consent, lifecycle, storage
from jobs.looks.shipped import SHIPPED
from jobs.models import Attempt, Job, Lane, Look
from jobs.queue import claims
from providers.models import ProviderConfig
from selfiehero.environment import PROJECT_DIR
from tests import stub_provider

OWNER = "v:" + "0" * 64
# For rows that are made by hand; `make_job` gives the consent that the product writes.
CONSENT = {"consent_version": "1", "consent_sha256": "0" * 64, "consent_language": "en", "consent_age": 16}
_numbers = itertools.count(1)
_STATIC = PROJECT_DIR / "static"


def make_look(slug: str = "neon-noir", **values: Any) -> Look:
    shipped = {look["slug"]: look for look in SHIPPED}
    defaults = shipped.get(slug, shipped["neon-noir"]) | {"slug": slug} | values
    return Look.objects.get_or_create(slug=slug, defaults=defaults)[0]


def make_provider(url: str = "http://127.0.0.1:9", *, slug: str = "studio", **values: Any) -> ProviderConfig:
    fields = {
        "title": "The studio",
        "adapter": "studio",
        "base_url": url,
        "photo_transport": "inline",
        "api_key": stub_provider.API_KEY,
        "webhook_secrets": [stub_provider.SECRET],
        "max_concurrent": 3,
        "max_per_minute": 600,
        "connect_timeout": timedelta(seconds=1),
        "submit_timeout": timedelta(seconds=2),
        "silence": timedelta(seconds=20),
        "attempt_deadline": timedelta(minutes=5),
        "tested_at": timezone.now(),
        "proven_at": timezone.now(),
    }
    return ProviderConfig.objects.create(slug=slug, **fields | values)


def make_job(*, now: datetime | None = None, photo: bytes | None = None, **values: Any) -> Job:
    """Return a job as it is right after its 202, its raw photo in storage."""
    now = now or timezone.now()
    photo = photo if photo is not None else tiny_photo()
    fields = {
        "id": uuid.uuid4(),
        "owner": OWNER,
        "look": values.pop("look", None) or make_look(),
        "lane": Lane.PREPARE,
        "due_at": now,
        "raw_key": storage.save(storage.new_key("raw", "jpg"), photo),
        "photo_sha256": hashlib.sha256(photo).hexdigest(),
        "photo_bytes": len(photo),
        **consent.fields_of("", now=now),
        "created_at": now,
        "deadline_at": now + settings.JOB_DEADLINE,
        "erase_at": now + settings.RETENTION,
    }
    job = Job(**fields | values)
    lifecycle.accept(job, now=now)
    return job


def make_waiting_job(**values: Any) -> Job:
    """Return a job whose photo is clean and that stands in line for a provider."""
    return prepare(make_job(**values))


def prepare(job: Job, *, photo: bytes | None = None) -> Job:
    """Bring a job that was just accepted into the line for a provider."""
    claim = _claim_of(job, Lane.PREPARE)
    clean_key = storage.save(storage.new_key("clean", "jpg"), photo or tiny_photo())
    assert lifecycle.mark_photo_ready(job.id, lease_token=claim, clean_key=clean_key, now=timezone.now())
    storage.delete([job.raw_key])
    return reload(job)


def make_attempt(provider: ProviderConfig, *, job: Job | None = None) -> Attempt:
    """Return an attempt whose POST is under way."""
    job = job or make_waiting_job()
    later = Job.objects.filter(lane=Lane.DISPATCH).exclude(id=job.id)
    parked = list(later.values_list("id", flat=True))
    later.update(lane="")  # so that this job is the first in line
    Job.objects.filter(id=job.id).update(due_at=timezone.now())
    (attempt,) = claims.claim_slots(provider.id, want=1)
    Job.objects.filter(id__in=parked).update(lane=Lane.DISPATCH)
    assert attempt.job_id == job.id
    return attempt


def make_submitted_attempt(
    provider: ProviderConfig, *, job: Job | None = None, prediction_id: str | None = None
) -> Attempt:
    """Return an attempt that its provider has taken."""
    attempt = make_attempt(provider, job=job)
    now = timezone.now()
    assert lifecycle.record_submission(
        attempt,
        prediction_id=prediction_id or f"pre_{next(_numbers)}_{secrets.token_hex(4)}",
        lease_token=attempt.lease_token,
        poll_at=now + provider.silence,
        now=now,
    )
    attempt.refresh_from_db()
    return attempt


def make_rendered_job(provider: ProviderConfig, *, video_url: str = "http://127.0.0.1:9/film.mp4") -> Job:
    """Return a job whose film is finished at its provider and waits to be collected."""
    attempt = make_submitted_attempt(provider)
    assert lifecycle.mark_attempt_succeeded(
        attempt, prediction_id=attempt.prediction_id, video_url=video_url, now=timezone.now()
    )
    return Job.objects.get(id=attempt.job_id)


def make_finished_job(provider: ProviderConfig | None = None, *, film: bytes = b"film", **values: Any) -> Job:
    """Return a succeeded job with photo, poster and film in storage."""
    provider = provider or make_provider(slug=f"provider-{next(_numbers)}")
    return finish(make_waiting_job(**values), provider, film=film)


def finish(job: Job, provider: ProviderConfig, *, film: bytes, poster: bytes | None = None) -> Job:
    """Have a job that waits in line get its film from this provider."""
    attempt = make_submitted_attempt(provider, job=job)
    now = timezone.now()
    lifecycle.mark_attempt_succeeded(
        attempt, prediction_id=attempt.prediction_id, video_url="http://x/film.mp4", now=now
    )
    claim = _claim_of(attempt.job, Lane.COLLECT)
    assert lifecycle.succeed(
        attempt.job_id,
        lease_token=claim,
        video_key=storage.save(storage.new_key("video", "mp4"), film),
        poster_key=storage.save(storage.new_key("poster", "jpg"), poster or tiny_photo()),
        video_bytes=len(film),
        video_seconds=5.0,
        now=now,
    )
    return reload(job)


def make_hero(provider: ProviderConfig, *, look: str = "neon-noir", **values: Any) -> Job:
    """Return a finished job whose photo, poster and film are pictures to look at, upright, of the size of a phone."""
    return shoot(make_job(look=make_look(look), **values), provider)


def shoot(job: Job, provider: ProviderConfig) -> Job:
    """Make the film of a job that was just accepted, out of the pictures of its look."""
    look = job.look.slug
    poster, photo = (_STATIC / f"img/{look}.jpg").read_bytes(), (_STATIC / "img/before.jpg").read_bytes()
    film = (_STATIC / f"films/{look}-loop.mp4").read_bytes()
    job = finish(prepare(job, photo=photo), provider, film=film, poster=poster)
    with Image.open(io.BytesIO(poster)) as picture:
        size = {"width": picture.width, "height": picture.height}
    sizes = {f"{what}_{edge}": pixels for what in ("video", "poster") for edge, pixels in size.items()}
    Job.objects.filter(id=job.id).update(**sizes)
    return reload(job)


def _claim_of(job: Job, lane: str) -> str:
    """Take this job alone, as a worker's claim would."""
    token = claims.new_token()
    rows = Job.objects.filter(id=job.id, lane=lane)
    assert rows.update(lease_token=token, due_at=timezone.now() + timedelta(minutes=1)) == 1
    return token


def reload(job: Job) -> Job:
    return Job.objects.select_related("look").get(id=job.id)


def is_consistent(job_id: uuid.UUID) -> None:
    """Assert what holds for every job at any time."""
    job = Job.objects.get(id=job_id)
    numbers = list(job.events.order_by("seq").values_list("seq", flat=True))
    assert numbers == list(range(1, job.seq + 1)), "events are numbered without a gap"
    attempts = list(job.attempts.all())
    won = [attempt for attempt in attempts if attempt.status == Attempt.Status.SUCCEEDED]
    assert len(won) <= 1, "at most one attempt succeeded"
    if job.is_final:
        assert job.lane == ""
        assert not [attempt for attempt in attempts if attempt.status in Attempt.OPEN], "nothing runs for an ended job"
    else:
        open_attempts = [attempt for attempt in attempts if attempt.status in Attempt.OPEN]
        assert job.lane or open_attempts or job.winner_id, "an open job is owned by a lane, an attempt or a winner"
        assert len(open_attempts) <= 1
    if not job.erased_at:
        assert (job.status == Job.Status.SUCCEEDED) == bool(job.video_key)
    if job.status == Job.Status.SUCCEEDED:
        assert [attempt.id for attempt in won] == [job.winner_id]


def stored_files() -> list[str]:
    """Return the storage keys of all files there are, but for the lists of erasures, which stay."""
    root = Path(settings.MEDIA_ROOT)
    keys = (str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    return sorted(key for key in keys if not key.startswith("erased/"))


def tiny_photo(seed: int | None = None) -> bytes:
    """Return a small JPEG, another one each time or for each seed."""
    generator = numpy.random.default_rng(next(_numbers) if seed is None else seed + 1_000_000)
    buffer = io.BytesIO()
    Image.fromarray(generator.integers(0, 255, (64, 64, 3), dtype=numpy.uint8)).save(buffer, "JPEG", quality=50)
    return buffer.getvalue()


def tiny_film(seconds: float = 1.0) -> bytes:
    """Return a real, very small MP4."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("h264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 64, "yuv420p"
        for number in range(round(seconds * 8)):
            picture = numpy.full((64, 32, 3), number * 9 % 255, dtype=numpy.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()
