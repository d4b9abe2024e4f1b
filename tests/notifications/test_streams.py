"""Pages that follow their job by server-sent events, over a real web process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.utils import timezone

from jobs import lifecycle
from jobs.models import Job
from notifications import consumers, streams
from tests import factories
from tests.notifications.test_consumers import change
from tests.support.processes import wait_for
from tests.support.served import Served

pytestmark = pytest.mark.slow

Open = Callable[..., "Stream"]


class Stream:
    """An open response, read line by line into events."""

    def __init__(self, answer: requests.Response) -> None:
        self.answer = answer
        self.lines = answer.iter_lines(chunk_size=1)
        self.comments: list[str] = []

    def next(self) -> dict[str, Any]:
        """Return the next event: its fields, `data` parsed."""
        event: dict[str, Any] = {}
        for raw in self.lines:
            line = raw.decode()
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(line)
            elif line:
                event[name] = value
            elif "data" in event:
                return event | {"data": json.loads(event["data"])}
        return event

    def next_snapshot(self) -> dict[str, Any]:
        event = self.next()
        assert event["event"] == "snapshot"
        job = event["data"]["job"]
        assert (event["data"]["type"], event["id"]) == ("job.snapshot", str(job["seq"]))
        return job

    def end(self) -> int:
        """Return the code with which the stream ends, having read all that came before."""
        while (event := self.next()).get("event") == "snapshot":
            pass
        assert (event["event"], self.next()) == ("end", {})
        return event["data"]["code"]


@pytest.fixture
def job(transactional_db: None, visitor: tuple[str, str]) -> Job:
    factories.make_look()
    return factories.make_job(owner=visitor[1])


@pytest.fixture
def page(visitor: tuple[str, str]) -> Iterator[Open]:
    """Open a page's stream; all of them are closed in the end."""
    with contextlib.ExitStack() as stack:

        def open_stream(web: Served, job_id: Any, **headers: str | None) -> Stream:
            sent = {"Sec-Fetch-Site": "same-origin", "Cookie": visitor[0]} | headers
            answer = requests.get(f"{web.url}/api/v1/jobs/{job_id}/stream/", headers=sent, stream=True, timeout=20)
            return Stream(stack.enter_context(answer))

        yield open_stream


def test_a_stream_tells_the_present_and_then_every_newer_state(web: Served, job: Job, page: Open) -> None:
    stream = page(web, job.id)
    assert stream.answer.status_code == 200
    assert stream.answer.headers["Content-Type"].startswith("text/event-stream")
    assert stream.answer.headers["Cache-Control"] == "private, no-store"
    first = stream.next_snapshot()
    assert (first["id"], first["seq"], first["links"]["stream"]) == (
        str(job.id),
        1,
        f"/api/v1/jobs/{job.id}/stream/",
    )
    change(job, seq=3, progress=0.25)
    change(job, seq=2)
    change(job, seq=4, progress=0.5)
    assert [stream.next_snapshot()["seq"] for _ in range(2)] == [3, 4]


