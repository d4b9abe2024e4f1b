"""Everybody at once at one job: threads on real connections, in every state a job can be in.

The machine of `test_machine` tries orders; here nothing has an order. PostgreSQL decides it by rows that are
locked while others wait, SQLite by one writer at a time.
"""

import random
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from jobs import lifecycle, services
from jobs.lanes import ingest, polling
from jobs.models import Attempt, Job, JobEvent, Lane
from jobs.queue import claims
from jobs.reconcile import orphans
from providers.types import PredictionStatus, ProviderEvent
from tests import factories
from tests.jobs.lifecycle.promises import holds_for_a_job
from tests.jobs.threads import in_threads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database, pytest.mark.slow]
ROUNDS = 6


def tell(attempt_id, status, **values):
    with transaction.atomic():
        lifecycle.hold_attempts([Attempt.objects.values_list("job_id", flat=True).get(id=attempt_id)], ids=[attempt_id])
        attempt = Attempt.objects.select_related("provider", "job").get(id=attempt_id)
        ingest.apply_event(attempt, ProviderEvent(f"pre_{attempt_id}", status, **values), now=timezone.now())


def collect(job_id):
    """Do what a collect worker does with whatever it can claim."""
    claim = claims.claim_lane(Lane.COLLECT, limit=1, lease=timedelta(minutes=1))
    for job in claim.jobs:
        with transaction.atomic():
            if job.winner_id:
                film = {"video_key": "video/a.mp4", "poster_key": "poster/a.jpg", "video_bytes": 4, "video_seconds": 5}
                lifecycle.succeed(job.id, lease_token=claim.lease_token, now=timezone.now(), **film)
            else:
                lifecycle.give_up_preview(job.id, lease_token=claim.lease_token)


def everybody(job, attempt, chance):
    """Return what may happen to a job at the same moment, each by another process, in a random order."""
    now = timezone.now
    happens = [
        lambda: services.cancel_job(job.id, now=now()),
        lambda: services.erase_job(job.id, now=now()),
        lambda: lifecycle.fail(job.id, code="deadline", now=now()),
        lambda: claims.claim_slots(attempt.provider_id, want=1),
        lambda: collect(job.id),
        lambda: polling.give_up_late_attempts(now=now() + timedelta(hours=1)),
        lambda: orphans.bring_back(now=now()),
        lambda: tell(attempt.id, PredictionStatus.RUNNING, progress=0.5, preview_url="http://x/poster.jpg"),
        lambda: tell(attempt.id, PredictionStatus.SUCCEEDED, video_url="http://x/film.mp4"),
        lambda: tell(attempt.id, PredictionStatus.SUCCEEDED, video_url="http://x/film.mp4"),
        lambda: tell(attempt.id, PredictionStatus.FAILED, error_code="provider_failed"),
    ]
    return chance.sample(happens, len(happens))


@pytest.mark.parametrize("state", ["submitting", "submitted", "rendered"])
def test_whoever_is_first_a_job_ends_once(state, provider):
    chance = random.Random(state)
    for _ in range(ROUNDS):
        if state == "rendered":
            job = factories.make_rendered_job(provider)
            attempt = job.winner
        else:
            make = factories.make_attempt if state == "submitting" else factories.make_submitted_attempt
            attempt = make(provider)
            job = attempt.job
        happens = everybody(job, attempt, chance)
        in_threads(len(happens), lambda index, happens=happens: happens[index]())
        job = factories.reload(job)
        assert job.status in Job.FINAL
        holds_for_a_job(job, list(job.attempts.all()), list(JobEvent.objects.filter(job=job).order_by("seq")))
        factories.is_consistent(job.id)
        for cleanup in Attempt.ProviderCleanup:
            lifecycle.mark_cleanup_done(job.attempts.values_list("id", flat=True), cleanup=cleanup)
        assert not Attempt.objects.holding_a_slot().exists(), "a slot is never given back"
