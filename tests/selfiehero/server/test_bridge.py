"""The bridge under any ASGI server: nothing here knows daphne."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from selfiehero.server import bridge as web_bridge
from selfiehero.server.bridge import Bridge


class Client:
    """One request: what it sends, what it got, and when it leaves."""

    def __init__(self, *messages: dict[str, Any], path: str = "/", method: str = "POST", headers: Any = ()) -> None:
        self.incoming: asyncio.Queue = asyncio.Queue()
        for message in messages or ({"type": "http.request"},):
            self.incoming.put_nowait(message)
        self.got: list[dict[str, Any]] = []
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "query_string": b"a=1",
            "headers": list(headers),
            "client": ("192.0.2.7", 5000),
            "server": ("localhost", 80),
        }

    async def send(self, message: dict[str, Any]) -> None:
        self.got.append(message)

    def leave(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})

    def ask(self, bridge: Bridge) -> Coroutine:
        return bridge(self.scope, self.incoming.get, self.send)

    @property
    def status(self) -> int:
        return self.got[0]["status"]

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.got[1:])


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def answering(view: Callable[[dict[str, Any]], Any]) -> Bridge:
    def application(environ: dict[str, Any], start_response: Callable) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return view(environ)

    return Bridge(application, threads=2)


class Blocks:
    """A response without end that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b"x" * web_bridge.BLOCK_BYTES

    def close(self) -> None:
        self.closed.set()


def run(work: Callable[[], Coroutine], bridge: Bridge) -> Any:
    try:
        return asyncio.run(work())
    finally:
        bridge.close()


def test_a_view_sees_what_the_client_sent() -> None:
    seen: dict[str, Any] = {}

    def view(environ: dict[str, Any]) -> list[bytes]:
        seen.update(environ, body=environ["wsgi.input"].read())
        return [b"one ", b"two"]

    bridge = answering(view)
    headers = [
        (b"content-type", b"image/jpeg"),
        (b"content-length", b"999"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"accept", b"text/html"),
        (b"accept", b"image/*"),
        (b"x_forwarded_for", b"10.0.0.1"),
    ]
    client = Client(part(b"abc", more=True), part(b"def"), path="/ü/", headers=headers)
    run(lambda: client.ask(bridge), bridge)
    assert (client.status, client.body) == (200, b"one two")
    assert (seen["body"], seen["CONTENT_LENGTH"], seen["CONTENT_TYPE"]) == (b"abcdef", "6", "image/jpeg")
    assert (seen["HTTP_COOKIE"], seen["HTTP_ACCEPT"]) == ("a=1; b=2", "text/html,image/*")
    assert (seen["PATH_INFO"].encode("latin-1").decode(), seen["QUERY_STRING"]) == ("/ü/", "a=1")
    assert seen["REMOTE_ADDR"] == "192.0.2.7"
    assert "HTTP_X_FORWARDED_FOR" not in seen
    assert seen["wsgi.input"].closed


def test_a_body_past_its_limit_never_reaches_a_view() -> None:
    bridge = answering(lambda environ: pytest.fail("the view ran"))
    client = Client(*[part(b"x" * 2**19, more=True)] * 4, path="/me/")
    run(lambda: client.ask(bridge), bridge)
    assert client.status == 413


def test_a_broken_off_upload_never_reaches_a_view() -> None:
    bridge = answering(lambda environ: pytest.fail("the view ran"))
    client = Client(part(b"half", more=True), {"type": "http.disconnect"})
    run(lambda: client.ask(bridge), bridge)
    assert client.got == []


def test_a_stream_is_closed_when_its_client_leaves() -> None:
    blocks = Blocks()
    bridge = answering(lambda environ: blocks)
    client = Client()

    async def leave_in_the_middle() -> None:
        answering = asyncio.ensure_future(client.ask(bridge))
        while len(client.got) < 4:
            await asyncio.sleep(0.01)
        client.leave()
        await answering

    run(leave_in_the_middle, bridge)
    assert blocks.closed.wait(5)


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_a_response_nobody_waits_for_is_closed(method: str) -> None:
    blocks, started, go_on = Blocks(), threading.Event(), threading.Event()

    def view(environ: dict[str, Any]) -> Blocks:
        started.set()
        go_on.wait(5)
        return blocks

    bridge = answering(view)

    async def give_up() -> None:
        answering = asyncio.ensure_future(Client(method=method).ask(bridge))
        await asyncio.to_thread(started.wait, 5)
        answering.cancel()
        await asyncio.wait([answering])
        assert bridge.is_busy
        go_on.set()

    run(give_up, bridge)
    assert blocks.closed.wait(5)
    bridge.executor.shutdown(wait=True)
    assert not bridge.is_busy


def test_a_head_request_reads_nothing_of_the_body() -> None:
    blocks = Blocks()
    bridge = answering(lambda environ: blocks)
    client = Client(method="HEAD")
    run(lambda: client.ask(bridge), bridge)
    assert (client.status, client.body, blocks.closed.is_set()) == (200, b"", True)


