"""Rows that no other step would touch again are repaired."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Attempt, Job, Lane
from jobs.reconcile import orphans
from jobs.reconcile.sweep import Reconciler
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def bring_back():
    return orphans.bring_back(now=timezone.now())


def test_a_job_in_no_lane_goes_back_to_the_queue(provider):
    job = factories.make_submitted_attempt(provider).job
    assert bring_back() == 0, "its provider has it"
    Attempt.objects.all().delete()
    assert bring_back() == 1
    job = factories.reload(job)
    assert (job.lane, job.stage) == (Lane.DISPATCH, "waiting_for_slot")
    assert job.due_at <= timezone.now()
    factories.is_consistent(job.id)
    assert bring_back() == 0


def test_a_finished_film_in_no_lane_is_fetched(provider):
    job = factories.make_rendered_job(provider)
    Job.objects.update(lane="")
    assert bring_back() == 1
    job = factories.reload(job)
    assert (job.lane, job.stage) == (Lane.COLLECT, "collecting")
    assert job.winner_id
    factories.is_consistent(job.id)


def test_an_attempt_that_goes_on_for_an_ended_job_is_stopped(provider):
    attempt = factories.make_submitted_attempt(provider)
    Job.objects.update(status="failed", failure_code="deadline", finished_at=timezone.now(), lane="")
    assert bring_back() == 1
    attempt.refresh_from_db()
    assert (attempt.status, attempt.cleanup, attempt.slot_held) == ("canceled", "cancel", True)
    factories.is_consistent(attempt.job_id)
    assert bring_back() == 0, "the slot is free when the provider was told"


def test_a_slot_of_an_ended_attempt_is_freed(provider):
    attempt = factories.make_submitted_attempt(provider)
    Attempt.objects.update(status="timed_out", finished_at=timezone.now(), cleanup="")
    Job.objects.update(lane=Lane.DISPATCH, due_at=timezone.now() + timedelta(minutes=1))
    assert bring_back() == 1
    attempt.refresh_from_db()
    assert not attempt.slot_held


def test_a_healthy_evening_has_no_orphans(provider, work, stub):
    factories.make_job()
    factories.make_waiting_job()
    factories.make_attempt(provider)
    factories.make_submitted_attempt(provider)
    factories.make_finished_job(provider)
    factories.make_rendered_job(provider)
    before = list(Job.objects.order_by("id").values())
    assert bring_back() == 0
    assert list(Job.objects.order_by("id").values()) == before


def test_reconcile_repairs_them(provider):
    job = factories.make_submitted_attempt(provider).job
    Attempt.objects.all().delete()
    Reconciler().tick()
    assert factories.reload(job).lane == Lane.DISPATCH
