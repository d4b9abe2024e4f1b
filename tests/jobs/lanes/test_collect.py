import io
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone
from PIL import Image

from jobs import lifecycle, services, storage
from jobs.films.sandbox import FilmSandbox
from jobs.lanes.collect import MAX_FILM_TRIES, CollectLane
from jobs.lanes.fetching import FetchResult
from jobs.models import Attempt, Job, Lane
from providers.models import ProviderConfig
from tests import factories
from tests.stub_provider import Refuse

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_lucky_jitter(monkeypatch):
    """A random delay may be none at all: what has to wait comes back when the test says so."""
    monkeypatch.setattr("jobs.routing.fallback.backoff", lambda tries: timedelta(minutes=1))


def rendered(provider, stub, path="film.mp4", **values):
    attempt = factories.make_submitted_attempt(provider, **values)
    lifecycle.mark_attempt_succeeded(
        attempt, prediction_id=attempt.prediction_id, video_url=f"{stub.url}/files/{path}", now=timezone.now()
    )
    return factories.reload(attempt.job)


def running_with_preview(provider, stub, work, deliver):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert deliver(stub.delivery(stub.last.run(0.5, preview=True))) == 202
    return job


def test_the_film_and_its_poster_are_copied(provider, stub, work, film):
    job = rendered(provider, stub)
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert (job.status, job.stage, job.progress) == ("succeeded", "ready", 1.0)
    stored = storage.read(job.video_key)
    assert stored.index(b"moov") < stored.index(b"mdat"), "it begins while it is still being loaded"
    assert film.index(b"mdat") < film.index(b"moov")
    assert (len(stored), stored[stored.index(b"mdat") :]) == (
        len(film),
        film[film.index(b"mdat") : film.index(b"moov") - 4],
    )
    assert (job.video_width, job.video_height) == (32, 64)
    assert (job.poster_width, job.poster_height) == Image.open(io.BytesIO(storage.read(job.poster_key))).size
    assert storage.read(job.poster_key).startswith(b"\xff\xd8")
    assert (job.video_bytes, job.video_seconds) == (len(film), pytest.approx(1.0, abs=0.2))
    assert job.first_frame_at
    factories.is_consistent(job.id)


def test_the_preview_comes_while_the_film_is_being_made(provider, stub, work, deliver):
    job = running_with_preview(provider, stub, work, deliver)
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert (job.lane, job.stage) == ("", "rendering")
    assert storage.read(job.preview_key).startswith(b"\xff\xd8")
    assert job.first_frame_at
    assert list(job.events.values_list("kind", flat=True))[-1] == "preview"
    factories.is_consistent(job.id)


def test_a_preview_that_cannot_be_had_is_given_up(provider, stub, work, deliver):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    stub.only.preview_path = "nowhere.jpg"
    deliver(stub.delivery(stub.only.run(0.5, preview=True)))
    for _ in range(3):
        work(Lane.COLLECT)
        Job.objects.filter(id=job.id).update(due_at=timezone.now())
    job = factories.reload(job)
    assert (job.lane, job.preview_key) == ("", "")
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


def test_the_film_overtakes_its_preview(provider, stub, work, deliver):
    job = running_with_preview(provider, stub, work, deliver)
    lane = CollectLane()
    lane.before_claim()
    (parcel,) = lane.claim(1)
    assert not parcel.is_film
    preview = lane.work(parcel)
    deliver(stub.delivery(stub.last.complete()))
    work(Lane.COLLECT)
    lane.record([preview])
    job = factories.reload(job)
    assert (job.status, job.preview_key) == ("succeeded", "")
    assert sorted(factories.stored_files()) == sorted([job.clean_key, job.video_key, job.poster_key])


@pytest.mark.parametrize("path", ["nowhere.mp4", "garbage.mp4"])
def test_a_film_that_is_gone_or_no_film_is_made_anew(path, provider, stub, work):
    job = rendered(provider, stub, path)
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert (job.status, job.lane, job.winner_id, job.video_key) == ("processing", Lane.DISPATCH, None, "")
    assert factories.stored_files() == [job.clean_key]
    assert ProviderConfig.objects.get().spoiled_films == 1
    factories.is_consistent(job.id)


def test_a_download_that_breaks_off_is_tried_again(provider, stub, work):
    job = rendered(provider, stub, "short.mp4")
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert (job.lane, job.lane_tries) == (Lane.COLLECT, 1)
    Attempt.objects.update(video_url=f"{stub.url}/files/film.mp4")
    Job.objects.update(due_at=timezone.now())
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


