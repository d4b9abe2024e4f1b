"""A range that grows is explained, once for each time it grows, and the job's history keeps what was told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import messages
from jobs.models import Job, JobEvent
from jobs.reconcile import ranges
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def late(job, *, waited, promised=(10, 20)):
    """Let a job have come so many seconds ago, with this promise."""
    at = timezone.now() - timedelta(seconds=waited)
    Job.objects.filter(id=job.id).update(created_at=at, promised_p50=promised[0], promised_p90=promised[1])
    return factories.reload(job)


def explain():
    return ranges.explain_grown(now=timezone.now())


def test_a_job_in_line_whose_range_grew_is_told_why(provider):
    job = late(factories.make_waiting_job(), waited=300)
    before = job.seq
    assert explain() == 1
    job = factories.reload(job)
    event = JobEvent.objects.get(job=job, kind="range")
    assert event.data["told"] == [10, 20] and event.data["now"][1] > 300
    assert (event.data["reason"], job.reason_code, job.seq) == ("films_slower", "films_slower", before + 1)
    assert "longer" in messages.reason(job.reason_code, job.reason_subject)
    assert explain() == 0, "what was just told still holds"
    factories.is_consistent(job.id)


def test_the_provider_that_has_the_film_is_named(provider):
    job = late(factories.make_submitted_attempt(provider).job, waited=300)
    assert explain() == 1
    assert provider.title in messages.reason("provider_slow", factories.reload(job).reason_subject)


def test_a_reason_that_was_given_stays_and_is_kept_with_the_range(provider):
    job = late(factories.make_waiting_job(), waited=300)
    Job.objects.filter(id=job.id).update(reason_code="provider_busy", reason_subject="WaveSpeed")
    assert explain() == 1
    assert JobEvent.objects.get(job=job, kind="range").data["reason"] == "provider_busy"
    assert factories.reload(job).reason_subject == "WaveSpeed"


def test_within_its_range_nothing_is_said(provider):
    late(factories.make_waiting_job(), waited=5, promised=(60, 900))
    late(factories.make_waiting_job(), waited=5, promised=(0, 0))
    assert explain() == 0
