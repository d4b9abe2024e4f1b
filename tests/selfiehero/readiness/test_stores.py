"""What things are kept in: a line each, green where it works and red or amber against what breaks it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
import redis
from django.db import connection

from jobs import now as present
from jobs.queue import queues
from selfiehero.health import serving
from selfiehero.readiness import AMBER, GREEN, RED, Line, stores
from selfiehero.server import database
from tests.support.bucket import FakeBucket, bucket_in_use
from tests.support.processes import wait_for
from tests.support.valkey import MortalValkey, mortal_valkey

pytestmark = pytest.mark.django_db


def only(lines: Any) -> Line:
    (line,) = lines
    return line


def test_a_storage_that_answers_is_timed(monkeypatch: Any) -> None:
    line = only(stores.storage_round_trip())
    assert (line.level, line.measured[-2:]) == (GREEN, " s")
    monkeypatch.setattr(stores, "SLOW_SECONDS", 0.0)
    assert only(stores.storage_round_trip()).level == AMBER
    monkeypatch.setattr(serving.storage, "check_round_trip", lambda: 1 / 0)
    line = only(stores.storage_round_trip())
    assert (line.level, line.words) == (RED, "failed: ZeroDivisionError")


def test_a_storage_that_hangs_is_waited_for_no_longer_than_that(monkeypatch: Any) -> None:
    goes_on = Event()
    monkeypatch.setattr(serving.storage, "check_round_trip", goes_on.wait)
    monkeypatch.setattr(stores, "HANGING_SECONDS", 0.2)
    line = only(stores.storage_round_trip())
    goes_on.set()
    assert (line.level, "hangs" in line.words) == (RED, True)
    assert line.mend


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBucket]:
    with bucket_in_use(settings, monkeypatch) as bucket:
        yield bucket


@pytest.mark.parametrize(
    ("allowed", "level"), [("*", GREEN), ("ours", GREEN), ("", AMBER), ("https://b.example", AMBER)]
)
def test_a_bucket_is_read_as_a_page_reads_it(bucket: FakeBucket, allowed: str, level: str, settings: Any) -> None:
    bucket.allows_origin = settings.PUBLIC_URL if allowed == "ours" else allowed
    line = only(stores.bucket_for_pages())
    assert (line.level, line.measured[:4]) == (level, "200,")
    assert level == GREEN or f"origin {settings.PUBLIC_URL}" in line.mend
    assert not bucket.files, "nothing is left there"


def test_a_bucket_that_refuses_signed_addresses_or_is_elsewhere_is_red(bucket: FakeBucket, monkeypatch: Any) -> None:
    signed = stores.storage.signed_url
    monkeypatch.setattr(stores.storage, "signed_url", lambda key, **more: signed(f"{key}x", **more))
    line = only(stores.bucket_for_pages())
    assert (line.level, line.measured[:4]) == (RED, "404,")
    monkeypatch.setattr(stores.storage, "signed_url", lambda key, **more: "http://127.0.0.1:9/photos/x")
    assert "cannot be reached" in only(stores.bucket_for_pages()).words


def test_without_a_bucket_there_is_no_line_about_it() -> None:
    assert list(stores.bucket_for_pages()) == []


@pytest.fixture
def valkey(monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalValkey]:
    with mortal_valkey() as server, redis.Redis.from_url(server.url, decode_responses=True) as client:
        monkeypatch.setattr(queues, "client", lambda: client)
        yield server


def test_what_redis_keeps_is_told_and_what_it_costs(valkey: MortalValkey) -> None:
    assert only(stores.redis_disk()).measured == "AOF on, snapshots off", "as the embedded one is set up"
    valkey.configure("appendonly", "no")
    line = only(stores.redis_disk())
    assert (line.level, line.measured) == (GREEN, "AOF off, snapshots off")
    valkey.configure("save", "3600 1")
    assert only(stores.redis_disk()).measured == "AOF off, snapshots on"
    valkey.configure("appendonly", "yes")
    line = only(stores.redis_disk())
    assert (line.level, line.measured) == (GREEN, "AOF on, snapshots on")
    valkey.configure("appendfsync", "always")
    assert only(stores.redis_disk()).level == AMBER


def test_a_redis_that_refuses_writes_because_its_disk_does_is_red(valkey: MortalValkey) -> None:
    client = queues.client()
    valkey.configure("save", "3600 1")
    shutil.rmtree(client.config_get("dir")["dir"])
    client.set("a", "b")
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "the snapshot to fail")
    with pytest.raises(redis.ResponseError, match="MISCONF"):
        client.set("a", "c")
    line = only(stores.redis_disk())
    assert (line.level, "refuses every write" in line.words) == (RED, True)
    valkey.configure("stop-writes-on-bgsave-error", "no")
    assert only(stores.redis_disk()).level == GREEN


def test_a_redis_that_is_away_has_no_second_line(valkey: MortalValkey) -> None:
    valkey.kill()
    assert list(stores.redis_disk()) == []


def test_connections_that_all_processes_may_hold_are_compared_with_the_limit(
    facts: present.Facts, monkeypatch: Any
) -> None:
    monkeypatch.setenv("WEB_THREADS", "20")
    needed = database.most_connections() + 4 * stores.CONNECTIONS_OF_A_WORKER
    assert stores.judge_connections(facts, most=needed * 2).level == GREEN
    assert stores.judge_connections(facts, most=needed).level == AMBER
    line = stores.judge_connections(facts, most=needed - 1)
    assert (line.level, f"up to {needed} " in line.measured, "WEB_THREADS" in line.mend) == (RED, True, True)
    second = [replace(process, host="hero-2") for process in facts.processes]
    twice = replace(facts, processes=[*facts.processes, *second])
    assert stores.judge_connections(twice, most=needed).level == RED


@pytest.mark.database
def test_only_a_database_with_a_limit_has_a_line_about_it(facts: present.Facts) -> None:
    lines = list(stores.connections(facts))
    assert ["max" in line.mend or " of " in line.measured for line in lines] == [True] * (connection.vendor != "sqlite")