def test_too_many_waiting_are_told_to_come_back_but_webhooks_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_bridge, "MOST_WAITING", 3)
    go_on = threading.Event()
    bridge = answering(lambda environ: [b"done"] if go_on.wait(5) else [])

    async def crowd() -> list[Client]:
        clients = [Client() for _ in range(8)] + [Client(path="/webhooks/studio/abc/"), Client(path="/readyz")]
        answering = [asyncio.ensure_future(client.ask(bridge)) for client in clients]
        await asyncio.sleep(0.1)
        go_on.set()
        await asyncio.gather(*answering)
        return clients

    assert [client.status for client in run(crowd, bridge)] == [200] * 5 + [503] * 3 + [200] * 2


@pytest.mark.parametrize(
    "path", ["/verify/", "/admin/login/", "/admin/password_change/", "/admin/auth/user/7/password/"]
)
def test_what_is_slow_by_nature_holds_no_thread_of_the_others(path: str) -> None:
    go_on = threading.Event()
    bridge = answering(lambda environ: [b"done"] if environ["REQUEST_METHOD"] == "GET" or go_on.wait(20) else [])

    async def scenario() -> tuple[list[Client], list[Client]]:
        crowd = [Client(path=path) for _ in range(60)]
        slow = [asyncio.ensure_future(client.ask(bridge)) for client in crowd]
        await asyncio.sleep(0.05)
        others = [Client(path="/", method="GET"), Client(path=path, method="GET")]
        for client in others:
            await client.ask(bridge)
        go_on.set()
        await asyncio.gather(*slow)
        return crowd, others

    crowd, others = run(scenario, bridge)
    assert [client.status for client in others] == [200, 200]
    (most,) = [most for pattern, most in web_bridge.SLOW.values() if pattern.match(path)]
    assert [client.status for client in crowd].count(200) == web_bridge.SLOW_THREADS + most


@pytest.mark.parametrize(
    ("path", "cookie", "type_", "words"),
    [
        ("/", b"", "text/html", "Aforo completo."),
        ("/jobs/1/", b"language=ja", "text/html", "満席"),
        ("/api/v1/jobs/", b"", "application/problem+json", "Ahora mismo hay m\\u00e1s gente que sitio."),
    ],
)
def test_who_finds_no_place_is_told_so_in_their_language(
    path: str, cookie: bytes, type_: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_bridge, "MOST_WAITING", -9)
    headers = [(b"accept-language", b"es-MX,en;q=0.5"), (b"cookie", cookie)]
    client, peek = (Client(path=path, method=method, headers=headers) for method in ("GET", "HEAD"))
    bridge = answering(lambda environ: [b"never"])

    async def both() -> None:
        await asyncio.gather(client.ask(bridge), peek.ask(bridge))

    run(both, bridge)
    got = {name.decode(): value.decode() for name, value in client.got[0]["headers"]}
    assert client.status == 503
    assert got["content-type"].startswith(type_)
    assert words in client.body.decode()
    assert (got["retry-after"], got["content-length"]) == ("2", str(len(client.body)))
    assert "script-src 'self'" in got["content-security-policy"]
    assert {"Accept-Language", "Cookie"} <= set(got["vary"].split(", "))
    assert (got.get("refresh") == "2") is type_.startswith("text/html")
    assert (peek.status, peek.body) == (503, b"")


def test_while_all_threads_hang_nobody_waits_long_and_nothing_runs_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_bridge, "LONGEST_WAIT_SECONDS", 0.2)
    let_go, seen = threading.Event(), []

    def view(environ: dict[str, Any]) -> list[bytes]:
        seen.append(environ["PATH_INFO"])
        let_go.wait(20)
        return [b"done"]

    bridge = answering(view)
    hanging = [Client(path=f"/{number}") for number in range(2)]
    late = [Client(path="/late"), Client(path="/webhooks/studio/x/")]

    async def scenario() -> None:
        tasks = [asyncio.ensure_future(client.ask(bridge)) for client in hanging]
        await asyncio.sleep(0.05)
        await asyncio.gather(*(client.ask(bridge) for client in late))
        let_go.set()
        await asyncio.gather(*tasks)

    run(scenario, bridge)
    assert [client.status for client in late] == [503, 503]
    assert all((b"retry-after", b"5") in client.got[0]["headers"] for client in late)
    assert [client.status for client in hanging] == [200, 200]
    assert sorted(seen) == ["/0", "/1"]


def test_an_error_that_django_did_not_answer_for_is_answered_at_once(caplog: pytest.LogCaptureFixture) -> None:
    bridge = answering(lambda environ: 1 / 0)
    client = Client(path="/media/1/signature/key/a.jpg")
    run(lambda: client.ask(bridge), bridge)
    assert client.status == 500
    assert "request_failed path=/media/…" in caplog.text
    assert "signature" not in caplog.messages[0]
