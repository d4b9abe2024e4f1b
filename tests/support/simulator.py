"""The simulator in a test: in a thread of this process or as the command, and a listener for its webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from providers.simulator.server import Server
from providers.simulator.simulator import Simulator
from selfiehero.environment import PROJECT_DIR
from tests.support.processes import start_process, stop_process, wait_for

PROMPT = "a hero in the rain"


class Controls:
    """Speaks to the control API of a running simulator."""

    url: str
    session: requests.Session

    def control(
        self, method: str, path: str = "", body: Any = None, *, status: int = 200, query: dict[str, Any] | None = None
    ) -> Any:
        """Make a control call and return its JSON; fail when it is not answered with this status."""
        answer = self.session.request(method, f"{self.url}/control/{path}", json=body, params=query, timeout=10)
        assert answer.status_code == status, answer.text
        return answer.json()

    def reset(self, **choices: Any) -> None:
        self.control("POST", "reset", choices)

    def behave(self, provider: str, **behaviour: Any) -> None:
        """Let a provider change this and leave the rest: `behave("fal", times={"duration": 0})`."""
        self.control("POST", provider, behaviour)

    def next(self, provider: str, stage: str, fault: str, *, times: int = 1, **options: Any) -> None:
        """Script what goes wrong next at a stage."""
        self.control("POST", f"{provider}/next", {"stage": stage, "fault": fault, "times": times, **options})

    def state(self, provider: str, **query: Any) -> dict[str, Any]:
        return self.control("GET", "state", query=query)["providers"][provider]

    def entries(self, provider: str, **query: Any) -> list[dict[str, Any]]:
        return self.control("GET", "ledger", query={"provider": provider, **query})["entries"]

    def webhooks(self, **query: Any) -> list[dict[str, Any]]:
        return self.control("GET", "webhooks", query=query)["webhooks"]

    def finish(self, provider: str, prediction: str, **choices: Any) -> bool:
        return self.control("POST", f"{provider}/finish", {"prediction": prediction, **choices})["ok"]

    def wait_until_ended(self, provider: str, count: int = 1) -> dict[str, Any]:
        """Return the provider's state as soon as so many predictions have ended."""

        def ended() -> dict[str, Any] | None:
            state = self.state(provider)
            return state if sum(state["ended"].values()) >= count else None

        return wait_for(ended, f"{count} ended predictions at {provider}", seconds=10)


class RunningSimulator(Controls):
    """A simulator in a thread of this process."""

    def __init__(self, scenario: Any = None, *, only: str | None = None, tls: Any = None) -> None:
        self.session = requests.Session()
        self.ready = threading.Event()
        self.choices = scenario, only, tls
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="simulator")
        self.thread.start()
        assert self.ready.wait(20)

    async def _serve(self) -> None:
        scenario, only, tls = self.choices
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        server = Server(Simulator(scenario), only=only)
        self.url = await server.start("127.0.0.1", 0, tls=tls)
        self.ready.set()
        await self.stopping.wait()
        await server.stop()

    def close(self) -> None:
        self.session.close()
        self.loop.call_soon_threadsafe(self.stopping.set)
        self.thread.join(20)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def running_simulator(scenario: Any = None, **choices: Any) -> Iterator[RunningSimulator]:
    simulator = RunningSimulator(scenario, **choices)
    try:
        yield simulator
    finally:
        simulator.close()


class SimulatorProcess(Controls):
    """`manage.py simulator` on a free port. `with SimulatorProcess(tmp_path, "--seed", "7") as simulator:`"""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.session = requests.Session()
        self.log_path = folder / "simulator.log"
        self.argv = [sys.executable, "manage.py", "simulator", "--port", "0", *arguments]
        self.env = {"VAR_DIR": str(folder / "var"), "ENV_FILE": "", "PYTHONDONTWRITEBYTECODE": "1"}
        self.env["DJANGO_SETTINGS_MODULE"] = "selfiehero.settings"

    def __enter__(self) -> SimulatorProcess:
        self.process = start_process(self.argv, log_path=self.log_path, env=self.env, cwd=PROJECT_DIR)
        line = wait_for(self._address, "the simulator's address", seconds=30)
        self.url = line.removeprefix("simulator listening on ")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _address(self) -> str | None:
        assert self.process.poll() is None, self.said()
        lines = self.said().splitlines()
        return next((line for line in lines if line.startswith("simulator listening on ")), None)

    def said(self) -> str:
        return self.log_path.read_text(errors="replace")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.session.close()
        return stop_process(self.process, number)


