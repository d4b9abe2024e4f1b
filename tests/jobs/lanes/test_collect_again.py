"""A film that is not where its provider said: the provider is asked once where it lies now."""

from types import SimpleNamespace

import pytest

from jobs import storage
from jobs.lanes.collect import MAX_FILM_TRIES, CollectLane
from jobs.models import Attempt, Lane
from tests import factories
from tests.jobs.films import reels
from tests.jobs.lanes.films import lapse
from tests.stub_provider import Refuse

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_lucky_jitter")]


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
    pictures = {name: film[start:end] for name, start, end in reels.boxes(film)}[b"mdat"]
    assert pictures in storage.read(job.video_key)
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
