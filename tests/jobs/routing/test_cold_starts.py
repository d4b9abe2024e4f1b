"""How fast models start: what is learned, and what is made of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.lanes import polling
from jobs.models import Attempt, Job, Lane, StartTimes
from jobs.routing import cold_starts
from jobs.routing.cold_starts import COLD_FILM, COLD_SIGN, WARM_FILM, WARM_SIGN, Known, Sighting
from providers.models import ProviderConfig
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NOW = timezone.now
SECOND = timedelta(seconds=1)


def seen(provider, **values):
    cold_starts.write([Sighting(provider.id, values.pop("at", NOW()), **values)])


def known(provider):
    return cold_starts.known_of([provider])[provider.id]


# --- Learning --------------------------------------------------------------------------------------


def test_cold_and_warm_times_are_kept_apart(provider):
    for seconds in (30, 40, 50):
        seen(provider, was_cold=True, to_sign=seconds, to_film=seconds + 60)
    for seconds in (1, 2, 3):
        seen(provider, to_sign=seconds, to_film=seconds + 60)
    found = known(provider)
    assert [found.percentile(kind, 0.5) for kind in (COLD_SIGN, COLD_FILM, WARM_SIGN, WARM_FILM)] == [40, 100, 2, 62]
    assert found.percentile(COLD_SIGN, 0.9) == 50
    assert (found.cold_count, found.warm_count) == (3, 3)


def test_only_the_newest_count(provider):
    cold_starts.write([Sighting(provider.id, NOW(), to_sign=100.0)] * 80)
    later(provider)
    cold_starts.write([Sighting(provider.id, NOW(), to_sign=1.0)] * cold_starts.SAMPLES)
    assert known(provider).percentile(WARM_SIGN, 0.9) == 1.0
    assert len(StartTimes.objects.get().samples[WARM_SIGN]) == cold_starts.SAMPLES


def later(provider):
    """As if nothing had been written for as long as a process keeps sightings."""
    cold_starts._kept._written_at[provider.id] -= cold_starts.KEPT_SECONDS


def test_where_there_are_many_samples_more_are_written_once_a_second(provider, django_assert_num_queries):
    cold_starts.write([Sighting(provider.id, NOW(), to_sign=1.0, to_film=9.0)] * cold_starts.SAMPLES)
    with django_assert_num_queries(0):
        seen(provider, to_sign=2.0, to_film=5.0)
        seen(provider, to_sign=2.0, to_film=6.0)
    later(provider)
    seen(provider, to_sign=2.0, to_film=7.0)
    found = known(provider)
    assert found.samples[WARM_FILM][-3:] == [5.0, 6.0, 7.0]
    assert found.warm_count == cold_starts.SAMPLES + 3


def test_each_model_has_times_of_its_own(provider):
    seen(provider, to_sign=5.0)
    ProviderConfig.objects.update(model="another/model")
    provider.refresh_from_db()
    assert known(provider) == Known({})
    seen(provider, to_sign=9.0)
    assert (known(provider).percentile(WARM_SIGN, 0.5), StartTimes.objects.count()) == (9.0, 2)


def test_that_it_works_is_written_down_every_few_seconds_and_not_with_all_news(provider, django_assert_num_queries):
    at = NOW()
    seen(provider, at=at)
    with django_assert_num_queries(0):
        seen(provider, at=at + SECOND)
    assert known(provider).worked_at == at
    cold_starts._noted[provider.id] -= cold_starts.WORK_NOTED_EVERY_SECONDS
    seen(provider, at=at + 9 * SECOND)
    assert known(provider).worked_at == at + 9 * SECOND


def test_sightings_of_a_deleted_provider_are_ignored(provider):
    gone = provider.id
    provider.delete()
    cold_starts.write([Sighting(gone, NOW(), to_sign=1.0)])
    assert not StartTimes.objects.exists()


# --- Being asleep ----------------------------------------------------------------------------------


def test_a_model_is_warm_for_a_while_after_its_last_work(provider):
    at = NOW()
    assert not known(provider).is_awake(provider, now=at)
    seen(provider, at=at)
    assert known(provider).is_awake(provider, now=at + provider.warm_for - SECOND)
    assert not known(provider).is_awake(provider, now=at + provider.warm_for)


def test_patience_is_what_a_warm_start_takes_at_most(provider):
    assert known(provider).patience() == cold_starts.FIRST_GUESS
    cold_starts.write([Sighting(provider.id, NOW(), to_sign=seconds) for seconds in (3.0, 4.0, 25.0)])
    assert known(provider).patience() == 25 * SECOND
    cold_starts.write([Sighting(provider.id, NOW(), to_sign=0.1)] * cold_starts.SAMPLES)
    assert known(provider).patience() == cold_starts.LEAST_PATIENCE


# --- From the lanes --------------------------------------------------------------------------------


@pytest.fixture
def job(provider, stub, work):
    """A job whose prediction was taken twelve seconds ago (`stub.only`)."""
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    return job


def age(**ago):
    Attempt.objects.update(**{name: NOW() - timedelta(seconds=seconds) for name, seconds in ago.items()})


def test_an_attempt_knows_whether_it_found_the_model_cold(provider, stub, work, job):
    assert Attempt.objects.get().was_cold
    seen(provider)
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert not Attempt.objects.latest("id").was_cold


def test_the_first_sign_and_the_film_are_timed_from_the_submit(provider, stub, work, deliver, job):
    age(submitted_at=30)
    deliver(stub.delivery(stub.only.run(0.1)))
    work(Lane.COLLECT)
    attempt = Attempt.objects.get()
    assert attempt.first_sign_at is not None
    assert 29 < known(provider).percentile(COLD_SIGN, 0.5) < 60
    age(submitted_at=90)
    deliver(stub.delivery(stub.only.run(0.5)))
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    row = StartTimes.objects.get()
    assert len(row.samples[COLD_SIGN]) == 1, "only the first sign is one"
    assert 89 < row.samples[COLD_FILM][0] < 120
    assert Attempt.objects.get().first_sign_at == attempt.first_sign_at
    assert known(provider).is_awake(provider, now=NOW())


def test_of_a_vendor_that_shows_no_work_the_film_is_the_first_sign(provider, stub, work, deliver, job):
    age(submitted_at=20)
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    samples = StartTimes.objects.get().samples
    assert samples[COLD_SIGN] == samples[COLD_FILM]


def test_a_poll_is_measured_like_a_webhook(provider, stub, ask, job):
    stub.only.run(0.3)
    ask(later=timedelta(seconds=21))
    assert len(StartTimes.objects.get().samples[COLD_SIGN]) == 1


def test_waiting_in_the_vendors_queue_is_no_sign_of_work(provider, stub, work, deliver, job):
    deliver(stub.delivery(stub.only))
    work(Lane.COLLECT)
    assert Attempt.objects.get().first_sign_at is None
    assert not StartTimes.objects.exists()


def test_silence_beyond_a_warm_start_is_shown_as_warming_up(provider, stub, work, deliver, job):
    cold_starts.write([Sighting(provider.id, NOW(), to_sign=5.0)] * cold_starts.ENOUGH)
    assert polling.show_warming_up(now=NOW() + 4 * SECOND) == 0
    assert factories.reload(job).stage == "submitted"
    assert polling.show_warming_up(now=NOW() + 6 * SECOND) == 1
    assert factories.reload(job).stage == "warming_up"
    assert polling.show_warming_up(now=NOW() + 7 * SECOND) == 0
    deliver(stub.delivery(stub.only.run(0.2)))
    work(Lane.COLLECT)
    assert factories.reload(job).stage == "rendering"
    assert polling.show_warming_up(now=NOW() + timedelta(minutes=2)) == 0
    factories.is_consistent(job.id)


def test_once_there_was_a_sign_silence_is_not_warming_up(provider, stub, job):
    Attempt.objects.update(first_sign_at=NOW())
    assert polling.show_warming_up(now=NOW() + timedelta(minutes=2)) == 0
    assert Job.objects.get().stage == "submitted"


# --- Time to the first picture -----------------------------------------------------------------------


def test_the_first_picture_is_timed_by_its_preview(provider, stub, work, deliver, job):
    deliver(stub.delivery(stub.only.run(0.3, preview=True)))
    work(Lane.COLLECT)
    first = factories.reload(job).first_frame_at
    assert first is not None
    assert Attempt.objects.get().first_frame_at is not None
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    assert factories.reload(job).first_frame_at == first


def test_without_a_preview_the_film_is_the_first_picture(provider, stub, work, ask, job):
    stub.only.complete()
    ask(later=timedelta(seconds=21))
    Job.objects.update(due_at=NOW())
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert job.status == "succeeded"
    assert job.first_frame_at is not None
    assert Attempt.objects.get().first_frame_at is not None