@dataclass(frozen=True)
class Received:
    """A webhook as it came. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HookServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Listener:
    """Takes webhooks. `answers` are the statuses of the first ones; after them 204."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.received: list[Received] = []
        listener = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                listener.received.append(Received(self.path, headers, body))
                self.send_response(listener.answers.pop(0) if listener.answers else 204)
                self.send_header("Location", f"{listener.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                listener.received.append(Received(self.path, {}, b""))
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"photo")

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = HookServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def hook(self, reference: str) -> str:
        """Return a webhook address in the product's form."""
        return f"{self.url}/webhooks/vendor/{reference}/"

    def of(self, reference: str) -> list[Received]:
        return [one for one in list(self.received) if f"/{reference}/" in one.path]

    def wait(self, reference: str, count: int = 1, *, seconds: float = 10.0) -> list[Received]:
        """Return what came for a reference as soon as there is so much of it."""
        return wait_for(
            lambda: found if len(found := self.of(reference)) >= count else None,
            f"{count} webhooks for {reference}",
            seconds=seconds,
        )

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Caller:
    """Asks a simulated provider as a product would, in the vendor's wire format, through plain HTTP."""

    def __init__(self, url: str, provider: str) -> None:
        self.provider = provider
        self.base = f"{url}/{provider}"
        self.scheme = "Key" if provider == "fal" else "Bearer"
        self.key = "kid:secret" if provider == "fal" else "key"

    def call(self, method: str, path: str, *, key: str | None = None, **choices: Any) -> requests.Response:
        headers = {"Authorization": f"{self.scheme} {key or self.key}", **choices.pop("headers", {})}
        choices.setdefault("timeout", 10)
        address = path if path.startswith("http") else f"{self.base}{path}"
        return requests.request(method, address, headers=headers, allow_redirects=False, **choices)

    def submit(self, hook: str = "", *, key: str | None = None, **choices: Any) -> requests.Response:
        photo = choices.pop("photo", "https://hero.example/me.jpg")
        match self.provider:
            case "wavespeed":
                path, order = "/api/v3/wavespeed-ai/wan-2.2/i2v-720p", {"image": photo, "prompt": PROMPT}
                params = {"webhook": hook} if hook else {}
            case "replicate":
                path = "/v1/models/kwaivgi/kling-v2.1/predictions"
                order = {"input": {"start_image": photo, "prompt": PROMPT}}
                order |= {"webhook": hook, "webhook_events_filter": ["completed"]} if hook else {}
                order |= choices.pop("body", {})
                params = {}
            case _:
                path, order = "/fal-ai/wan/v2.2-a14b/image-to-video", {"image_url": photo, "prompt": PROMPT}
                params = {"fal_webhook": hook} if hook else {}
        return self.call("POST", path, key=key, json=order, params=params, **choices)

    def made(self, hook: str = "", **choices: Any) -> str:
        """Submit and return the prediction's id."""
        answer = self.submit(hook, **choices)
        assert answer.status_code in (200, 201), answer.text
        return self.id_in(answer.json())

    def id_in(self, made: dict[str, Any]) -> str:
        if self.provider == "wavespeed":
            return made["data"]["id"]
        return made["request_id"] if self.provider == "fal" else made["id"]

    def show(self, prediction_id: str, **choices: Any) -> requests.Response:
        """Ask for the status."""
        match self.provider:
            case "wavespeed":
                path = f"/api/v3/predictions/{prediction_id}/result"
            case "replicate":
                path = f"/v1/predictions/{prediction_id}"
            case _:
                path = f"/fal-ai/wan/requests/{prediction_id}/status"
        return self.call("GET", path, **choices)

    def status(self, prediction_id: str) -> str:
        shown = self.show(prediction_id).json()
        return shown["data"]["status"] if self.provider == "wavespeed" else shown["status"]

    def film_url(self, prediction_id: str) -> str:
        """Return the film's address of a prediction that has ended."""
        if self.provider == "fal":
            return self.call("GET", f"/fal-ai/wan/requests/{prediction_id}").json()["video"]["url"]
        shown = self.show(prediction_id).json()
        return shown["data"]["outputs"][0] if self.provider == "wavespeed" else shown["output"]

    def cancel(self, prediction_id: str) -> requests.Response:
        match self.provider:
            case "wavespeed":
                return self.call("DELETE", f"/api/v3/predictions/{prediction_id}")
            case "replicate":
                return self.call("POST", f"/v1/predictions/{prediction_id}/cancel")
        return self.call("PUT", f"/fal-ai/wan/requests/{prediction_id}/cancel")
