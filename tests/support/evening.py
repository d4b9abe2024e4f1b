"""Random jobs and attempts of a few minutes, written in bulk: rows as the product's, without its way to them."""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from jobs.models import Attempt, Job, JobEvent
from providers.models import ProviderConfig
from tests import factories

FAILURES = ("providers_failed", "deadline", "no_face", "photo_refused")


def make_evening(
    providers: Sequence[ProviderConfig], *, now: datetime, minutes: int = 6, jobs: int = 200, seed: int = 7
) -> list[Job]:
    """Write jobs that were accepted within the last minutes, some ended, each with up to three attempts."""
    chance, look, made, attempts = random.Random(seed), factories.make_look(), [], []
    for _ in range(jobs):
        accepted = now - timedelta(seconds=chance.uniform(0, minutes * 60))
        job = Job(
            id=uuid.UUID(int=chance.getrandbits(128)),
            owner=f"v:{chance.getrandbits(256):064x}",
            look=look,
            lane=chance.choice(["prepare", "dispatch"]),
            due_at=accepted,
            turn_at=accepted,
            clean_key="clean/nowhere.jpg",
            photo_sha256="0" * 64,
            consent_version="1",
            consent_sha256="0" * 64,
            consent_language="en",
            consent_age=16,
            consent_at=accepted,
            created_at=accepted,
            deadline_at=accepted + timedelta(hours=1),
            erase_at=accepted + timedelta(days=1),
            promised_p50=chance.choice([None, 20]),
        )
        job.promised_p90 = None if job.promised_p50 is None else 60
        ended = accepted + timedelta(seconds=chance.uniform(5, 120))
        if ended < now:
            _end(job, at=ended, chance=chance)
        made.append(job)
        attempts += _attempts(job, providers, until=min(ended, now), now=now, chance=chance)
    Job.objects.bulk_create(made)
    Attempt.objects.bulk_create(attempts)
    JobEvent.objects.bulk_create(JobEvent(job=job, seq=1, kind="accepted", at=job.created_at) for job in made)
    return made


def _end(job: Job, *, at: datetime, chance: random.Random) -> None:
    job.lane, job.finished_at = "", at
    job.status = chance.choice(["succeeded"] * 6 + ["failed", "failed", "canceled"])
    if job.status == "failed":
        job.failure_code = chance.choice(FAILURES)
    if job.status == "succeeded":
        job.stage, job.video_key = "ready", "video/nowhere.mp4"
        if chance.random() < 0.9:
            job.first_frame_at = job.created_at + (at - job.created_at) * chance.random()


def _attempts(
    job: Job, providers: Sequence[ProviderConfig], *, until: datetime, now: datetime, chance: random.Random
) -> list[Attempt]:
    made, claimed = [], job.created_at
    for number in range(1, chance.randint(1, 3) + 1):
        claimed += (until - claimed) * chance.random()
        provider = chance.choice(list(providers))
        attempt = Attempt(
            job=job,
            provider=provider,
            number=number,
            token=secrets.token_hex(16),
            lease_until=claimed,
            claimed_at=claimed,
            deadline_at=claimed + timedelta(minutes=5),
            was_cold=chance.random() < 0.2,
            cost=Decimal(chance.choice(["0", "0.2", "0.2400"])),
            slot_held=False,
        )
        ended = claimed + timedelta(seconds=chance.uniform(0.2, 40))
        if ended < now:
            attempt.finished_at, attempt.answered_at = ended, claimed + (ended - claimed) * chance.random()
            attempt.status = chance.choice(["failed", "timed_out", "canceled", "superseded"])
            if attempt.status == "failed":
                attempt.error_code = chance.choice(["busy", "never_sent", "photo_refused", "provider_error"])
        else:
            attempt.status, attempt.slot_held = "running", True
        made.append(attempt)
    if job.status == "succeeded" and made[-1].finished_at:
        made[-1].status, made[-1].error_code = "succeeded", ""
    return made
