import unicodedata
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs import snapshots
from jobs.estimates import eta
from jobs.models import Attempt, Job
from providers.models import ProviderConfig
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_cache():
    eta._cache.clear()


def test_before_anything_was_measured_there_is_a_guess(provider, no_cache):
    job = factories.make_job()
    found = eta.remaining(job, position=0, now=timezone.now())
    assert 1 <= found["p50"] < found["p90"]


def test_durations_are_what_was_measured(provider, no_cache):
    attempt = factories.make_rendered_job(provider).winner
    now = timezone.now()
    Attempt.objects.filter(id=attempt.id).update(claimed_at=now - timedelta(seconds=42), finished_at=now)
    found = eta.current_forecast()
    assert (round(found.overall.median), round(found.overall.slow), found.slots) == (42, 42, provider.max_concurrent)


def forecast():
    eta._cache.clear()
    return eta.current_forecast()


def minute_away():
    return timezone.now() + timedelta(minutes=1)


def range_of(job, *, position=0):
    eta._cache.clear()
    found = eta.remaining(job, position=position, now=timezone.now())
    return found["p50"], found["p90"]


def test_only_what_is_open_and_can_be_filled_makes_films(provider, no_cache):
    """Before anything was measured a film is thought to take eight seconds."""
    other = factories.make_provider(slug="other", max_concurrent=100, max_per_minute=30)
    assert forecast().slots == 3 + 4
    mine = ProviderConfig.objects.filter(id=other.id)
    mine.update(rate_limited_until=minute_away())
    assert forecast().slots == 3
    mine.update(rate_limited_until=timezone.now())
    assert forecast().slots == 3, "it has still to prove itself"
    mine.update(rate_limited_until=None, enabled=False)
    assert forecast().slots == 3
    mine.update(enabled=True, price=2, daily_budget=1, budget_day=timezone.now().date())
    assert forecast().slots == 3
    assert not forecast().is_blocked


def test_each_slot_has_the_speed_of_its_provider(provider, no_cache):
    """The slow cloud goes down: what it took says nothing any more."""
    cloud = factories.make_provider(slug="cloud", max_concurrent=100, order=1)
    provider.start_times.create(samples={"warm_film": [4.0]})
    cloud.start_times.create(samples={"warm_film": [60.0]})
    provider_only = ProviderConfig.objects.filter(id=cloud.id)
    job = factories.make_waiting_job()
    assert range_of(job, position=50)[0] >= 60
    provider_only.update(breaker_until=minute_away(), breaker_reason="calls")
    assert range_of(job)[0] == 4 + 1
    assert range_of(job, position=3)[0] == 8 + 1, "the second round of three places"


def test_who_waits_for_one_place_sees_everybody_ahead(provider, no_cache):
    """Five people, one studio that makes one film at a time; all clouds are down."""
    cloud = factories.make_provider(slug="cloud", max_concurrent=100, order=1)
    ProviderConfig.objects.filter(id=cloud.id).update(breaker_until=minute_away(), breaker_reason="calls")
    ProviderConfig.objects.filter(id=provider.id).update(max_concurrent=1)
    provider.start_times.create(samples={"warm_film": [10.0]})
    job = factories.make_waiting_job()
    assert range_of(job)[0] == 10 + 1
    attempt = factories.make_submitted_attempt(provider)
    assert [range_of(job, position=ahead)[0] for ahead in range(4)] == pytest.approx([21, 31, 41, 51], abs=1)
    Attempt.objects.filter(id=attempt.id).update(claimed_at=timezone.now() - timedelta(seconds=6))
    assert range_of(job)[0] == pytest.approx(15, abs=1), "the film ahead is nearly made"
    assert range_of(attempt.job)[0] <= 11, "a job under way waits for no other"


def test_few_calls_a_minute_make_a_slow_line(provider, no_cache):
    ProviderConfig.objects.update(max_per_minute=2)
    job = factories.make_waiting_job()
    assert range_of(job, position=2)[0] == 8 + 2 * 30 + 1


def test_while_time_goes_by_a_surveyed_range_shrinks(provider, no_cache):
    job = factories.make_waiting_job()
    now = timezone.now()
    first, later = (eta.remaining(job, position=9, now=now + timedelta(seconds=age))["p50"] for age in (0, 2))
    assert first - later == 2


