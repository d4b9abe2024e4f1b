"""`/readyz` is red while this process could not serve what it would accept."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as own_settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from jobs import storage
from jobs.models import Heartbeat, Job
from jobs.queue import engine
from providers import keys
from selfiehero import proxies
from selfiehero.health import checks, serving
from selfiehero.health.serving import ServingChecks
from selfiehero.static_files import StaticFilesStorage
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    checks._cache.clear()
    monkeypatch.setattr(checks, "_serving", ServingChecks())
    monkeypatch.setattr(checks, "FIRST_SERVING_SECONDS", 10.0)  # a busy machine still has the first answer
    monkeypatch.setattr(proxies, "_seen", set())
    yield
    checks._serving.wait(10)
    checks._cache.clear()


def ready(client: Client) -> tuple[int, dict[str, Any]]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()


def test_all_is_well(client: Client) -> None:
    status, told = ready(client)
    assert (status, told["state"], told["overdue_erasures"], told["proxies"]) == (200, "ready", 0, "ok")
    assert {told[name] for name in serving.CHECKS} == {"ok"}
    assert list(Path(own_settings.MEDIA_ROOT).glob("health/*")) == []


def test_a_migration_that_is_not_applied(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT MAX(id) FROM django_migrations WHERE app = 'jobs'")
        (newest,) = cursor.fetchone()
        cursor.execute("UPDATE django_migrations SET name = name || '_' WHERE id = %s", [newest])
    try:
        status, told = ready(client)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_migrations SET name = rtrim(name, '_') WHERE id = %s", [newest])
    assert (status, told["state"]) == (503, "not ready")
    assert told["migrations"] == "1 not applied: run `manage.py migrate`"


def test_keys_of_another_host(client: Client, settings: Any) -> None:
    keys.require_known_keys()
    settings.SECRET_KEY = "another host made this one for itself"
    status, told = ready(client)
    assert (status, told["keys"]) == (503, "SECRET_KEY differ from the database's")


def test_static_files_that_nobody_collected(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: Any
) -> None:
    monkeypatch.setattr(serving, "staticfiles_storage", StaticFilesStorage(location=tmp_path, base_url="/static/"))
    with caplog.at_level(logging.ERROR):
        status, told = ready(client)
    assert (status, told["static_files"].partition(":")[0]) == (503, "no manifest")
    assert [record.getMessage().split()[0] for record in caplog.records if "serve" in record.getMessage()] == [
        "cannot_serve"
    ]


def test_a_folder_that_takes_no_files(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(own_settings.MEDIA_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "health").write_text("a file where a folder should be")
    try:
        status, told = ready(client)
    finally:
        (folder / "health").unlink()
    assert status == 503
    assert told["storage_round_trip"].startswith("failed: ")


def test_storage_is_written_at_most_every_half_minute(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[int] = []
    monkeypatch.setattr(storage, "check_round_trip", lambda: trips.append(1))
    for _ in range(5):
        checks._cache.clear()
        assert ready(client)[0] == 200
    assert trips == [1]


def test_overdue_erasures_are_counted_and_degrade(client: Client) -> None:
    job = factories.make_job()
    Job.objects.filter(id=job.id).update(erase_at=timezone.now() - timedelta(hours=1))
    status, told = ready(client)
    assert (status, told["state"], told["overdue_erasures"]) == (200, "degraded", 1)


def test_a_proxy_that_is_not_trusted_is_told_once_in_the_log_and_in_readyz(client: Client, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING, logger="selfiehero.proxies"):
        for _ in range(3):
            client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"})
    (record,) = (record for record in caplog.records if record.name == "selfiehero.proxies")
    assert "set TRUSTED_PROXIES to the number of proxies in front" in record.getMessage()
    status, told = ready(client)
    assert (status, told["state"]) == (200, "ready")
    assert told["proxies"].startswith("requests arrive with X-Forwarded-For, X-Forwarded-Proto while TRUSTED_PROXIES")


def test_a_proxy_that_is_trusted_is_no_news(client: Client, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.7"})
    assert ready(client)[1]["proxies"] == "ok"


def test_a_killed_worker_shows_although_another_host_works_the_same_lane(client: Client, settings: Any) -> None:
    engine.beat("worker-prepare")
    long_ago = timezone.now() - timedelta(seconds=25)
    Heartbeat.objects.create(name="worker-prepare", host="other-1", version="0.0.9", seen_at=long_ago)
    status, told = ready(client)
    assert (status, told["state"], told["late"]) == (200, "degraded", ["worker-prepare@other-1"])
    assert told["workers"]["prepare"] < 20
    assert {(row["name"], row["version"]) for row in told["processes"]} == {
        ("worker-prepare", "0.0.9"),
        ("worker-prepare", settings.PRODUCT_VERSION),
    }
    assert told["versions"] == ["0.0.9", settings.PRODUCT_VERSION]


def test_two_hosts_have_a_heartbeat_each(settings: Any, tmp_path: Path) -> None:
    engine.beat("reconcile")
    settings.VAR_DIR = tmp_path
    engine.beat("reconcile")
    engine.beat("reconcile")
    assert Heartbeat.objects.filter(name="reconcile").values("host").distinct().count() == 2
    assert Heartbeat.objects.count() == 2


def test_a_host_that_is_gone_is_retired_when_another_one_works_and_not_before() -> None:
    gone = timezone.now() - timedelta(minutes=11)
    Heartbeat.objects.create(name="worker-collect", host="gone-1", seen_at=gone)
    assert engine.retire_heartbeats() == 0
    engine.beat("worker-collect")
    assert engine.retire_heartbeats() == 1
    assert Heartbeat.objects.get(name="worker-collect").host != "gone-1"


def test_a_process_of_the_release_before_writes_its_heartbeat_still() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jobs_heartbeat (name, seen_at) VALUES ('reconcile', %s)", [timezone.now()])
    assert Heartbeat.objects.get().host == ""


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((own_settings.ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == own_settings.PRODUCT_VERSION
