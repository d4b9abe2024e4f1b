import threading
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from jobs import messages, services, storage
from jobs.lanes.prepare import PrepareLane
from jobs.models import Job, Lane
from jobs.photos.outcomes import OUTCOMES, BadPhoto
from jobs.photos.sandbox import SandboxUnavailable
from jobs.queue import engine
from jobs.queue.engine import Pump
from tests import factories
from tests.conftest import FakeSandbox
from tests.jobs.photos import pictures

pytestmark = pytest.mark.django_db


def order(photo: bytes) -> dict[str, object]:
    return {"selfie": SimpleUploadedFile("selfie", photo), "look": "neon-noir", "consent": "true"}


def lapse():
    Job.objects.exclude(lane="").update(due_at=timezone.now() - timedelta(seconds=1))


def test_a_photo_becomes_clean_and_the_raw_one_goes(db, work, sandbox):
    photo = factories.tiny_photo()
    job = factories.make_job(photo=photo)
    work(Lane.PREPARE)
    job = factories.reload(job)
    assert (job.lane, job.stage, job.raw_key) == (Lane.DISPATCH, "waiting_for_slot", "")
    assert storage.read(job.clean_key) == photo
    assert factories.stored_files() == [job.clean_key]
    assert list(job.events.values_list("kind", flat=True)) == ["accepted", "preparing", "prepared"]
    factories.is_consistent(job.id)


@pytest.mark.parametrize("code", OUTCOMES)
def test_a_bad_photo_fails_with_a_sentence_and_goes(code, db, work, sandbox):
    job = factories.make_job()
    sandbox.problems.append(BadPhoto(code))
    work(Lane.PREPARE)
    job = factories.reload(job)
    assert (job.status, job.failure_code, job.lane) == ("failed", code, "")
    assert factories.stored_files() == []
    failure = messages.failure(code)
    assert failure["message"].endswith(".")
    assert failure["next_step"].endswith(".")
    factories.is_consistent(job.id)


def test_our_own_trouble_is_not_the_photos(db, work, sandbox):
    job = factories.make_job()
    sandbox.problems += [SandboxUnavailable("no memory"), RuntimeError("a bug of ours")]
    for tries in (1, 2):
        work(Lane.PREPARE)
        row = factories.reload(job)
        assert (row.lane, row.lane_tries, row.status) == (Lane.PREPARE, tries, "queued")
        lapse()
    work(Lane.PREPARE)
    assert factories.reload(job).lane == Lane.DISPATCH


def test_photos_are_opened_side_by_side_as_many_as_there_are_sandboxes(db, settings):
    settings.PREPARE_CHILDREN = 3
    for _ in range(3):
        factories.make_job()
    all_there = threading.Barrier(3, timeout=20)

    class Meeting(FakeSandbox):
        def clean(self, raw, **wishes):
            all_there.wait()
            return super().clean(raw, **wishes)

    Pump(PrepareLane(Meeting()), listens=False).run(linger=0.0)
    assert list(Job.objects.values_list("lane", flat=True)) == [Lane.DISPATCH] * 3


@pytest.mark.slow
@pytest.mark.parametrize("sends_cookies", [False, True], ids=["without cookies", "with a cookie each time"])
def test_a_flood_of_costly_photos_delays_nobody_else_for_long(sends_cookies, db, settings):
    """25 uploads of less than a hundred bytes, 40 megapixels each, and somebody who comes a moment later."""
    settings.PREPARE_CHILDREN = 2
    cache.clear()
    factories.make_look()
    black = pictures.encoded(pictures.Image.new("L", (8000, 5000)), "WEBP", lossless=True, method=0)
    for number in range(25):
        flooder = Client(REMOTE_ADDR="203.0.113.66")
        if sends_cookies:
            flooder.cookies["visitor"] = f"{number:043}"
        assert flooder.post("/api/v1/jobs/", order(black)).status_code == 202
    mine = factories.tiny_photo()
    assert Client(REMOTE_ADDR="203.0.113.7").post("/api/v1/jobs/", order(mine)).status_code == 202
    opened = []

    class Watching(FakeSandbox):
        def clean(self, raw, **wishes):
            opened.append(raw == mine)
            return super().clean(raw if raw == mine else mine, **wishes)

    lane = PrepareLane(Watching())
    under_way = lane.claim(lane.threads)
    assert sum(photo.cost for photo in under_way) <= 64, "no more is claimed than two sandboxes open in three seconds"
    for photo in under_way:
        lane.record([lane.work(photo)])
    Pump(lane, listens=False).run(linger=0.0)
    assert len(opened) == 26
    assert opened.index(True) <= 4, "at most those go first that are under way"


