"""Gradio's queue, for comparison: a server in a virtual environment of its own, and a client that asks like its page.

The environment is made in var/bench the first time. The function takes a photo's path and returns it: what is measured
is the upload, the queue and the events, and nothing that a job would do.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from confinement.processor_time import cpu_seconds
from tests.support.processes import free_port, wait_for

PROJECT_DIR = Path(__file__).resolve().parents[2]
VERSION = "6.31.0"
PHOTO = PROJECT_DIR / "tests" / "photos" / "astronaut.jpg"
SERVER = """
import sys
import gradio as gr
with gr.Blocks() as page:
    photo, film = gr.File(), gr.Textbox()
    gr.Button().click(lambda path: "film.mp4", photo, film, api_name="hero", concurrency_limit=32)
page.queue(max_size=10000).launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True, ssr_mode=False)
"""


def python() -> Path:
    """Return the environment's interpreter, after installing Gradio where it is missing."""
    folder = PROJECT_DIR / "var" / "bench" / f"gradio-{VERSION}"
    found, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        sys.stderr.write(f"installing gradio {VERSION} for comparison …\n")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([found, "-m", "pip", "install", "-q", f"gradio=={VERSION}"], check=True)
        done.touch()
    return found


class Queue:
    """A running server."""

    def __init__(self, url: str, process_id: int) -> None:
        self.url, self.process_id = url, process_id

    def cpu_ms(self, count: int) -> float:
        """Return the server's CPU milliseconds for each of so many jobs, 16 at a time."""
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(self.ask, range(16)))
            before = cpu_seconds(self.process_id)
            list(pool.map(self.ask, range(count)))
        return 1000 * (cpu_seconds(self.process_id) - before) / count

    def ask(self, number: int) -> None:
        """Upload a photo, join the queue and listen until the film is there."""
        with requests.Session() as session:
            session.trust_env = False
            session_hash = f"bench{number}-{time.monotonic_ns()}"
            with PHOTO.open("rb") as photo:
                (path,) = session.post(f"{self.url}/gradio_api/upload", files={"files": photo}, timeout=60).json()
            data = {"path": path, "meta": {"_type": "gradio.FileData"}}
            joined = {"data": [data], "fn_index": 0, "session_hash": session_hash}
            session.post(f"{self.url}/gradio_api/queue/join", json=joined, timeout=60).raise_for_status()
            events = session.get(
                f"{self.url}/gradio_api/queue/data", params={"session_hash": session_hash}, stream=True, timeout=60
            )
            for line in events.iter_lines():
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    if event["msg"] == "process_completed":
                        assert event["success"], event
                        return
        raise AssertionError("the queue ended without an answer")


@contextlib.contextmanager
def running() -> Iterator[Queue]:
    """A server that is ready."""
    port = free_port()
    argv = [str(python()), "-c", SERVER, str(port)]
    env = {"GRADIO_ANALYTICS_ENABLED": "False", "PATH": "/usr/bin:/bin", "HOME": str(PROJECT_DIR / "var" / "bench")}
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: server.poll() is not None or answers(url), "Gradio to answer", seconds=120, every=0.5)
            assert server.poll() is None, "Gradio ended"
            yield Queue(url, server.pid)
        finally:
            server.terminate()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/gradio_api/startup-events", timeout=5).status_code == 200
    except requests.RequestException:
        return False
