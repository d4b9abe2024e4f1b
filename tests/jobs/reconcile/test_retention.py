import os
import secrets
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from jobs import services, storage
from jobs.models import Attempt, ErasureCount, Job, Lane, WebhookDelivery
from jobs.reconcile import erasures, retention
from tests import factories

pytestmark = pytest.mark.django_db


def due(*jobs):
    Job.objects.filter(id__in=[job.id for job in jobs]).update(erase_at=timezone.now())


def delivery(age, verdict="valid"):
    return WebhookDelivery.objects.create(
        provider="studio", attempt_token="t", event_id=str(age), verdict=verdict, received_at=timezone.now() - age
    )


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_what_is_due_is_erased_and_nothing_else(provider):
    old, young = factories.make_finished_job(provider), factories.make_finished_job(provider)
    due(old)
    retention.sweep(now=timezone.now())
    old, young = factories.reload(old), factories.reload(young)
    assert old.erased_at
    assert young.erased_at is None
    assert sorted(factories.stored_files()) == sorted([young.clean_key, young.poster_key, young.video_key])
    assert Attempt.objects.filter(job=old, cleanup="delete").exists()
    assert list(old.events.values_list("kind", flat=True))[-1] == "erased"


@pytest.mark.parametrize("stage", ["raw", "waiting", "under way", "collecting"])
def test_a_job_still_under_way_is_stopped_and_erased(stage, provider, stub, work):
    if stage == "raw":
        job = factories.make_job()
    elif stage == "collecting":
        job = factories.make_rendered_job(provider)
    else:
        job = factories.make_waiting_job()
        if stage == "under way":
            work(Lane.DISPATCH)
    due(job)
    retention.sweep(now=timezone.now())
    job = factories.reload(job)
    assert (job.status, bool(job.erased_at)) == ("canceled", True)
    assert factories.stored_files() == []
    factories.is_consistent(job.id)


def test_erasing_twice_changes_nothing(provider):
    job = factories.make_finished_job(provider)
    first = services.erase_job(job.id, now=timezone.now())
    seq = factories.reload(job).seq
    again = services.erase_job(job.id, now=timezone.now() + timedelta(hours=1))
    assert again["erased_at"] == first["erased_at"]
    assert factories.reload(job).seq == seq


def test_killed_half_way_it_goes_on_with_the_next_sweep(provider, monkeypatch):
    job = factories.make_finished_job(provider)
    due(job)
    monkeypatch.setattr("jobs.lifecycle.mark_all_erased", lambda *_, **__: 1 / 0)
    retention.sweep(now=timezone.now())
    assert factories.reload(job).erased_at is None
    monkeypatch.undo()
    retention.sweep(now=timezone.now() + erasures.LEASE + timedelta(seconds=1))
    assert factories.reload(job).erased_at


def test_one_that_cannot_be_erased_does_not_hold_up_others(provider, monkeypatch):
    jobs = [factories.make_finished_job(provider) for _ in range(3)]
    due(*jobs)
    stuck = jobs[1].video_key
    delete = storage.delete

    def fail(keys):
        if stuck in keys:
            raise OSError(5, "Input/output error")
        delete(keys)

    monkeypatch.setattr(storage, "delete", fail)
    retention.sweep(now=timezone.now())
    assert [bool(factories.reload(job).erased_at) for job in jobs] == [True, False, True]


