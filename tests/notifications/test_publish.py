from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

from jobs import signals, snapshots
from jobs.queue import redis_breaker
from jobs.queue.redis_breaker import breaker, breaker_for
from notifications import checks, messages, publish
from tests import factories
from tests.support.timing import takes_about
from tests.support.valkey import MortalValkey, mortal_valkey


def body(seq: int = 1, status: str = "queued") -> dict[str, Any]:
    return {"id": str(uuid4()), "seq": seq, "status": status, "hero_name": "NÖVA-7"}


async def receive_while(group: str, action: Any) -> dict[str, Any]:
    """Return what the real layer hears in this group while something is done elsewhere."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(group, channel)
    try:
        await asyncio.to_thread(action)
        return await asyncio.wait_for(layer.receive(channel), 5)
    finally:
        await layer.flush()


def test_what_is_published_plainly_arrives_through_the_layer() -> None:
    job = body(seq=7, status="succeeded")
    heard = asyncio.run(receive_while(messages.job_group(job["id"]), lambda: publish.publish([body(), job])))
    assert heard == {
        "type": "job.changed",
        "seq": 7,
        "is_final": True,
        "text": messages.text_of(job),
    }
    assert json.loads(heard["text"]) == {"type": "job.snapshot", "job": job}


async def heard_of(jobs: list[dict[str, Any]], action: Any) -> set[str]:
    """Return the ids of those jobs of which the layer brings something while something is done elsewhere."""
    layer = get_channel_layer()
    channels = {job["id"]: await layer.new_channel() for job in jobs}
    for job in jobs:
        await layer.group_add(messages.job_group(job["id"]), channels[job["id"]])
    await asyncio.to_thread(action)
    heard = set()
    for job in jobs:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(layer.receive(channels[job["id"]]), 0.5)
            heard.add(job["id"])
    with contextlib.suppress(redis.RedisError):
        await layer.flush()
    return heard


@pytest.fixture
def another() -> Iterator[MortalValkey]:
    with mortal_valkey() as server:
        yield server


def test_with_several_servers_each_page_hears_of_its_job_and_one_that_is_away_silences_no_other(
    another: MortalValkey, settings: Any
) -> None:
    alive = settings.REDIS_URL
    settings.CHANNELS_REDIS_URLS = (alive, another.url)
    hosts = [{"address": url} for url in settings.CHANNELS_REDIS_URLS]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": checks.BACKEND, "CONFIG": {"hosts": hosts}}}
    assert checks.channel_layer_is_the_one_published_to() == []
    jobs = [body() for _ in range(12)]
    on_the_other = {job["id"] for job in jobs if publish.server_of(publish.channel_of(job["id"])) == another.url}
    while not 0 < len(on_the_other) < len(jobs):
        jobs.append(body())
        on_the_other |= {one["id"] for one in jobs[-1:] if publish.server_of(publish.channel_of(one["id"])) != alive}
    everybody = {job["id"] for job in jobs}
    listening: list[set[UUID]] = []

    def tell() -> None:
        listening.append(set(publish.with_listeners([UUID(job["id"]) for job in jobs])))
        assert publish.publish(jobs) is True

    assert asyncio.run(heard_of(jobs, tell)) == everybody
    assert listening == [{UUID(one) for one in everybody}]

    def tell_when_one_is_away() -> None:
        another.kill()
        assert publish.publish(jobs) is False

    assert asyncio.run(heard_of(jobs, tell_when_one_is_away)) == everybody - on_the_other
    assert not breaker.is_open
    another.start()
    assert breaker_for(another.url) is not breaker
    breaker_for(another.url).reset()
    assert asyncio.run(heard_of(jobs, lambda: publish.publish(jobs))) == everybody


@pytest.mark.django_db
def test_of_a_job_that_nobody_watches_no_row_is_read(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        publish.on_job_changed(job_ids=[uuid4()])


@pytest.mark.django_db(transaction=True)
def test_of_many_changed_jobs_only_the_watched_one_is_read_and_told() -> None:
    watched, other = factories.make_job(), factories.make_job()
    told: list[list[Any]] = []

    def change() -> None:
        told.append(publish.with_listeners([other.id, watched.id]))
        publish.on_job_changed(job_ids=[other.id, watched.id])

    heard = asyncio.run(receive_while(messages.job_group(watched.id), change))
    assert told == [[watched.id]]
    assert json.loads(heard["text"])["job"]["id"] == str(watched.id)


def test_a_thousand_jobs_are_told_in_one_call() -> None:
    many = [body() for _ in range(1000)]
    heard = asyncio.run(receive_while(messages.job_group(many[-1]["id"]), lambda: publish.publish(many)))
    assert heard["seq"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_is_told_once_it_is_committed() -> None:
    factories.make_look()
    job = factories.make_job()

    def change() -> None:
        with transaction.atomic():
            signals.announce(job.id)
            signals.announce(job.id)

    heard = asyncio.run(receive_while(messages.job_group(job.id), change))
    told = json.loads(heard["text"])["job"]
    assert (told["id"], told["seq"]) == (str(job.id), job.seq)
    assert len(heard["text"]) < 1500


def test_a_dead_server_costs_one_try_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    away = "redis://127.0.0.1:1"
    monkeypatch.setattr(settings, "REDIS_URL", away)
    monkeypatch.setattr(settings, "CHANNELS_REDIS_URLS", (away,))
    monkeypatch.setattr(redis_breaker.breaker, "pause_seconds", 60.0)
    assert publish.publish([body()]) is False
    monkeypatch.setattr(redis.Connection, "connect", lambda self: pytest.fail("it is asked again at once"))
    assert [publish.publish([body()]) for _ in range(100)] == [False] * 100


def test_a_silent_server_holds_nobody_longer_than_its_timeout(silent_server: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(settings, "CHANNELS_REDIS_URLS", (silent_server,))
    with takes_about(0.5):
        assert publish.publish([body()]) is False


def test_while_nobody_can_be_told_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "_open_until", time.monotonic() + 60)
    monkeypatch.setattr(snapshots, "snapshots_for", lambda ids: pytest.fail("read for nobody"))
    publish.on_job_changed(job_ids=[uuid4()])


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        ({"BACKEND": "channels.layers.InMemoryChannelLayer"}, "notifications.E001"),
        ({"BACKEND": checks.BACKEND, "CONFIG": {"hosts": ["redis://a", "redis://b"]}}, "notifications.E002"),
        ({"BACKEND": checks.BACKEND, "CONFIG": {"hosts": [{"address": "redis://b"}]}}, "notifications.E002"),
        (
            {"BACKEND": checks.BACKEND, "CONFIG": {"hosts": ["redis://a"], "symmetric_encryption_keys": ["key"]}},
            "notifications.E003",
        ),
    ],
)
def test_a_layer_that_would_not_hear_us_is_refused(layer: dict[str, Any], problem: str, monkeypatch: Any) -> None:
    assert checks.channel_layer_is_the_one_published_to() == []
    monkeypatch.setattr(settings, "CHANNELS_REDIS_URLS", ("redis://a",))
    monkeypatch.setattr(settings, "CHANNEL_LAYERS", {"default": layer})
    assert [error.id for error in checks.channel_layer_is_the_one_published_to()] == [problem]
