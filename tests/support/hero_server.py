"""A real HTTP server that answers as the API does, and misbehaves as a test says.

    with HeroServer() as server:
        server.next("film", Cut(100))       # the first download breaks off after 100 bytes
        server.states = [{"stage": "rendering", "progress": 0.5}, *ENDED]

Each read of the job shows the next state and the last one for ever. It can be stopped and started again on its port.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JOB_ID = "6a3f2c1e-0000-4000-8000-000000000001"
SUCCEEDED = {"status": "succeeded", "stage": "ready", "progress": 1.0, "finished_at": "2026-01-01T00:00:05Z"}
FAILED = {"status": "failed", "finished_at": "2026-01-01T00:00:05Z"}
CANCELED = {"status": "canceled", "finished_at": "2026-01-01T00:00:05Z"}
RENDERING = {"status": "processing", "stage": "rendering", "progress": 0.5, "poster": "/media/poster.jpg"}
IN_LINE = {"stage": "waiting_for_slot", "progress": 0.1}


@dataclass(frozen=True)
class Answer:
    """Answer with this instead."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """Break the connection after so many bytes of the answer's body; the request had its effect."""

    after: int = 0


@dataclass(frozen=True)
class Do:
    """Do this first, then answer as usual."""

    action: Callable[[], Any]


@dataclass(frozen=True)
class Call:
    """A request that came in."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def problem(status: int, code: str, detail: str, *, retry_after: str = "", next_step: str = "") -> Answer:
    """Return an answer as the API refuses."""
    body: dict[str, Any] = {"status": status, "code": code, "detail": detail}
    if next_step:
        body["next_step"] = next_step
    headers = {"Content-Type": "application/problem+json"} | ({"Retry-After": retry_after} if retry_after else {})
    return Answer(status, json.dumps(body).encode(), headers)


def job_body(**changes: Any) -> dict[str, Any]:
    """Return a job as the API shows it. `poster` and `video` are links, `position` and `reason` the queue's."""
    links: dict[str, Any] = {name: f"/api/v1/jobs/{JOB_ID}/{name}/" for name in ("events", "cancel")}
    links |= {"self": f"/api/v1/jobs/{JOB_ID}/", "page": f"/jobs/{JOB_ID}/", "socket": f"/ws/jobs/{JOB_ID}/"}
    links["stream"] = f"/api/v1/jobs/{JOB_ID}/stream/"
    links |= {"poster": changes.pop("poster", None), "video": changes.pop("video", None), "share": None}
    queue = {
        "position": changes.pop("position", 0),
        "eta_seconds": {"p50": 4, "p90": 9},
        "reason": changes.pop("reason", None),
    }
    body = {"id": JOB_ID, "status": "queued", "stage": "accepted", "progress": 0.0, "look": "neon-noir"}
    body |= {"hero_name": "NOVA-7", "queue": queue, "failure": None, "seq": 1, "links": links}
    body |= {"created_at": "2026-01-01T00:00:00Z", "finished_at": None}
    body |= {"erase_at": "2026-01-02T00:00:00Z", "erased_at": None}
    return body | changes


class HeroServer:
    """The server. `calls` is what came in."""

    def __init__(self) -> None:
        self.film = bytes(range(256)) * 400
        self.states: list[dict[str, Any]] = [RENDERING, SUCCEEDED | {"video": "/media/film.mp4"}]
        self.calls: list[Call] = []
        self.keys: set[str] = set()
        self._scripts: dict[str, deque[Any]] = defaultdict(deque)
        self._server: _Server | None = None
        self.port = 0
        self.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> HeroServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.hero, self.port = self, self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """End: the port is closed."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def next(self, name: str, *answers: Any) -> None:
        """Script the next answers of "looks", "order", "job", "cancel" or "film"; then all is well again."""
        self._scripts[name].extend(answers)

    def count(self, name: str) -> int:
        return sum(call.name == name for call in self.calls)

    def scripted(self, name: str) -> Any:
        return self._scripts[name].popleft() if self._scripts[name] else None

    def answer(self, call: Call) -> Answer:
        """Return what the API would answer."""
        if call.name == "film":
            return Answer(200, self.film, {"Content-Type": "video/mp4"})
        if call.name == "looks":
            return _json(200, [{"slug": "neon-noir"}], {"Set-Cookie": "visitor=v1; Path=/; HttpOnly"})
        if call.name == "order":
            self.keys.add(call.headers["Idempotency-Key"])
            return _json(202, job_body())
        if call.name == "cancel":
            self.states = [self.states[0]] if self.states[0].get("finished_at") else [CANCELED]
            return _json(202, job_body(**self.states[0]))
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return _json(200, job_body(**state))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hero: HeroServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        hero = self.server.hero
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(_name(self.command, self.path), self.command, self.path, dict(self.headers), body)
        hero.calls.append(call)
        script = hero.scripted(call.name)
        if isinstance(script, Do):
            script.action()
        answer = script if isinstance(script, Answer) else hero.answer(call)
        if script == Cut():
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: script.after] if isinstance(script, Cut) else answer.body)

    do_POST = do_GET


def _name(method: str, path: str) -> str:
    if path == "/api/v1/looks/":
        return "looks"
    if path == "/api/v1/jobs/":
        return "order" if method == "POST" else "list"
    if path.endswith("/cancel/"):
        return "cancel"
    return "film" if path.startswith("/media/") else "job"


def _json(status: int, value: Any, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))
