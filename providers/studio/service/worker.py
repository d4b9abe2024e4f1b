"""One renderer in a process of its own.

    python -m providers.studio.service.worker SOCKET PARENT RENDERER LOOKS FOLDER

The parent (`renderer_process`) and this process write JSON lines to each other over a socket pair, so that nothing
a library prints gets in between. The photo comes over it too: this process opens no files of the product. It writes
`poster.jpg` and `film.mp4` into its folder, the only one it may write to, and the parent takes them from there.

    parent sends {"do": "render", "photo_bytes", "look", "hero_name", "seed", "faceless", "watermark"} and the photo
                 {"do": "stop"}
    worker sends {"said": "warm", "confinement", "is_complete"}   {"said": "progress", "value"}   {"said": "poster"}
                 {"said": "film", "render_seconds", "cpu_seconds"}
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
from confinement.confine import Confinement, confine
from providers.studio.errors import Cancelled, NoFace, UnreadablePhoto
from providers.types import Watermark

PROJECT_DIR = Path(__file__).resolve().parents[3]
NICENESS = 5
STOP_PATIENCE = 0.05  # seconds that a failed render waits for a message that it was canceled
PROGRESS_PAUSE = 0.2  # seconds between two progress messages


class Worker:
    """Renders one prediction after the other, while a thread reads the parent's messages."""

    def __init__(
        self,
        connection: socket.socket,
        renderer: Any,
        looks: list[str],
        folder: Path,
        confinement: Confinement,
    ) -> None:
        self.connection = connection
        self.renderer = renderer
        self.looks = looks
        self.folder = folder
        self.confinement = confinement
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
        self.say("warm", confinement=str(self.confinement), is_complete=self.confinement.is_complete)
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
                    message["photo"] = lines.read(message["photo_bytes"])
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
            self.renderer.render(
                request["photo"],
                look=request["look"],
                hero_name=request["hero_name"],
                seed=request["seed"],
                faceless=request["faceless"],
                watermark=Watermark.from_text(request["watermark"]) if request["watermark"] else None,
                folder=self.folder,
                on_progress=self.progress,
                on_poster=lambda path: self.say("poster"),
                should_stop=self.stop.is_set,
            )
        except NoFace:
            self.say("no_face")
        except UnreadablePhoto as error:
            self.say("unreadable_photo", detail=str(error))
        except Cancelled:
            self.say("canceled")
        except Exception as error:  # noqa: BLE001 every error is reported to the parent
            # The folder of a canceled film may be emptied before the message arrives that it is canceled.
            if self.stop.wait(STOP_PATIENCE):
                self.say("canceled")
            else:
                self.say("failed", detail=f"{type(error).__name__}: {error}"[:300])
        else:
            self.say(
                "film",
                render_seconds=round(time.monotonic() - started_at, 3),
                cpu_seconds=round(time.process_time() - cpu_before, 3),
            )

    def progress(self, value: float) -> None:
        now = time.monotonic()
        if now - self.last_progress_at >= PROGRESS_PAUSE:
            self.last_progress_at = now
            self.say("progress", value=float(value))

    def say(self, said: str, **content: Any) -> None:
        self.connection.sendall(json.dumps({"said": said, **content}).encode() + b"\n")


def folders_of_code(module: Any) -> list[Path]:
    """Return where Python, its packages and a renderer's own package lie: what a renderer reads after its start.

    Never the project's own folder, in which keys and database may lie.
    """
    package = Path(module.__file__).resolve().parent
    libraries = [Path(entry) for entry in sys.path if entry and Path(entry).is_dir()]
    ours = [PROJECT_DIR / name for name in ("providers", "confinement", "common")]
    return [package, *ours, *(folder for folder in libraries if not PROJECT_DIR.is_relative_to(folder))]


def main(arguments: list[str]) -> None:
    descriptor, parent, name, looks = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3].split(",")
    folder = Path(arguments[4])
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles a Ctrl-C in the terminal
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    module, _, attribute = name.partition(":")
    loaded = importlib.import_module(module)
    renderer = getattr(loaded, attribute)()
    connection = socket.socket(fileno=descriptor)
    # Before any thread is started: Landlock does not hold those that run already.
    confined = confine(readable=folders_of_code(loaded), writable=[folder], may_map_code=True)
    # These errors mean that the parent is gone.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        Worker(connection, renderer, looks, folder, confined).run()


if __name__ == "__main__":
    main(sys.argv[1:])
