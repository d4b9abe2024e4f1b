"""Measurements of whole processes: a first film, a worker's memory, the time until a cancel frees the renderer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import requests

from providers.studio.service.credentials import Credentials, load_or_create
from providers.studio.service.settings import LOOKS, PROJECT_DIR

from .soak import Soak, read_pixels

LARGE_PHOTO = 12e6  # px
MEMORY_FILMS = 6  # every look twice
CANCEL_SECONDS = 4.0  # a cancel comes within these after the render began
PATIENCE = 60.0  # seconds to wait for anything
LOOK_EVERY = 0.005  # seconds


def time_first_films(photo: Path, looks: list[str], rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Make films, each in a fresh process; return CPU seconds, wall seconds and peak megabytes of each process."""
    figures: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(max(rounds, len(looks))):
            film = ("-m", "providers.studio.film.render", str(photo), "-o", f"{folder}/film.mp4")
            began = time.monotonic()
            process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, *film, "--look", looks[number % len(looks)], "--seed", str(number)],
                cwd=PROJECT_DIR,
                stderr=subprocess.DEVNULL,
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"no film was made of {photo}")
            figures.append((used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss / 1024))
    cpu, wall, peak = (list(column) for column in zip(*figures, strict=True))
    return cpu, wall, peak


def peak_memory(photo: Path) -> float:
    """Return the most megabytes that a worker held while it made films of all looks from a large photo."""
    with tempfile.TemporaryDirectory() as name:
        folder, pixels = Path(name), read_pixels(photo)
        scale = (LARGE_PHOTO / (pixels.shape[0] * pixels.shape[1])) ** 0.5
        large = folder / "large.jpg"
        cv2.imwrite(str(large), cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
        soak = Soak(MEMORY_FILMS, [large], {}, folder, "memory", lambda line: None, canceled=0, bad=0)
        asyncio.run(soak.run())
    if soak.failures:
        raise RuntimeError(soak.failures[0])
    return soak.facts[-1].peak_megabytes


class _Caller:
    """A client of a studio on this machine."""

    def __init__(self, port: int, credentials: Credentials, photo: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {credentials.api_key}"
        self.photo = base64.b64encode(photo.read_bytes()).decode()

    def ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        return self.session.request(method, self.url + path, timeout=PATIENCE, **content).json()

    def submit(self, reference: str, look: str) -> str:
        body = {"reference": reference, "look": look, "hero_name": "BENCH", "seed": reference, "photo": self.photo}
        return self.ask("POST", "/v1/predictions", json=body)["id"]

    def is_warm(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return bool(self.ask("GET", "/healthz")["warm"])
        return False


def time_cancels(photo: Path, count: int) -> tuple[list[float], int]:
    """Cancel films at random moments; return the seconds from each cancel until the renderer is free, and how many
    renderers had to be killed for it."""
    dice, seconds, killed = random.Random(6), [], 0  # noqa: S311 - no secret
    with _studio(photo) as caller:
        for number in range(count):
            prediction_id = caller.submit(str(number), LOOKS[number % len(LOOKS)])
            path = f"/v1/predictions/{prediction_id}"
            _wait_for(partial(_is_running, caller, path))
            time.sleep(dice.uniform(0, CANCEL_SECONDS) * dice.random())  # most of them early, where the stages are long
            began = time.monotonic()
            if caller.ask("POST", f"{path}/cancel")["status"] == "succeeded":
                continue
            _wait_for(lambda: not caller.ask("GET", "/healthz")["running"])
            seconds.append(time.monotonic() - began)
            killed += not caller.is_warm()
            _wait_for(caller.is_warm)
    return seconds, killed


@contextlib.contextmanager
def _studio(photo: Path) -> Iterator[_Caller]:
    """Run `manage.py studio` with one renderer, warm."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        credentials = load_or_create(Path(folder), {})
        environ = os.environ | {"STUDIO_DIR": folder, "STUDIO_RENDERERS": "1", "STUDIO_QUEUE": "10"}
        studio = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "manage.py", "studio", "--port", str(port)],
            env={name: value for name, value in environ.items() if name not in ("STUDIO_API_KEY", "STUDIO_RENDERER")},
            cwd=PROJECT_DIR,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            caller = _Caller(port, credentials, photo)
            _wait_for(caller.is_warm)
            yield caller
        finally:
            studio.terminate()
            studio.wait(PATIENCE)


def _is_running(caller: _Caller, path: str) -> bool:
    return caller.ask("GET", path)["status"] == "running"


def _wait_for(question: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while not question():
        if time.monotonic() > give_up_at:
            raise TimeoutError("the studio does not answer as it should")
        time.sleep(LOOK_EVERY)
