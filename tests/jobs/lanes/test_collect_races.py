"""Two workers collect the same film, a job ends meanwhile, or storage fails."""

import pytest
from django.utils import timezone

from jobs import services, storage
from jobs.lanes.collect import MAX_FILM_TRIES, CollectLane
from jobs.lanes.fetching import FetchResult
from jobs.models import Attempt, Lane
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.lanes.films import lapse, rendered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_lucky_jitter")]


def test_a_worker_that_died_is_replaced_after_its_lease(provider, stub, work):
    job = rendered(provider, stub)
    CollectLane().claim(1)
    work(Lane.COLLECT)
    assert factories.reload(job).status == "processing"
    lapse(job)
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


def test_the_late_writer_loses_and_its_files_go(provider, stub, work):
    job = rendered(provider, stub)
    late = CollectLane()
    (parcel,) = late.claim(1)
    outcome = late.work(parcel)
    lapse(job)
    work(Lane.COLLECT)
    late.record([outcome])
    job = factories.reload(job)
    assert job.status == "succeeded"
    assert sorted(factories.stored_files()) == sorted([job.clean_key, job.video_key, job.poster_key])
    factories.is_consistent(job.id)


def test_a_late_failure_takes_nothing_from_the_worker_that_succeeded(provider, stub, work):
    job = rendered(provider, stub, "nowhere.mp4")
    late = CollectLane()
    (parcel,) = late.claim(1)
    outcome = late.work(parcel)
    assert outcome.fetched.result is FetchResult.GONE
    Attempt.objects.update(video_url=f"{stub.url}/files/film.mp4")
    lapse(job)
    work(Lane.COLLECT)
    late.record([outcome])
    assert factories.reload(job).status == "succeeded"
    assert Attempt.objects.get().status == "succeeded"
    assert ProviderConfig.objects.get().consecutive_failures == 0
    factories.is_consistent(job.id)


def test_a_late_failure_takes_nothing_from_the_worker_that_holds_the_lease(provider, stub):
    job = rendered(provider, stub, "nowhere.mp4")
    late, present = CollectLane(), CollectLane()
    (parcel,) = late.claim(1)
    outcome = late.work(parcel)
    Attempt.objects.update(video_url=f"{stub.url}/files/film.mp4")
    lapse(job)
    (again,) = present.claim(1)
    late.record([outcome])
    present.record([present.work(again)])
    assert factories.reload(job).status == "succeeded"
    factories.is_consistent(job.id)


@pytest.mark.parametrize("end", [services.cancel_job, services.erase_job])
def test_a_job_that_ends_during_the_download_keeps_no_film(end, provider, stub):
    job = rendered(provider, stub)
    lane = CollectLane()
    (parcel,) = lane.claim(1)
    outcome = lane.work(parcel)
    assert len(factories.stored_files()) == 3
    end(job.id, now=timezone.now())
    lane.record([outcome])
    job = factories.reload(job)
    assert (job.status, job.video_key) == ("canceled", "")
    assert factories.stored_files() == [key for key in [job.clean_key] if key]
    factories.is_consistent(job.id)


def test_a_crash_while_collecting_is_tried_again(provider, stub, work, monkeypatch):
    job = rendered(provider, stub)
    monkeypatch.setattr("jobs.films.sandbox.FilmSandbox.probe", lambda *_, **__: 1 / 0)
    work(Lane.COLLECT)
    assert factories.reload(job).lane_tries == 1
    assert factories.stored_files() == [job.clean_key]
    monkeypatch.undo()
    lapse(job)
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), RuntimeError("the bucket is gone")])
def test_storage_that_fails_loses_no_film_however_long_it_takes(trouble, provider, stub, work, monkeypatch):
    job = rendered(provider, stub)

    def fail(key, data):
        raise trouble

    monkeypatch.setattr("jobs.storage.save", fail)
    for _ in range(MAX_FILM_TRIES + 2):
        work(Lane.COLLECT)
        lapse(job)
    job = factories.reload(job)
    assert (job.status, job.lane) == ("processing", Lane.COLLECT)
    monkeypatch.undo()
    lapse(job)
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


def test_a_poster_without_its_film_is_not_kept(provider, stub, work, monkeypatch):
    job = rendered(provider, stub)
    save = storage.save

    def no_room_for_films(key, data):
        if key.startswith("video"):
            raise OSError(28, "No space left on device")
        return save(key, data)

    monkeypatch.setattr("jobs.storage.save", no_room_for_films)
    work(Lane.COLLECT)
    assert factories.stored_files() == [job.clean_key]


def test_one_film_in_a_batch_spoils_no_other(provider, stub, work):
    good, bad = rendered(provider, stub), rendered(provider, stub, "garbage.mp4")
    work(Lane.COLLECT)
    assert factories.reload(good).status == "succeeded"
    assert factories.reload(bad).lane == Lane.DISPATCH
