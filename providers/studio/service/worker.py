"""One renderer in a process of its own: `python -m providers.studio.service.worker SOCKET PARENT RENDERER LOOKS`.

The parent (`pool`) and this process write JSON lines to each other over a socket pair, so that nothing
a library prints gets in between.

    parent says  {"do": "render", "photo", "look", "hero_name", "seed", "faceless", "folder"}   {"do": "stop"}
    we say       {"said": "warm"}   {"said": "progress", "value"}   {"said": "poster", "path"}
                 {"said": "film", "video", "render_seconds", "cpu_seconds", "process_bytes"}
                 {"said": "no_face" | "unreadable_photo" | "canceled" | "failed", "detail"}

When the parent dies this process is killed; when the parent closes the socket it ends.
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
from providers.studio.outcomes import Cancelled, NoFace, UnreadablePhoto

NICENESS = 5
STOP_PATIENCE = 0.05  # seconds a failed render waits for the news that it was canceled
PROGRESS_PAUSE = 0.2  # seconds between two reports; more would tell nobody more


class Worker:
    """Renders one prediction after the other; a thread listens for what the parent says meanwhile."""

    def __init__(self, connection: socket.socket, renderer: Any, looks: list[str]) -> None:
        self.connection = connection
        self.renderer = renderer
        self.looks = looks
        self.stop = threading.Event()
        self.orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.last_progress_at = 0.0

    def run(self) -> None:
        """Warm up, then render whatever is asked for until the parent closes the socket.

        At first only what a first picture needs; the sounds and the other looks while there is nothing to do.
        """
        threading.Thread(target=self.listen, daemon=True).start()
        self.renderer.warm_up(self.looks[:1], with_sounds=False)
        self.say("warm")
        cold = list(self.looks)
        while True:
            while cold and self.orders.empty():
                # An order comes first: what is loaded by then is kept, the rest waits for the next pause.
                with contextlib.suppress(Cancelled):
                    self.renderer.warm_up(cold[:1], should_stop=lambda: not self.orders.empty())
                    cold.pop(0)
            order = self.orders.get()
            if order is None:
                return
            self.render(order)

    def listen(self) -> None:
        with self.connection.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if message["do"] == "render":
                    self.stop.clear()
                    self.orders.put(message)
                else:
                    self.stop.set()
        self.stop.set()
        self.orders.put(None)

    def render(self, order: dict[str, Any]) -> None:
        started_at, cpu_before = time.monotonic(), time.process_time()
        self.last_progress_at = 0.0
        try:
            film = self.renderer.render(
                Path(order["photo"]).read_bytes(),
                look=order["look"],
                hero_name=order["hero_name"],
                seed=order["seed"],
                faceless=order["faceless"],
                folder=Path(order["folder"]),
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
        except Exception as error:  # noqa: BLE001 whatever it is, the parent must hear of it
            # A canceled film's photo and folder are gone at once, maybe before we hear that it is canceled.
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
    """Return how much memory this process holds."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def main(arguments: list[str]) -> None:
    descriptor, parent, name, looks = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3].split(",")
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is the parent's to handle
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    module, _, attribute = name.partition(":")
    renderer = getattr(importlib.import_module(module), attribute)()
    connection = socket.socket(fileno=descriptor)
    # The parent went away: nothing left to say.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        Worker(connection, renderer, looks).run()


if __name__ == "__main__":
    main(sys.argv[1:])
