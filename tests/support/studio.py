"""A studio in this process, or as a real one; and a receiver of its webhooks."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from aiohttp import web

from providers import signatures
from providers.errors import BadSignature
from providers.studio.service.credentials import load_or_create
from providers.studio.service.server import SCHEDULER, make_app
from providers.studio.service.settings import PROJECT_DIR, StudioSettings
from tests.support.processes import free_port, start_process, stop_process, wait_for

FAKE = "tests.support.fake_renderer:Renderer"
PHOTO = b"\xff\xd8\xff\xe0" + b"a photo" * 100 + b"\xff\xd9"
FINAL = ("succeeded", "failed", "canceled")


class StudioClient:
    """Speaks to a studio over HTTP, with the key unless told otherwise."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.credentials = load_or_create(folder, {})

    def call(
        self, method: str, path: str, *, key: str | None = None, headers: dict[str, str] | None = None, **content: Any
    ) -> requests.Response:
        bearer = self.credentials.api_key if key is None else key
        headers = {"Authorization": f"Bearer {bearer}".encode(), **(headers or {})}
        url = path if path.startswith("http") else self.url + path
        with requests.Session() as session:
            return session.request(method, url, headers=headers, timeout=10, **content)

    def submit(self, reference: str, hero_name: str = "NOVA-7", **others: Any) -> requests.Response:
        body = {"reference": reference, "look": "neon-noir", "hero_name": hero_name, "seed": "1"}
        if "photo_url" not in others:
            body["photo"] = base64.b64encode(PHOTO).decode()
        return self.call("POST", "/v1/predictions", json=body | others)

    def show(self, prediction_id: str) -> dict[str, Any]:
        return self.call("GET", f"/v1/predictions/{prediction_id}").json()

    def health(self) -> dict[str, Any]:
        return self.call("GET", "/healthz", key="").json()

    def wait(self, prediction_id: str, *statuses: str, seconds: float = 15.0) -> dict[str, Any]:
        """Return the prediction as soon as it has one of these statuses, or is final."""

        def reached() -> dict[str, Any] | None:
            prediction = self.show(prediction_id)
            return prediction if prediction.get("status") in (statuses or FINAL) else None

        return wait_for(reached, f"the prediction to be {statuses or 'final'}", seconds=seconds)


class RunningStudio(StudioClient):
    """A studio in a thread of this process."""

    def __init__(self, settings: StudioSettings) -> None:
        self.settings = settings
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.thread.start()
        assert self.ready.wait(20)
        super().__init__(f"http://127.0.0.1:{self.port}", settings.folder)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        app = make_app(self.settings)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.settings.port)
        await site.start()
        self.port = runner.addresses[0][1]
        self.studio = app[SCHEDULER]
        self.ready.set()
        await self.stopping.wait()
        await runner.cleanup()

    def inside(self, question: Callable[[], Any]) -> Any:
        """Ask something in the studio's own loop."""

        async def ask() -> Any:
            return question()

        return asyncio.run_coroutine_threadsafe(ask(), self.loop).result(10)

    def renderer_pids(self) -> list[int]:
        return self.inside(
            lambda: [slot.renderer.process.pid for slot in self.studio.pool.slots if slot.renderer is not None]
        )

    def close(self) -> None:
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.stopping.set)
            self.thread.join(20)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def running_studio(folder: Path, **choices: Any) -> Iterator[RunningStudio]:
    """Run a studio with the fake renderer; it is warm when this begins, unless `wait_warm` is False."""
    wait_warm = choices.pop("wait_warm", True)
    settings = StudioSettings(folder=folder, credentials=load_or_create(folder, {}), port=0, renderer=FAKE)
    studio = RunningStudio(replace(settings, **choices))
    try:
        if wait_warm:
            wait_for(lambda: studio.health()["warm"], "a warm renderer")
        yield studio
    finally:
        studio.close()


class StudioProcess(StudioClient):
    """`manage.py studio`, as the product starts it, with the fake renderer unless told otherwise."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None) -> None:
        self.var_dir = folder / "var"
        self.log_path = folder / "studio.log"
        self.port = free_port()
        self.env = {"VAR_DIR": str(self.var_dir), "ENV_FILE": "", "STUDIO_RENDERERS": "1", "STUDIO_RENDERER": FAKE}
        self.env |= {"PYTHONDONTWRITEBYTECODE": "1", "DJANGO_SETTINGS_MODULE": "selfiehero.settings"} | (env or {})
        self.folder = self.var_dir / "studio"
        super().__init__(f"http://127.0.0.1:{self.port}", self.folder)
        self.process = None

    def start(self) -> StudioProcess:
        argv = [sys.executable, "manage.py", "studio", "--port", str(self.port)]
        self.process = start_process(argv, log_path=self.log_path, env=self.env, cwd=PROJECT_DIR)
        wait_for(self.is_warm, "the studio to be warm", seconds=40)
        return self

    def is_warm(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            return bool(self.health()["warm"])
        except (requests.RequestException, KeyError):
            return False

    def said(self) -> str:
        return self.log_path.read_text(errors="replace")

    def renderer_pids(self) -> list[int]:
        """Return the process ids of the renderers that are running."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if b"providers.studio.service.worker" in words and str(self.process.pid).encode() in words:
                        found.append(int(entry.name))
        return found

    def stop(self, number: int) -> int:
        return stop_process(self.process, number)


@dataclass(frozen=True)
class Received:
    """A webhook as it came, whether its signature is right, and how it was answered."""

    path: str
    message_id: str
    is_genuine: bool
    event: dict[str, Any]
    status: int
    at: datetime

    @property
    def kind(self) -> str:
        return self.event["type"].removeprefix("prediction.")


class Receiver:
    """Listens for webhooks. `answers` are the statuses of the first ones; after them, 204."""

    def __init__(self, secret: str, answers: list[int] | None = None, *, port: int = 0) -> None:
        self.secret = secret
        self.answers = list(answers or [])
        self.received: list[Received] = []
        receiver = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(status)
                if status in (301, 302, 307, 308):
                    self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Door)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        try:
            signatures.verify([self.secret], headers, body, now=datetime.now(UTC))
            is_genuine = True
        except BadSignature:
            is_genuine = False
        status = self.answers.pop(0) if self.answers else 204
        message_id = headers.get("webhook-id", "")
        self.received.append(Received(path, message_id, is_genuine, json.loads(body), status, datetime.now(UTC)))
        return status

    def kinds(self, *, taken: bool = True) -> list[str]:
        """Return what was told, in order: what was answered with a 2xx, or everything."""
        return [one.kind for one in list(self.received) if not taken or 200 <= one.status < 300]

    def wait_for_kind(self, kind: str, *, seconds: float = 15.0) -> Received:
        def came() -> Received | None:
            return next((one for one in list(self.received) if one.kind == kind and one.status < 300), None)

        return wait_for(came, f"a {kind} webhook; came: {self.kinds(taken=False)}", seconds=seconds)

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def is_running(process_id: int) -> bool:
    """Tell whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
