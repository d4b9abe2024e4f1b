from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs import eta, snapshots
from jobs.models import Attempt, Job
from providers.models import ProviderConfig
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_cache():
    eta._cached = None


def test_before_anything_was_measured_there_is_a_guess(provider, no_cache):
    job = factories.make_job()
    found = eta.remaining(job, position=0, now=timezone.now())
    assert 1 <= found["p50"] < found["p90"]


def test_the_pace_is_what_was_measured(provider, no_cache):
    attempt = factories.make_rendered_job(provider).winner
    now = timezone.now()
    Attempt.objects.filter(id=attempt.id).update(submitted_at=now - timedelta(seconds=42), finished_at=now)
    pace = eta.measured_pace()
    assert (round(pace.median), round(pace.slow), pace.slots) == (42, 42, provider.max_concurrent)


def slots():
    eta._cached = None
    return eta.measured_pace().slots


def test_only_what_is_open_and_can_be_filled_makes_films(provider, no_cache):
    """Before anything was measured a film is thought to take eight seconds."""
    other = factories.make_provider(slug="other", max_concurrent=100, max_per_minute=30)
    assert slots() == 3 + 4
    now = timezone.now()
    ProviderConfig.objects.filter(id=other.id).update(parked_until=now + timedelta(minutes=1))
    assert slots() == 3
    ProviderConfig.objects.update(breaker_until=now + timedelta(minutes=1), breaker_reason="calls")
    assert slots() == 3 + 4, "all are shut: as fast as it will be"
    ProviderConfig.objects.all().delete()
    assert slots() == 1


@pytest.mark.parametrize("stage", Job.Stage.values)
@pytest.mark.parametrize("position", [0, 1, 10, 5000])
def test_a_range_is_a_range(stage, position, provider, no_cache):
    job = factories.make_job()
    job.stage = stage
    found = eta.remaining(job, position=position, now=timezone.now())
    assert 0 < found["p50"] < found["p90"]
    assert all(isinstance(value, int) for value in found.values())


def test_farther_back_waits_longer(provider, no_cache):
    job = factories.make_job()
    waits = [eta.remaining(job, position=position, now=timezone.now())["p50"] for position in (0, 10, 100)]
    assert waits == sorted(set(waits))


def test_at_the_end_nothing_remains(provider, no_cache):
    job = factories.make_finished_job(provider)
    assert eta.remaining(job, position=0, now=timezone.now()) == {"p50": 0, "p90": 0}


def test_a_place_counts_only_those_who_wait_before(provider):
    now = timezone.now()
    jobs = [factories.make_job(now=now - timedelta(seconds=age)) for age in (30, 20, 10)]
    factories.make_submitted_attempt(provider, job=factories.make_waiting_job(now=now - timedelta(seconds=60)))
    factories.make_finished_job(provider, now=now - timedelta(seconds=90))
    assert eta.positions(jobs) == {jobs[0].id: 0, jobs[1].id: 1, jobs[2].id: 2}


@given(name=st.text(max_size=24))
def test_a_download_has_a_plain_name(name):
    job = Job(hero_name=name)
    job.look = factories.Look(slug="neon-noir")
    found = snapshots.film_name(job)
    assert found.startswith("selfie-hero-")
    assert found.endswith(".mp4")
    assert found.isascii()
    assert "/" not in found
    assert " " not in found


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Zoë", "zoe"),
        ("Straße 7", "strasse-7"),
        ("ŁÓDŹ", "lodz"),
        ("Zoe\u0308", "zoe"),
        ("夜", "neon-noir"),
        ("ﬁnn", "finn"),
    ],
)
def test_a_download_keeps_the_letters_of_its_name(name, plain):
    job = Job(hero_name=name)
    job.look = factories.Look(slug="neon-noir")
    assert snapshots.film_name(job) == f"selfie-hero-{plain}.mp4"


def test_snapshots_of_jobs_that_are_gone_are_left_out(provider):
    import uuid

    job = factories.make_job()
    found = snapshots.snapshots_for([job.id, uuid.uuid4()])
    assert [body["id"] for body in found] == [str(job.id)]
    assert snapshots.read(job.id, job.owner)["id"] == str(job.id)
    assert snapshots.read(job.id, "") is None
    assert snapshots.read(job.id, "v:other") is None
    assert snapshots.read(uuid.uuid4(), job.owner) is None