NO_STUDIO_OPEN = "No film studio is open right now. Your place in line is kept."


def reason_of(job):
    eta._cache.clear()
    return snapshots.of(job, now=timezone.now())["queue"]["reason"]


def test_while_no_provider_is_open_the_range_begins_when_the_first_opens(provider, no_cache):
    job = factories.make_waiting_job()
    assert reason_of(job) is None
    ProviderConfig.objects.update(breaker_until=minute_away(), breaker_reason="calls")
    assert reason_of(job) == NO_STUDIO_OPEN
    assert range_of(job) == pytest.approx((60 + 8 + 1, 60 + 15 + 2), abs=1)


def test_who_is_busy_is_named_as_long_as_it_will_open_again(provider, no_cache):
    job = factories.make_waiting_job()
    Job.objects.update(reason_code="provider_busy", reason_subject=provider.title)
    ProviderConfig.objects.update(rate_limited_until=minute_away())
    assert reason_of(factories.reload(job)).startswith("The studio is busy")
    ProviderConfig.objects.update(enabled=False)
    assert reason_of(factories.reload(job)) == NO_STUDIO_OPEN


@pytest.mark.parametrize("values", [{"enabled": False}, {"rate_limited_until": timezone.now() + timedelta(days=1)}])
def test_while_no_provider_will_open_the_range_ends_with_the_jobs_time(values, provider, no_cache):
    job = factories.make_waiting_job(deadline_at=timezone.now() + timedelta(seconds=200))
    ProviderConfig.objects.update(**values)
    assert reason_of(job) == NO_STUDIO_OPEN
    assert range_of(job) == pytest.approx((100, 200), abs=2)
    Job.objects.update(deadline_at=timezone.now())
    assert range_of(factories.reload(job)) == (1, 2)


def test_a_job_under_way_is_not_told_that_no_provider_is_open(provider, no_cache):
    attempt = factories.make_submitted_attempt(provider)
    ProviderConfig.objects.update(enabled=False)
    assert reason_of(factories.reload(attempt.job)) is None


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


def named(name):
    job = Job(hero_name=name)
    job.look = factories.Look(slug="neon-noir")
    return snapshots.film_name(job)


@given(name=st.text(max_size=24))
def test_a_download_has_a_name_that_no_system_minds(name):
    found = named(name)
    assert found.endswith("-neon-noir.mp4")
    assert not set(found) & set('/\\:*?"<>| \t\r\n\0')
    assert all(unicodedata.category(char)[0] in "LNM" for char in found if char not in "-.")
    plain = snapshots.plain_name(found)
    assert plain.isascii()
    assert plain.endswith("neon-noir.mp4")


@pytest.mark.parametrize(
    ("name", "full", "plain"),
    [
        ("NOVA-7", "nova-7-neon-noir.mp4", "nova-7-neon-noir.mp4"),
        ("Zoë", "zoë-neon-noir.mp4", "zoe-neon-noir.mp4"),
        ("Zoe\u0308", "zoë-neon-noir.mp4", "zoe-neon-noir.mp4"),
        ("Straße 7", "strasse-7-neon-noir.mp4", "strasse-7-neon-noir.mp4"),
        ("ŁÓDŹ", "łódź-neon-noir.mp4", "lodz-neon-noir.mp4"),
        ("夜の王", "夜の王-neon-noir.mp4", "neon-noir.mp4"),
        ("हिन्दी", "हिन्दी-neon-noir.mp4", "neon-noir.mp4"),
        ("ﬁnn", "finn-neon-noir.mp4", "finn-neon-noir.mp4"),
        ("../*?", "selfie-hero-neon-noir.mp4", "selfie-hero-neon-noir.mp4"),
    ],
)
def test_a_download_keeps_the_letters_of_its_name(name, full, plain):
    assert (named(name), snapshots.plain_name(full)) == (full, plain)


def test_snapshots_of_jobs_that_are_gone_are_left_out(provider):
    import uuid

    job = factories.make_job()
    found = snapshots.snapshots_for([job.id, uuid.uuid4()])
    assert [body["id"] for body in found] == [str(job.id)]
    assert snapshots.read(job.id, job.owner)["id"] == str(job.id)
    assert snapshots.read(job.id, "") is None
    assert snapshots.read(job.id, "v:other") is None
    assert snapshots.read(uuid.uuid4(), job.owner) is None
