"""Files in an S3 bucket: loose ones are swept, and the first upload of a thread reads no description of S3."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import storages
from django.utils import timezone

from jobs import storage
from jobs.reconcile import retention
from jobs.reconcile.sweep import Reconciler
from tests import factories
from tests.support.bucket import FakeBucket, bucket_in_use

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBucket]:
    with bucket_in_use(settings, monkeypatch) as bucket:
        yield bucket


def test_loose_files_are_swept_from_a_bucket_too(bucket: FakeBucket) -> None:
    job = factories.make_job()
    loose, fresh = storage.new_key("video", "mp4"), storage.new_key("raw", "jpg")
    for key in (loose, fresh, "static/js/app.0123456789ab.js"):
        storage.save(key, b"content")
    old = timezone.now() - retention.UNREFERENCED_AFTER - timedelta(minutes=1)
    for key in (loose, job.raw_key, "static/js/app.0123456789ab.js"):
        bucket.files[key] = (bucket.files[key][0], old)
    assert retention.sweep_unreferenced_files(now=timezone.now()) == 1
    assert set(bucket.files) == {job.raw_key, fresh, "static/js/app.0123456789ab.js"}


def test_reconcile_sweeps_a_bucket_beside_its_ticks(bucket: FakeBucket) -> None:
    loose = storage.save(storage.new_key("clean", "jpg"), b"content")
    bucket.files[loose] = (b"content", timezone.now() - timedelta(days=1))
    reconciler = Reconciler()
    reconciler._sweep_unreferenced_files()
    assert loose in bucket.files
    reconciler._sweep_bucket()
    assert bucket.files == {}
    calls = len(bucket.calls)
    reconciler._sweep_bucket()
    assert len(bucket.calls) == calls


def test_all_threads_share_the_session_that_ready_has_made(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    place: Any = storages["default"]
    storage.check_round_trip()
    made = place._session
    assert made is not None
    monkeypatch.setattr("boto3.Session", lambda *_, **__: 1 / 0)
    failed: list[BaseException] = []

    def upload() -> None:
        try:
            storage.save(storage.new_key("raw", "jpg"), b"content")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=upload) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(bucket.files) == 4
