import io

import pytest
from django.utils import timezone
from PIL import Image

from jobs import lifecycle, storage
from jobs.films.sandbox import FilmSandbox
from jobs.labels import authority, signing, sources
from jobs.labels.manifest_reader import Reader
from jobs.lanes.collect import MAX_FILM_TRIES, CollectLane
from jobs.models import Attempt, Job, Lane
from providers.adapters.studio import StudioAdapter
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.lanes.films import lapse, rendered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_lucky_jitter")]


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
    pictures = film[film.index(b"mdat") : film.index(b"moov") - 4]
    assert stored[stored.index(b"mdat") :].startswith(pictures), "nothing is encoded anew"
    assert (job.video_width, job.video_height) == (32, 64)
    assert (job.poster_width, job.poster_height) == Image.open(io.BytesIO(storage.read(job.poster_key))).size
    assert storage.read(job.poster_key).startswith(b"\xff\xd8")
    assert (job.video_bytes, job.video_seconds) == (len(stored), pytest.approx(1.0, abs=0.2))
    assert job.first_frame_at
    factories.is_consistent(job.id)


@pytest.mark.parametrize("is_studio", [True, False])
def test_what_is_delivered_reads_back_as_ours_and_says_how_it_was_made(
    is_studio, provider, stub, work, settings, monkeypatch
):
    monkeypatch.setattr(StudioAdapter, "is_ours", is_studio)
    job = rendered(provider, stub)
    work(Lane.COLLECT)
    job = factories.reload(job)
    reader = Reader(authority.anchors(tuple(settings.FIELD_KEYS)), authority.organisations())
    for key, kind in ((job.video_key, signing.FILM), (job.poster_key, signing.STILL)):
        label = reader.read(storage.read(key), kind)
        assert label["is_ours"]
        assert label["source"] == (sources.COMPOSITE if is_studio else sources.TRAINED)


@pytest.mark.parametrize("tail", [b"garbage!!" * 5, b"abc", b"\x00\x0f\x42\x40free" + bytes(90), bytes(1000)])
def test_a_film_with_something_behind_it_is_labelled_too(tail, provider, stub, work, film, settings):
    stub.files["tail.mp4"] = film + tail
    job = rendered(provider, stub, "tail.mp4")
    work(Lane.COLLECT)
    del stub.files["tail.mp4"]
    stored = storage.read(factories.reload(job).video_key)
    assert Reader(authority.anchors(tuple(settings.FIELD_KEYS)), authority.organisations()).read(stored, signing.FILM)[
        "is_ours"
    ]


def test_nothing_is_delivered_without_a_label(provider, stub, work, monkeypatch):
    def fail(*_, **__):
        raise signing.LabelFailed("no")

    monkeypatch.setattr(signing, "sign_still", fail)
    job = rendered(provider, stub)
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert (job.status, job.video_key, job.poster_key) == ("processing", "", "")
    assert factories.stored_files() == [job.clean_key]


def test_the_preview_comes_while_the_film_is_being_made(provider, stub, work, deliver, settings):
    job = running_with_preview(provider, stub, work, deliver)
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert (job.lane, job.stage) == ("", "rendering")
    reader = Reader(authority.anchors(tuple(settings.FIELD_KEYS)), authority.organisations())
    assert reader.read(storage.read(job.preview_key), signing.STILL)["is_ours"]
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
