"""A renderer process: `python -m providers.studio.worker MODULE:CLASS`.

Orders come as JSON lines on stdin, news go as JSON lines to what was stdout; whatever a library
prints goes to stderr. It dies with its parent.

    → {"order": "render", "photo": path, "folder": path, "look", "hero_name", "seed"} | {"order": "cancel"}
    ← {"news": "ready"} | {"news": "progress", "value"} | {"news": "poster"}
    ← {"news": "done", "seconds", "cpu_seconds", "rss"} | {"news": "failed", "code", "message"} | {"news": "canceled"}
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from .outcomes import Cancelled, NoFace, UnreadablePhoto

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
PROGRESS_EVERY_SECONDS = 0.2


def main() -> None:
    """Render one film after another until stdin ends."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    module_name, _, class_name = sys.argv[1].partition(":")
    renderer = getattr(importlib.import_module(module_name), class_name)()
    renderer.warm_up(["neon-noir"])
    orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_read_orders, args=(orders, stop), daemon=True).start()
    _say(out, news="ready")
    while (order := orders.get()) is not None:
        _render(renderer, order, stop, out)


def _read_orders(orders: queue.SimpleQueue[dict[str, Any] | None], stop: threading.Event) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if order["order"] == "cancel":
            stop.set()
        else:
            stop.clear()
            orders.put(order)
    stop.set()
    orders.put(None)


def _render(renderer: Any, order: dict[str, Any], stop: threading.Event, out: IO[str]) -> None:
    begun, cpu = time.monotonic(), time.process_time()
    told = 0.0

    def progress(value: float) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_EVERY_SECONDS:
            told = time.monotonic()
            _say(out, news="progress", value=round(value, 3))

    try:
        renderer.render(
            Path(order["photo"]).read_bytes(),
            look=order["look"],
            hero_name=order["hero_name"],
            seed=order["seed"],
            folder=Path(order["folder"]),
            on_progress=progress,
            on_poster=lambda _path: _say(out, news="poster"),
            should_stop=stop.is_set,
        )
    except Cancelled:
        _say(out, news="canceled")
    except NoFace:
        _say(out, news="failed", code="no_face", message="no face in the photo")
    except (UnreadablePhoto, FileNotFoundError) as error:
        _say(out, news="failed", code="unreadable_photo", message=type(error).__name__)
    except Exception as error:
        logger.exception("studio_render_failed")
        _say(out, news="failed", code="render_failed", message=type(error).__name__)
    else:
        seconds, cpu_seconds = time.monotonic() - begun, time.process_time() - cpu
        _say(out, news="done", seconds=round(seconds, 3), cpu_seconds=round(cpu_seconds, 3), rss=_resident_bytes())


def _resident_bytes() -> int:
    """Return how much memory this process has in use."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _say(out: IO[str], **news: Any) -> None:
    out.write(json.dumps(news) + "\n")


if __name__ == "__main__":
    main()
