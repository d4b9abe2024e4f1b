"""Whoever writes to Redis can stop nothing for longer than a moment and runs nothing: a real server, hostile values."""

import asyncio
import json
import pickle
import time
import uuid
import zlib
from types import SimpleNamespace

import msgpack
import pytest
import redis
from channels.layers import get_channel_layer
from django.core.cache import cache
from django.test import Client
from rq import Queue
from rq.serializers import JSONSerializer

from jobs import tasks
from jobs.intake import throttles
from jobs.lanes.worker import LaneWorker
from jobs.models import Lane
from jobs.queue import foreign, queues
from notifications import messages
from notifications.consumers import FOREIGN, JobConnection

PROOF = "/tmp/foreign-code-ran"


class Runs:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return (exec, (f"open({PROOF!r}, 'w').close()",))


@pytest.fixture(autouse=True)
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.PROOF", str(tmp_path / "ran"))
    queues.client().flushdb()
    yield queues.client()
    queues.client().flushdb()
    assert not (tmp_path / "ran").exists(), "code out of Redis ran"


def spoil(server, key, kind):
    server.delete(key)
    if kind == "string":
        server.set(key, b"\xff\x00")
    elif kind == "list":
        server.rpush(key, "x")
    elif kind == "hash":
        server.hset(key, "a", "b")
    elif kind == "set":
        server.sadd(key, "a")
    else:
        server.zadd(key, {"a": 1})


# --- Cache and throttles -----------------------------------------------------------------------------


def key_of(name):
    return cache.make_and_validate_key(name)


@pytest.mark.parametrize(
    "value",
    [
        pickle.dumps(Runs()),
        b"[1.0, 2.0]",
        "list",
        "hash",
        "set",
        "zset",
        {"from another time": 9e15, "and more": float("inf"), "long ago": float("-inf")},
    ],
)
def test_a_foreign_value_under_a_throttle_is_dropped(value, server):
    class Few(throttles.UploadsPerAddress):
        THROTTLE_RATES = {"uploads_address": "2/min"}

    asked = SimpleNamespace(auth="", META={"REMOTE_ADDR": "192.0.2.1"}, headers={})
    key = "throttle:uploads_address:192.0.2.1"
    if isinstance(value, bytes):
        server.set(key, value)
    elif isinstance(value, str):
        spoil(server, key, value)
    else:
        server.zadd(key, value)
    assert [Few().allow_request(asked, None) for _ in range(3)] == [True, True, False], "and it counts"


@pytest.mark.parametrize("kind", ["list", "hash", "set", "zset"])
def test_a_key_of_another_type_under_the_cache_is_dropped(kind, server):
    spoil(server, key_of("x"), kind)
    assert cache.get("x", "nothing") == "nothing"
    assert cache.get_many(["x", "y"]) == {}
    spoil(server, key_of("x"), kind)
    cache.set("x", [1.5])
    assert cache.get("x") == [1.5]
    spoil(server, key_of("x"), kind)
    with pytest.raises(ValueError, match="not found"):
        cache.incr("x")


def test_the_cache_holds_what_json_can_say_and_nothing_else(server):
    for value in (1, 1.5, "é", None, True, [1, "a"], {"a": [1]}):
        cache.set("x", value, 60)
        assert cache.get("x", "nothing") == value
        assert json.loads(server.get(key_of("x"))) == value
    cache.set("n", 1)
    assert (cache.incr("n"), cache.get("n")) == (2, 2)
    with pytest.raises(TypeError):
        cache.set("x", {1, 2})


def test_the_door_stays_open(api, server):
    for key in server.scan_iter("*"):
        server.set(key, pickle.dumps(Runs()))
    assert Client().get("/api/v1/looks/").status_code == 200


# --- Queues ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["string", "list", "hash", "set", "zset"])
def test_a_nudge_gets_through_whatever_lies_in_its_way(kind, server):
    ours = {"nudge:collect": "string", "wake:collect": "list", "rq:queue:collect": "list", "rq:queues": "set"}
    for key in (key for key, right in ours.items() if right != kind):
        spoil(server, key, kind)
    assert queues.renew_nudge(Lane.COLLECT)
    assert Queue("collect", connection=server, serializer=JSONSerializer).count == 1
    assert server.type("rq:queues") == b"set"


