from __future__ import annotations

import sqlite3
import threading
from collections import namedtuple
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from confinement import confine
from jobs import storage
from jobs.models import Heartbeat
from selfiehero.health import checks
from selfiehero.health.serving import ServingChecks
from selfiehero.server.drain import draining
from tests.support.timing import takes_about

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    checks._cache.clear()
    monkeypatch.setattr(checks, "_serving", ServingChecks())
    monkeypatch.setattr(checks, "FIRST_SERVING_SECONDS", 10.0)  # a busy machine still has the first answer
    yield
    checks._serving.wait(10)
    checks._cache.clear()
    draining.clear()


def test_alive_asks_nobody(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_ready_says_how_everybody_is(client: Client) -> None:
    Heartbeat.objects.create(name="worker-prepare", seen_at=timezone.now() - timedelta(seconds=7))
    Heartbeat.objects.create(name="reconcile", seen_at=timezone.now())
    Heartbeat.objects.create(name="worker-collect", seen_at=timezone.now() - timedelta(minutes=4))
    answer = client.get("/readyz")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["ready"], told["database"], told["disk"], told["redis"]) == (True, "ok", "ok", "ok")
    assert 7 <= told["workers"].pop("prepare") < 9
    assert told["workers"].pop("collect") > 200
    assert told["workers"] == {"dispatch": None}
    assert told["late"] == ["worker-collect"]
    assert 0 <= told["reconcile"] < 2


@pytest.mark.django_db(transaction=True)
def test_what_confines_the_sandboxes_is_told(client: Client) -> None:
    offered = confine.offered()
    assert client.get("/readyz").json()["confinement"] == {"complete": offered.is_complete, "by": str(offered)}


@pytest.mark.django_db(transaction=True)
def test_without_redis_it_is_degraded_and_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["redis"]) == (200, "degraded: ConnectionError")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("usage", "status"),
    [
        (Usage(100 * 2**30, 0, 150 * 2**20), 503),  # little, and a small share
        (Usage(100 * 2**30, 0, 250 * 2**20), 200),
        (Usage(1 * 2**30, 0, 150 * 2**20), 200),  # a small disk with a tenth free
    ],
)
def test_a_full_disk_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch, usage: Usage, status: int) -> None:
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: usage)
    answer = client.get("/readyz")
    assert answer.status_code == status
    assert (answer.json()["disk"] == "ok") == (status == 200)
    assert ("Retry-After" in answer) == (status == 503)


@pytest.mark.django_db(transaction=True)
def test_on_its_way_out_it_is_not_ready(client: Client) -> None:
    assert client.get("/readyz").status_code == 200
    draining.set()
    assert client.get("/readyz").status_code == 503


@pytest.mark.django_db(transaction=True)
def test_a_database_that_takes_no_writes_is_not_ready(client: Client) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's one writer")
    with sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, timeout=5) as other:
        other.execute("BEGIN IMMEDIATE")
        with takes_about(0.5):
            answer = client.get("/readyz")
        # SQLite gives up after 0.8 s, the check after 1 s: on a machine that is busy the check may be first.
        assert answer.json()["database"] in ("failed: OperationalError", "no answer within a second")
        assert answer.status_code == 503
        other.execute("ROLLBACK")
    other.close()
    checks._cache.clear()
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db(transaction=True)  # the other checks, in a thread of theirs, still ask it
def test_a_database_that_hangs_holds_nobody_longer_than_a_second(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()
    monkeypatch.setattr(checks, "check_writable", lambda: end.wait(20))
    try:
        for _ in range(2):
            checks._cache.clear()
            with takes_about(1):
                answer = client.get("/readyz")
            assert (answer.status_code, answer.json()["database"]) == (503, "no answer within a second")
    finally:
        end.set()
        checks._database_thread.submit(lambda: None).result(10)


@pytest.mark.django_db(transaction=True)
def test_many_who_ask_at_once_get_the_result_of_one_check(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    check_now = checks.check_now
    monkeypatch.setattr(checks, "check_now", lambda: checked.append(1) or check_now())
    assert [client.get("/readyz").status_code for _ in range(5)] == [200] * 5
    assert len(checked) == 1