def test_a_film_on_a_host_that_is_not_allowed_is_not_fetched(provider, stub, work):
    job = rendered(provider, stub)
    Attempt.objects.update(video_url="http://localhost:1/film.mp4")
    work(Lane.COLLECT)
    assert factories.reload(job).lane == Lane.DISPATCH
    assert "not allowed" in Attempt.objects.get().raw_error


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[", "", "http://127.0.0.1:x/"])
def test_a_strange_address_of_a_film_is_unusable(address, provider, stub, work):
    job = rendered(provider, stub)
    Attempt.objects.update(video_url=address)
    work(Lane.COLLECT)
    assert factories.reload(job).lane == Lane.DISPATCH
    factories.is_consistent(job.id)


def test_a_film_that_is_too_large_is_not_kept(provider, stub, work, settings, film):
    settings.VIDEO_MAX_BYTES = len(film) - 1
    job = rendered(provider, stub)
    work(Lane.COLLECT)
    assert factories.reload(job).lane == Lane.DISPATCH
    assert factories.stored_files() == [job.clean_key]


def test_in_the_end_a_job_without_a_usable_film_fails(provider, stub, work, settings):
    job = factories.make_waiting_job()
    for _ in range(settings.MAX_ATTEMPTS):
        ProviderConfig.objects.update(rate_limited_until=None)
        rendered(provider, stub, "garbage.mp4", job=factories.reload(job))
        work(Lane.COLLECT)
    job = factories.reload(job)
    assert (job.status, job.failure_code) == ("failed", "no_provider")
    factories.is_consistent(job.id)


def test_a_film_that_cannot_be_reached_is_made_anew_after_some_tries(provider, stub, work):
    job = rendered(provider, stub, "short.mp4")
    for _ in range(MAX_FILM_TRIES):
        assert factories.reload(job).lane == Lane.COLLECT
        work(Lane.COLLECT)
        lapse(job)
    assert factories.reload(job).lane == Lane.DISPATCH
    assert Attempt.objects.get().error_code == lifecycle.RESULT_LOST


def test_a_child_that_cannot_be_started_loses_no_film(provider, stub, work):
    job = rendered(provider, stub)
    broken = CollectLane(FilmSandbox(module="tests.no_such_child"))
    for _ in range(MAX_FILM_TRIES + 1):
        broken.warm_up()
        (parcel,) = broken.claim(1)
        broken.record([broken.work(parcel)])
        lapse(job)
    assert factories.stored_files() == [job.clean_key]
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


# --- Where does it lie now? ----------------------------------------------------------------------


@pytest.fixture
def finished(provider, stub, work, deliver):
    """Return a function: a job whose prediction, known to the stub, was reported with its film at this path."""

    def make(path):
        job = factories.make_waiting_job()
        work(Lane.DISPATCH)
        assert deliver(stub.delivery(stub.last.complete(path))) == 202
        stub.calls.clear()
        return job

    return make


@pytest.mark.parametrize("path", ["nowhere.mp4", "garbage.mp4"])
def test_a_provider_that_names_another_address_is_believed_once(path, finished, stub, work, film):
    job = finished(path)
    stub.only.film_path = "film.mp4"
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert job.status == "succeeded"
    assert len(storage.read(job.video_key)) == len(film)
    assert stub.count("GET /v1/predictions/*") == 1
    assert Attempt.objects.get().status == "succeeded"


def test_an_address_that_is_gone_may_come_back(finished, stub, work, film, monkeypatch):
    """A vendor may serve the same address again once it was asked for the prediction."""
    job = finished("film.mp4")
    answers = iter([None, film])
    monkeypatch.setattr(stub, "files", SimpleNamespace(get=lambda name: next(answers) if name == "film.mp4" else None))
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


def test_a_film_that_is_gone_for_good_is_asked_for_once_and_made_anew(finished, stub, work):
    job = finished("nowhere.mp4")
    work(Lane.COLLECT)
    assert factories.reload(job).lane == Lane.DISPATCH
    assert stub.count("GET /v1/predictions/*") == 1
    assert "404" in Attempt.objects.get().raw_error


def test_a_film_that_is_no_film_is_not_fetched_twice(finished, stub, work, monkeypatch):
    job = finished("garbage.mp4")
    fetched = []
    monkeypatch.setattr(stub, "files", SimpleNamespace(get=lambda name: fetched.append(name) or b"GIF"))
    work(Lane.COLLECT)
    assert factories.reload(job).lane == Lane.DISPATCH
    assert fetched == ["garbage.mp4"]


def test_a_provider_that_cannot_be_asked_keeps_its_film_for_now(finished, stub, work):
    job = finished("nowhere.mp4")
    stub.next_calls(Refuse(503), Refuse(429, retry_after="5"))
    for tries in (1, 2):
        work(Lane.COLLECT)
        job = factories.reload(job)
        assert (job.lane, job.lane_tries) == (Lane.COLLECT, tries)
        lapse(job)
    stub.only.film_path = "film.mp4"
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


@pytest.mark.parametrize("state", ["failed", "starting"])
def test_a_prediction_that_is_no_success_any_more_is_made_anew(state, finished, stub, work):
    job = finished("nowhere.mp4")
    stub.only.status, stub.only.film_path = state, "film.mp4"
    work(Lane.COLLECT)
    assert factories.reload(job).lane == Lane.DISPATCH


def test_a_film_without_an_address_is_asked_for(finished, stub, work):
    job = finished("film.mp4")
    CollectLane().before_claim()
    Attempt.objects.update(video_url="")
    stub.next_calls(Refuse(503))
    work(Lane.COLLECT)
    assert factories.reload(job).lane == Lane.COLLECT
    lapse(job)
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


def test_a_provider_is_asked_for_a_film_that_cannot_be_reached_only_in_the_end(finished, stub, work):
    job = finished("short.mp4")
    stub.only.film_path = "film.mp4"
    for _ in range(MAX_FILM_TRIES - 1):
        work(Lane.COLLECT)
        lapse(job)
    assert factories.reload(job).lane == Lane.COLLECT
    assert stub.count("GET /v1/predictions/*") == 0
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"
    assert stub.count("GET /v1/predictions/*") == 1


# --- Two workers ---------------------------------------------------------------------------------


def lapse(job):
    Job.objects.filter(id=job.id).update(due_at=timezone.now() - timedelta(seconds=1))


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
