"""A provider that does what a test says: a real HTTP server that speaks the studio's protocol, on a thread.

    with StubProvider() as stub:
        stub.next_submits(Refuse(429, retry_after="7"), LOSE_ANSWER)
        …
        stub.only.complete()
        delivery = stub.delivery(stub.only)       # signed, to be posted by the test: now, later, twice, or never

Nothing happens by itself: a prediction stays as it is until the test moves it, so time never decides a test.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from providers import signatures

SECRET = signatures.new_secret()
API_KEY = "stub-key"


@dataclass(frozen=True)
class Refuse:
    """Answer with this status and make nothing."""

    status: int
    retry_after: str | None = None
    body: str = '{"error": {"code": "refused", "message": "not now"}}'


@dataclass(frozen=True)
class Garble:
    """Make the prediction and answer 202 with something that is not an answer."""

    body: str = "<html>welcome</html>"


@dataclass(frozen=True)
class Slow:
    """Make the prediction, and answer only after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """Make nothing, and say nothing for so many seconds."""

    seconds: float


LOSE_ANSWER = "lose the answer"  # the prediction is made, the connection breaks
LOSE_REQUEST = "lose the request"  # nothing is made, the connection breaks just the same


@dataclass
class Prediction:
    """What the stub made of a submit."""

    id: str
    request: dict[str, Any]
    stub: StubProvider = field(repr=False)
    status: str = "queued"
    progress: float | None = None
    error_code: str = ""
    has_preview: bool = False
    has_film: bool = False
    film_path: str = "film.mp4"
    preview_path: str = "poster.jpg"
    canceled: int = 0
    deleted: int = 0

    @property
    def reference(self) -> str:
        return self.request["reference"]

    @property
    def photo(self) -> bytes:
        return base64.b64decode(self.request["photo"])

    @property
    def webhook_path(self) -> str:
        """The address the stub was told to call, without its host."""
        return urlsplit(self.request["webhook"]).path

    def warm_up(self) -> Prediction:
        self.status = "starting"
        return self

    def run(self, progress: float = 0.0, *, preview: bool = False) -> Prediction:
        self.status, self.progress, self.has_preview = "running", progress, self.has_preview or preview
        return self

    def complete(self, film_path: str = "film.mp4") -> Prediction:
        self.status, self.progress, self.has_film, self.film_path = "succeeded", 1.0, True, film_path
        return self

    def fail(self, code: str = "provider_failed") -> Prediction:
        self.status, self.error_code = "failed", code
        return self

    def body(self) -> dict[str, Any]:
        """Return the prediction as the protocol shows it."""
        files = f"{self.stub.url}/files"
        return {
            "id": self.id,
            "reference": self.reference,
            "status": self.status,
            "progress": self.progress,
            "poster": f"{files}/{self.preview_path}" if self.has_preview or self.has_film else None,
            "video": f"{files}/{self.film_path}" if self.has_film else None,
            "error": {"code": self.error_code, "message": "as scripted"} if self.error_code else None,
        }


@dataclass(frozen=True)
class Delivery:
    """A signed webhook call, ready to be posted."""

    path: str
    headers: dict[str, str]
    body: bytes


