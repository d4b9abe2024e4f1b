"""A job that is taken away from its provider goes to another one, once, and its money and slot are accounted for."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from jobs import lifecycle, moving
from jobs.models import Attempt, AuditEntry, Job
from jobs.queue import claims
from providers.models import ProviderConfig
from tests import factories
from tests.support.admin_pages import LIST, do, page_of, staff, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(provider: ProviderConfig) -> ProviderConfig:
    return factories.make_provider(slug="other", title="Other", order=provider.order + 1)


def test_the_job_goes_to_another_provider_and_the_first_is_told_to_stop(provider: ProviderConfig, other) -> None:
    first = factories.make_submitted_attempt(provider)
    assert moving.move_job(first.job_id, now=timezone.now()) == provider.slug
    first.refresh_from_db()
    assert (first.status, first.cleanup, first.slot_held) == ("canceled", "cancel", True)
    job = Job.objects.get(id=first.job_id)
    assert (job.status, job.lane, job.stage) == ("processing", "dispatch", "waiting_for_slot")
    assert claims.claim_slots(provider.id, want=1) == []
    (second,) = claims.claim_slots(other.id, want=1)
    assert (second.job_id, second.number, second.kind) == (job.id, 2, "fallback")
    factories.is_consistent(job.id)


def test_a_film_that_comes_all_the_same_does_no_harm(provider: ProviderConfig, other) -> None:
    first = factories.make_submitted_attempt(provider)
    moving.move_job(first.job_id, now=timezone.now())
    (second,) = claims.claim_slots(other.id, want=1)
    first.refresh_from_db()
    for attempt in (first, second):
        lifecycle.mark_attempt_succeeded(
            attempt, prediction_id=f"p{attempt.number}", video_url="http://x/film.mp4", now=timezone.now()
        )
    assert Attempt.objects.filter(job=first.job_id, status="succeeded").count() == 1


def test_what_no_provider_has_is_not_moved(provider: ProviderConfig) -> None:
    waiting, rendered = factories.make_waiting_job(), factories.make_rendered_job(provider)
    for job in (waiting, rendered, factories.make_finished_job(provider)):
        before = Job.objects.filter(id=job.id).values().get()
        assert moving.move_job(job.id, now=timezone.now()) == ""
        assert Job.objects.filter(id=job.id).values().get() == before


def test_staff_move_a_job_from_its_page_and_that_is_written_down(admin_client: Client, provider, other) -> None:
    attempt = factories.make_submitted_attempt(provider)
    assert "Send to another provider" in text_of(admin_client.get(page_of(attempt.job)))
    assert do(admin_client, "move_jobs", attempt.job) == ["1 job sent to another provider."]
    entry = AuditEntry.objects.get(action="job_moved")
    assert (entry.subject, entry.data) == (str(attempt.job_id), {"from": provider.slug})
    assert "Send to another provider" not in text_of(admin_client.get(page_of(attempt.job)))
    assert "move_jobs" not in text_of(staff("view").get(LIST))