def test_a_stream_may_be_asked_for_in_capitals_and_without_the_last_slash(
    web: Served, job: Job, page: Open, visitor: tuple[str, str]
) -> None:
    assert page(web, str(job.id).upper()).next_snapshot()["id"] == str(job.id)
    headers = {"Sec-Fetch-Site": "same-origin", "Cookie": visitor[0]}
    with requests.get(f"{web.url}/api/v1/jobs/{job.id}/stream", headers=headers, stream=True, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")


def test_a_stream_that_was_cut_is_taken_up_where_it_was(web: Served, job: Job, page: Open) -> None:
    cut = page(web, job.id)
    cut.next_snapshot()
    cut.answer.close()
    change(job, seq=2)
    change(job, seq=3, progress=0.5)
    again = page(web, job.id, **{"Last-Event-ID": "1"})
    assert (now := again.next_snapshot())["seq"] == 3
    assert now["progress"] == 0.5
    change(job, seq=3)
    change(job, seq=4)
    assert again.next_snapshot()["seq"] == 4
    for known in ("4", "99999999999999999999", "x", ""):
        assert page(web, job.id, **{"Last-Event-ID": known}).next_snapshot()["seq"] == 4


def test_nobody_else_is_told_anything(web: Served, job: Job, page: Open) -> None:
    others = (
        page(web, uuid4()),
        page(web, job.id, Cookie=None),
        page(web, job.id, Cookie="visitor=" + "x" * 43),
        page(web, job.id, Cookie=None, Authorization="Token nobody"),
    )
    unknown = requests.get(f"{web.url}/api/v1/jobs/{uuid4()}/", timeout=10)
    for stream in others:
        assert (stream.answer.status_code, stream.answer.json()) == (404, unknown.json())
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": None, "Origin": "http://evil.example"}):
        assert page(web, job.id, **headers).answer.status_code == 403
    for method in ("POST", "HEAD", "DELETE"):
        assert requests.request(method, f"{web.url}/api/v1/jobs/{job.id}/stream/", timeout=10).status_code == 405
    assert "Traceback" not in web.said()


# What other programs on the same host leave behind; each is some parser's end.
FOREIGN_COOKIES = ('prefs={"a":1,"b":"x"}', "a[]=1", "=x", "naked", "name with spaces=1", 'q="open', "é=ü", "a=b,c;;")


def test_foreign_cookies_cost_nobody_their_job(web: Served, job: Job, page: Open, visitor: tuple[str, str]) -> None:
    for foreign in FOREIGN_COOKIES:
        for cookies in (f"{foreign}; {visitor[0]}", f"{visitor[0]}; {foreign}"):
            sent = cookies.encode().decode("latin-1")
            assert page(web, job.id, Cookie=sent).next_snapshot()["id"] == str(job.id), cookies


def test_a_stream_ends_with_its_job_and_is_not_opened_again(web: Served, job: Job, page: Open) -> None:
    stream = page(web, job.id)
    stream.next_snapshot()
    lifecycle.fail(job.id, code="no_provider", now=timezone.now())
    change(job)
    last = stream.next_snapshot()
    assert last["status"] == "failed"
    assert stream.end() == 1000
    late = page(web, job.id)
    assert late.next_snapshot()["seq"] == last["seq"]
    assert late.end() == 1000
    known = page(web, job.id, **{"Last-Event-ID": str(last["seq"])})
    assert (known.answer.status_code, known.answer.content) == (204, b"")


def test_streams_and_sockets_share_one_limit(web: Served, job: Job, page: Open) -> None:
    crowd = [page(web, job.id) for _ in range(consumers.MOST_SOCKETS_PER_JOB)]
    assert [stream.next_snapshot()["seq"] for stream in crowd] == [1] * len(crowd)
    assert page(web, job.id).end() == 1013
    assert requests.get(f"{web.url}/healthz", timeout=5).status_code == 200, "streams take threads from requests"
    for stream in crowd:
        stream.answer.close()

    def is_followed() -> bool:
        stream = page(web, job.id)
        stream.next_snapshot()
        change(job, seq=(seq := job.seq + 1))
        job.seq = seq
        return stream.next()["event"] == "snapshot"

    wait_for(is_followed, "a place to be free again", seconds=10)


def test_a_restart_says_so_and_is_not_held_up(serve: Any, job: Job, page: Open) -> None:
    web = serve()
    open_streams = [page(web, job.id) for _ in range(3)]
    for stream in open_streams:
        stream.next_snapshot()
    web.signal(signal.SIGTERM)
    assert [stream.end() for stream in open_streams] == [1012] * 3
    assert web.wait(10) == 0
    assert "web_drain_cut" not in web.said()


def test_without_redis_a_stream_is_told_what_the_rows_say(serve: Any, job: Job, page: Open) -> None:
    web = serve(REDIS_URL="redis://127.0.0.1:1")
    stream = page(web, job.id)
    assert stream.next_snapshot()["seq"] == 1
    change(job, seq=2)
    assert stream.next_snapshot()["seq"] == 2
    lifecycle.fail(job.id, code="no_provider", now=timezone.now())
    assert stream.next_snapshot()["status"] == "failed"
    assert stream.end() == 1000
    assert "Traceback" not in web.said()


def test_a_quiet_stream_shows_that_it_is_alive(job: Job, visitor: tuple[str, str], monkeypatch: Any) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.02)

    async def watch() -> list[bytes]:
        sent, enough = [], asyncio.Event()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message.get("body", b""))
            if sent.count(b": still here\n\n") == 2:
                enough.set()

        async def receive() -> dict[str, Any]:
            await enough.wait()
            return {"type": "http.disconnect"}

        headers = [(b"cookie", visitor[0].encode()), (b"host", b"localhost")]
        scope = {"type": "http", "method": "GET", "path": f"/api/v1/jobs/{job.id}/stream/", "headers": headers}
        await asyncio.wait_for(streams.Streams(None)(scope, receive, send), 10)
        return sent

    sent = asyncio.run(watch())
    assert sent[1].startswith(b"retry: ")
    assert b"event: snapshot" in sent[1]
    assert sent[2:] == [b": still here\n\n"] * 2