class StubProvider:
    """The server. Everything a test asks of it is an attribute or a method; `calls` is what came in."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.stub = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.files: dict[str, bytes] = {}
        self.reset()
        threading.Thread(target=self.server.serve_forever, args=(0.02,), name="stub-provider", daemon=True).start()

    def __enter__(self) -> StubProvider:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def reset(self) -> None:
        """Forget everything that happened and was scripted; the files stay."""
        self.calls: list[tuple[str, str]] = []
        self.predictions: dict[str, Prediction] = {}
        self.submit_script: deque[Any] = deque()
        self.other_script: deque[Any] = deque()
        self.at_submit: Callable[[Prediction], None] | None = None
        self.most_at_once = self._at_once = 0
        self.submit_times: list[float] = []
        self.hide_from_listing = False

    def next_submits(self, *answers: Any) -> None:
        """Script the next answers to a submit; afterwards they are 202 again."""
        self.submit_script.extend(answers)

    def next_calls(self, *answers: Any) -> None:
        """Script the next answers to status, listing, cancel and delete calls."""
        self.other_script.extend(answers)

    @property
    def only(self) -> Prediction:
        """The one prediction there is."""
        (prediction,) = self.predictions.values()
        return prediction

    @property
    def last(self) -> Prediction:
        return list(self.predictions.values())[-1]

    def submits(self) -> int:
        return self.count("POST /v1/predictions")

    def count(self, start: str) -> int:
        """Return how many calls were exactly this, or began with it when it ends in a star."""
        lines = [f"{method} {path}" for method, path in self.calls]
        if start.endswith("*"):
            return sum(line.startswith(start[:-1]) for line in lines)
        return lines.count(start)

    def delivery(
        self,
        prediction: Prediction,
        *,
        event_id: str | None = None,
        at: float | None = None,
        secret: str = SECRET,
        path: str | None = None,
        body: bytes | None = None,
    ) -> Delivery:
        """Return the signed webhook that tells of the prediction as it is now."""
        event_id = event_id or f"msg_{uuid.uuid4().hex}"
        if body is None:
            body = json.dumps({"type": f"prediction.{prediction.status}", "prediction": prediction.body()}).encode()
        timestamp = int(time.time() if at is None else at)
        headers = {
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signatures.sign(secret, message_id=event_id, timestamp=timestamp, body=body),
        }
        return Delivery(path or prediction.webhook_path, headers, body)

    # --- called by the handler, on the server's threads ---

    def take_submit(self, request: dict[str, Any]) -> tuple[Any, Prediction | None]:
        with self.lock:
            answer = self.submit_script.popleft() if self.submit_script else None
            if isinstance(answer, Refuse | Hang) or answer == LOSE_REQUEST:
                return answer, None
            prediction = Prediction(f"pre_{uuid.uuid4().hex[:12]}", request, self)
            self.predictions[prediction.id] = prediction
        if self.at_submit:
            self.at_submit(prediction)
        return answer, prediction

    def enter(self) -> None:
        with self.lock:
            self.submit_times.append(time.monotonic())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)

    def leave(self) -> None:
        with self.lock:
            self._at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    stub: StubProvider

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        stub = self.server.stub
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        stub.calls.append(("POST", path))
        if not self._is_allowed():
            return
        if path == "/v1/predictions":
            self._submit(json.loads(body))
        elif not self._scripted() and (prediction := self._prediction(path.removesuffix("/cancel"))):
            prediction.canceled += 1
            if prediction.status not in ("succeeded", "failed"):
                prediction.status = "canceled"
            self._json(200, prediction.body())

    def do_GET(self) -> None:
        stub = self.server.stub
        parts = urlsplit(self.path)
        if parts.path.startswith("/files/"):
            self._file(parts.path.removeprefix("/files/"))
            return
        stub.calls.append(("GET", self.path if parts.query else parts.path))
        if not self._is_allowed() or self._scripted():
            return
        if parts.path == "/v1/predictions":
            wanted = parse_qs(parts.query).get("reference", [""])[0]
            found = [one for one in stub.predictions.values() if one.reference == wanted and not stub.hide_from_listing]
            self._json(200, {"items": [one.body() for one in found]})
        elif prediction := self._prediction(parts.path):
            self._json(200, prediction.body())

    def do_DELETE(self) -> None:
        path = urlsplit(self.path).path
        self.server.stub.calls.append(("DELETE", path))
        if self._is_allowed() and not self._scripted() and (prediction := self._prediction(path)):
            prediction.deleted += 1
            self._answer(204, b"")

    def _submit(self, request: dict[str, Any]) -> None:
        stub = self.server.stub
        stub.enter()
        try:
            answer, prediction = stub.take_submit(request)
            if answer in (LOSE_ANSWER, LOSE_REQUEST):
                self.close_connection = True
                return
            if isinstance(answer, Refuse):
                self._refuse(answer)
                return
            if isinstance(answer, Hang):
                time.sleep(answer.seconds)
                self.close_connection = True
                return
            if isinstance(answer, Garble):
                self._answer(202, answer.body.encode(), {"Content-Type": "text/html"})
                return
            if isinstance(answer, Slow):
                time.sleep(answer.seconds)
            assert prediction is not None
            self._json(202, prediction.body())
        finally:
            stub.leave()

    def _is_allowed(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {API_KEY}":
            return True
        self._json(401, {"error": {"code": "unauthorized", "message": "who are you?"}})
        return False

    def _scripted(self) -> bool:
        stub = self.server.stub
        with stub.lock:
            answer = stub.other_script.popleft() if stub.other_script else None
        if answer is None:
            return False
        if isinstance(answer, Refuse):
            self._refuse(answer)
        elif isinstance(answer, Garble):
            self._answer(200, answer.body.encode())
        else:
            self.close_connection = True
        return True

    def _refuse(self, refusal: Refuse) -> None:
        headers = {"Retry-After": refusal.retry_after} if refusal.retry_after is not None else {}
        self._answer(refusal.status, refusal.body.encode(), {"Content-Type": "application/json"} | headers)

    def _prediction(self, path: str) -> Prediction | None:
        found = self.server.stub.predictions.get(path.removeprefix("/v1/predictions/"))
        if found is None or found.deleted:
            self._json(404, {"error": {"code": "not_found", "message": "no such prediction"}})
            return None
        return found

    def _file(self, name: str) -> None:
        content = self.server.stub.files.get(name)
        if content is None:
            self._answer(404, b"gone")
        elif name.startswith("short"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) + 1000))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True
        else:
            self._answer(200, content)

    def _json(self, status: int, value: dict[str, Any]) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and body:
            self.wfile.write(body)