def test_a_sweep_keeps_up_with_the_busiest_hour(provider, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    jobs = [factories.make_job() for _ in range(7)]
    due(*jobs)
    retention.sweep(now=timezone.now())
    assert not Job.objects.filter(erased_at=None).exists()


def test_evidence_goes_after_its_time(db):
    kept = [delivery(timedelta(days=29)), delivery(timedelta(days=1), "forged"), delivery(timedelta(days=1), "stale")]
    delivery(timedelta(days=31))
    delivery(timedelta(days=3), "forged")
    delivery(timedelta(days=3), "stale")
    retention.sweep(now=timezone.now())
    assert set(WebhookDelivery.objects.values_list("id", flat=True)) == {row.id for row in kept}


def test_keep_warm_attempts_are_deleted_after_a_month(provider):
    def call(days, **values):
        at = timezone.now() - timedelta(days=days)
        same = {"number": 1, "kind": "keep_warm", "lease_until": at, "deadline_at": at, "slot_held": False}
        values = {"status": "succeeded"} | values
        return Attempt.objects.create(provider=provider, claimed_at=at, token=secrets.token_hex(8), **same | values)

    kept = [call(29), call(31, status="running", slot_held=True), call(31, cleanup="delete")]
    call(31)
    call(31, status="failed")
    of_a_job = factories.make_attempt(provider)
    Attempt.objects.filter(id=of_a_job.id).update(claimed_at=timezone.now() - timedelta(days=40))
    retention.sweep(now=timezone.now())
    assert set(Attempt.objects.values_list("id", flat=True)) == {row.id for row in [*kept, of_a_job]}


def test_unfinished_files_go_after_an_hour(db):
    folder = settings.FILE_UPLOAD_TEMP_DIR
    old, young = folder / "old.upload", folder / "young.upload"
    for path in (old, young):
        path.write_bytes(b"x")
    age(old, 3700)
    retention.sweep(now=timezone.now())
    assert (old.exists(), young.exists()) == (False, True)
    young.unlink()


def test_files_that_no_job_knows_of_go(provider):
    """A worker that was killed between storing a file and writing its row leaves one."""
    job = factories.make_finished_job(provider)
    kinds = [("raw", "jpg"), ("clean", "jpg"), ("preview", "jpg"), ("poster", "jpg"), ("video", "mp4")]
    loose = [storage.save(storage.new_key(kind, extension), b"face") for kind, extension in kinds]
    fresh = storage.save(storage.new_key("clean", "jpg"), b"being written")
    for key in [*loose, job.clean_key, job.video_key, job.poster_key]:
        age(Path(settings.MEDIA_ROOT) / key, 2 * 3600)
    retention.sweep_unreferenced_files(now=timezone.now())
    assert sorted(factories.stored_files()) == sorted([job.clean_key, job.video_key, job.poster_key, fresh])


def test_a_raw_photo_whose_worker_died_before_deleting_it_goes(db, monkeypatch, work, sandbox):
    job = factories.make_job()
    delete = storage.delete
    monkeypatch.setattr(storage, "delete", lambda keys: None)
    work(Lane.PREPARE)
    monkeypatch.setattr(storage, "delete", delete)
    assert len(factories.stored_files()) == 2
    for key in factories.stored_files():
        age(Path(settings.MEDIA_ROOT) / key, 2 * 3600)
    retention.sweep_unreferenced_files(now=timezone.now())
    assert factories.stored_files() == [factories.reload(job).clean_key]


# --- Photos ---------------------------------------------------------------------------------------------


def ended(job, ago):
    Job.objects.filter(id=job.id).update(finished_at=timezone.now() - ago)


def test_a_photo_goes_an_hour_after_the_end_and_its_film_stays(provider):
    old, young, open_one = (
        factories.make_finished_job(provider),
        factories.make_finished_job(provider),
        factories.make_job(),
    )
    ended(old, settings.PHOTO_RETENTION)
    ended(young, settings.PHOTO_RETENTION - timedelta(seconds=5))
    retention.erase_photos(now=timezone.now())
    old, young = factories.reload(old), factories.reload(young)
    assert (old.raw_key, old.clean_key, old.preview_key) == ("", "", "")
    assert old.photo_erased_at
    assert (young.photo_erased_at, factories.reload(open_one).photo_erased_at) == (None, None)
    kept = [young.clean_key, young.poster_key, young.video_key, open_one.raw_key, old.poster_key, old.video_key]
    assert sorted(factories.stored_files()) == sorted(kept)
    with pytest.raises(services.PhotoGone):
        services.remix_job(old.id, look=old.look, now=timezone.now())


def test_a_photo_that_cannot_be_removed_keeps_no_other(provider, monkeypatch):
    first, second = factories.make_finished_job(provider), factories.make_finished_job(provider)
    for job in (first, second):
        ended(job, timedelta(hours=2))
    delete, broken = storage.delete, first.clean_key

    def refuse(keys):
        if broken in keys:
            raise OSError("disk")
        delete(keys)

    monkeypatch.setattr(storage, "delete", refuse)
    retention.erase_photos(now=timezone.now())
    assert factories.reload(first).clean_key == broken
    assert factories.reload(second).clean_key == ""
    monkeypatch.undo()
    retention.erase_photos(now=timezone.now())
    assert factories.reload(first).clean_key == ""


def test_what_was_erased_when_is_counted(provider, capsys):
    one, other = factories.make_finished_job(provider), factories.make_finished_job(provider)
    ended(one, settings.PHOTO_RETENTION + timedelta(seconds=90))
    delivery(settings.DELIVERIES_RETENTION + timedelta(minutes=1))
    retention.sweep(now=timezone.now())
    due(one)
    retention.sweep(now=timezone.now())
    services.erase_job(other.id, now=timezone.now())
    counts = {(row.what, row.by): (row.count, row.latest) for row in ErasureCount.objects.all()}
    assert {key: count for key, (count, _) in counts.items()} == {
        ("photos", "retention"): 1,
        ("films", "retention"): 1,
        ("films", "owner"): 1,
        ("reports", "retention"): 1,
    }
    assert timedelta(seconds=90) <= counts["photos", "retention"][1] < timedelta(seconds=120)
    call_command("erasures")
    printed = capsys.readouterr().out
    assert "photos" in printed
    assert "by owner" in printed