def test_what_others_keep_there_stays(server):
    server.set("theirs", 1)
    server.hset("rq:job:a", "data", "x")
    spoil(server, "rq:workers:collect", "hash")
    assert foreign.drop(server) == 1
    assert server.exists("theirs", "rq:job:a") == 2


def queue_message(server, **fields):
    """Put a message as somebody who knows RQ would."""
    number = str(uuid.uuid4())
    data = zlib.compress(json.dumps([fields.pop("func", "os.system"), None, fields.pop("args", []), {}]).encode())
    base = {
        "data": data,
        "origin": "collect",
        "status": "queued",
        "timeout": 60,
        "created_at": "2026-01-01T00:00:00.0Z",
    }
    server.hset(f"rq:job:{number}", mapping=base | fields)
    server.rpush("rq:queue:collect", number)


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_pumps_and_nothing_else(server, monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(tasks, "pump", ran.append)
    touch = [f"touch {tmp_path}/ran"]
    queue_message(server, args=touch)
    queue_message(server, func="subprocess.getoutput", args=touch)
    queue_message(server, func=queues.PUMP_TASK, args=["collect"], success_callback_name="os.system")
    queue_message(server, args=touch, failure_callback_name="os.system")
    queue_message(server, data=pickle.dumps(Runs()))
    queue_message(server, data=b"\xff", created_at="yesterday", timeout="soon")
    server.rpush("rq:queue:collect", "no-such-message", b"\xff\xfe")
    spoil(server, "rq:job:spoilt", "list")
    server.rpush("rq:queue:collect", "spoilt")
    queues.client().delete("nudge:collect")
    assert queues.nudge(Lane.COLLECT)
    LaneWorker.for_lane("collect", url=queues.settings.REDIS_URL).work(burst=True)
    assert ran == ["collect", "collect"], "the one with the callback, and the honest nudge at the end"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["string", "hash"])
def test_a_worker_goes_on_when_its_queue_is_no_list(kind, server, monkeypatch):
    ran = []
    monkeypatch.setattr(tasks, "pump", ran.append)
    worker = LaneWorker.for_lane("collect", url=queues.settings.REDIS_URL)
    spoil(server, "rq:queue:collect", kind)
    worker.work(burst=True)
    assert queues.nudge(Lane.COLLECT)
    LaneWorker.for_lane("collect", url=queues.settings.REDIS_URL).work(burst=True)
    assert ran == ["collect"]


def test_the_wake_list_heals(server):
    spoil(server, "wake:collect", "hash")
    listener = queues.blocking_client()
    with pytest.raises(redis.ResponseError):
        queues.wait_for_nudge(listener, "collect", seconds=1)
    queues.nudge(Lane.COLLECT)
    assert queues.wait_for_nudge(listener, "collect", seconds=1)


# --- The channel layer ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "published",
    [
        b"",
        b"\xc1",
        b"\xff" * 40,
        pickle.dumps(Runs()),
        msgpack.packb(7),
        msgpack.packb([1]),
        msgpack.packb({"type": 1}),
        msgpack.packb({"type": "job.changed"}),
        msgpack.packb({"type": "job.changed", "seq": "9", "text": 1}),
        b"\x91" * 2000,
        msgpack.packb({"type": "job.changed", "seq": 1, "is_final": True, "text": "x", "texts": 1}),
    ],
)
def test_a_line_hears_what_is_ours_after_anything(published, server):
    async def listen():
        line, job_id = JobConnection(), uuid.uuid4()
        line.begin(job_id, None)
        assert await line.join()
        channel = f"asgi__group__{messages.job_group(job_id)}"
        ours = messages.job_changed({"id": str(job_id), "seq": 3, "status": "queued"})
        server.publish(channel, published)
        server.publish(channel, msgpack.packb(ours))
        async with asyncio.timeout(10):
            heard = [await line.next_message(), await line.next_message()]
        for message in heard:
            if message is FOREIGN:
                await line.dispatch(message)
        await get_channel_layer().flush()
        return heard, ours

    started = time.monotonic()
    heard, ours = asyncio.run(listen())
    assert heard == [FOREIGN, ours]
    assert time.monotonic() - started < 10
