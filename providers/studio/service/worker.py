"""A renderer process: `python -m providers.studio.service.worker SOCKET PARENT RENDERER LOOKS`.

The parent (`pool`) and this process exchange JSON lines over a socket pair, which the output of libraries cannot
disturb.

    parent sends {"do": "render", "photo", "look", "hero_name", "seed", "faceless", "folder"}   {"do": "stop"}
    worker sends {"said": "warm"}   {"said": "progress", "value"}   {"said": "poster", "path"}
                 {"said": "film", "video", "render_seconds", "cpu_seconds", "process_bytes"}
                 {"said": "no_face" | "unreadable_photo" | "canceled" | "failed", "detail"}

The process is killed when the parent dies, and ends when the parent closes the socket.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from common.processes import die_with_parent
from providers.studio.errors import Cancelled, NoFace, UnreadablePhoto

NICENESS = 5
STOP_PATIENCE = 0.05  # seconds that a failed render waits for a message that it was canceled
PROGRESS_PAUSE = 0.2  # seconds between two progress messages


class Worker:
    """Renders one prediction after the other, while a thread reads the parent's messages."""

    def __init__(self, connection: socket.socket, renderer: Any, looks: list[str]) -> None:
        self.connection = connection
        self.renderer = renderer
        self.looks = looks
        self.stop = threading.Event()
        self.requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.last_progress_at = 0.0

    def run(self) -> None:
        """Warm up, then render each request until the parent closes the socket.

        Only what a first picture needs is loaded before the worker says that it is warm. Sounds and the other looks
        are loaded while it is idle.
        """
        threading.Thread(target=self.listen, daemon=True).start()
        self.renderer.warm_up(self.looks[:1], with_sounds=False)
        self.say("warm")
        cold = list(self.looks)
        while True:
            while cold and self.requests.empty():
                # A request interrupts the loading, which continues when the worker is idle again.
                with contextlib.suppress(Cancelled):
                    self.renderer.warm_up(cold[:1], should_stop=lambda: not self.requests.empty())
                    cold.pop(0)
            request = self.requests.get()
            if request is None:
                return
            self.render(request)

    def listen(self) -> None:
        with self.connection.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if message["do"] == "render":
                    self.stop.clear()
                    self.requests.put(message)
                else:
                    self.stop.set()
        self.stop.set()
        self.requests.put(None)

    def render(self, request: dict[str, Any]) -> None:
        started_at, cpu_before = time.monotonic(), time.process_time()
        self.last_progress_at = 0.0
        try:
            film = self.renderer.render(
                Path(request["photo"]).read_bytes(),
                look=request["look"],
                hero_name=request["hero_name"],
                seed=request["seed"],
                faceless=request["faceless"],
                folder=Path(request["folder"]),
                on_progress=self.progress,
                on_poster=lambda path: self.say("poster", path=str(path)),
                should_stop=self.stop.is_set,
            )
        except NoFace:
            self.say("no_face")
        except UnreadablePhoto as error:
            self.say("unreadable_photo", detail=str(error))
        except Cancelled:
            self.say("canceled")
        except Exception as error:  # noqa: BLE001 every error is reported to the parent
            # The photo and folder of a canceled film may be removed before the message arrives that it is canceled.
            if self.stop.wait(STOP_PATIENCE):
                self.say("canceled")
            else:
                self.say("failed", detail=f"{type(error).__name__}: {error}"[:300])
        else:
            self.say(
                "film",
                video=str(film.video),
                render_seconds=round(time.monotonic() - started_at, 3),
                cpu_seconds=round(time.process_time() - cpu_before, 3),
                process_bytes=process_bytes(),
            )

    def progress(self, value: float) -> None:
        now = time.monotonic()
        if now - self.last_progress_at >= PROGRESS_PAUSE:
            self.last_progress_at = now
            self.say("progress", value=float(value))

    def say(self, said: str, **content: Any) -> None:
        self.connection.sendall(json.dumps({"said": said, **content}).encode() + b"\n")


def process_bytes() -> int:
    """Return the resident memory of this process in bytes, 0 when unknown."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def main(arguments: list[str]) -> None:
    descriptor, parent, name, looks = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3].split(",")
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles a Ctrl-C in the terminal
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    module, _, attribute = name.partition(":")
    renderer = getattr(importlib.import_module(module), attribute)()
    connection = socket.socket(fileno=descriptor)
    # These errors mean that the parent is gone.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        Worker(connection, renderer, looks).run()


if __name__ == "__main__":
    main(sys.argv[1:])