def test_a_photo_that_meets_our_trouble_every_time_is_tried_more_and_more_rarely(db, sandbox):
    job = factories.make_job()
    pauses = []
    for _ in range(7):
        sandbox.problems.append(SandboxUnavailable("no answer"))
        lane, began = PrepareLane(sandbox), timezone.now()
        lane.record([lane.work(photo) for photo in lane.claim(1)])
        pauses.append(round((factories.reload(job).due_at - began).total_seconds()))
        lapse()
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    assert factories.reload(job).status == "queued"


def test_a_full_disk_loses_nothing(db, work, sandbox, monkeypatch):
    job = factories.make_job()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "save", full)
        work(Lane.PREPARE)
    assert factories.reload(job).raw_key
    lapse()
    work(Lane.PREPARE)
    assert factories.reload(job).lane == Lane.DISPATCH


def test_a_raw_photo_that_is_gone_ends_the_job(db, work, sandbox):
    job = factories.make_job()
    storage.delete([job.raw_key])
    work(Lane.PREPARE)
    assert factories.reload(job).failure_code == "photo_unreadable"


def two_workers():
    first, second = PrepareLane(FakeSandbox()), PrepareLane(FakeSandbox())
    (photo,) = first.claim(1)
    outcome = first.work(photo)
    return first, outcome, second


def test_the_late_writer_loses_and_its_photo_goes(db):
    job = factories.make_job()
    late, outcome, present = two_workers()
    lapse()
    (again,) = present.claim(1)
    present.record([present.work(again)])
    late.record([outcome])
    assert factories.stored_files() == [factories.reload(job).clean_key]
    factories.is_consistent(job.id)


def test_a_late_failure_ends_nothing(db):
    job = factories.make_job()
    late = PrepareLane(FakeSandbox())
    (photo,) = late.claim(1)
    late.sandbox.problems.append(BadPhoto("no_face"))
    outcome = late.work(photo)
    present = PrepareLane(FakeSandbox())
    lapse()
    (again,) = present.claim(1)
    late.record([outcome])
    assert factories.reload(job).status == "queued"
    present.record([present.work(again)])
    assert factories.reload(job).lane == Lane.DISPATCH


@pytest.mark.parametrize("end", [services.cancel_job, services.erase_job])
def test_a_job_that_ends_meanwhile_keeps_no_clean_photo(end, db):
    job = factories.make_job()
    lane, outcome, _ = two_workers()
    end(job.id, now=timezone.now())
    lane.record([outcome])
    job = factories.reload(job)
    assert (job.status, job.clean_key) == ("canceled", "")
    assert factories.stored_files() == []
    factories.is_consistent(job.id)


def test_the_next_lane_is_nudged(db, work, sandbox, monkeypatch, django_capture_on_commit_callbacks):
    nudged = []
    monkeypatch.setattr("jobs.queue.queues.nudge", nudged.append)
    factories.make_job()
    with django_capture_on_commit_callbacks(execute=True):
        work(Lane.PREPARE)
    assert Lane.DISPATCH in nudged


def test_a_photo_that_takes_longer_than_a_lease_stays_its_workers(db, monkeypatch):
    """The lease is short, so that a worker's death costs little; renewing makes it long enough for any photo."""
    monkeypatch.setattr(engine, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(engine, "CHECK_SECONDS", 0.01)
    job = factories.make_job()
    renewed, due = threading.Event(), []

    class Slow(FakeSandbox):
        def clean(self, raw, **wishes):
            assert renewed.wait(20)
            return super().clean(raw, **wishes)

    lane = PrepareLane(Slow())

    def keep(items, really=lane.keep):
        lapse()
        really(items)
        due.append(factories.reload(job).due_at)
        renewed.set()

    lane.keep = keep
    Pump(lane, listens=False).run(linger=0.0)
    assert due[0] > timezone.now()
    assert factories.reload(job).lane == Lane.DISPATCH


def test_storage_that_removes_nothing_costs_no_photo(db, sandbox, monkeypatch):
    """Two come home at once and are written; that their raw photos stay is for the sweep, not for another try."""
    photos = [factories.tiny_photo(), factories.tiny_photo()]
    jobs = [factories.make_job(photo=photo) for photo in photos]
    lane = PrepareLane(sandbox)
    outcomes = [lane.work(item) for item in lane.claim(2)]

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("django.core.files.storage.filesystem.FileSystemStorage.delete", fail)
    Pump(lane, listens=False)._record_all(outcomes)
    monkeypatch.undo()
    assert sorted(storage.read(factories.reload(job).clean_key) for job in jobs) == sorted(photos)
