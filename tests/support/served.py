"""A real `manage.py serve` for tests: the product's addresses, and a few of `tests.support.served_urls` beside them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import requests
from django.conf import settings

from selfiehero.environment import PROJECT_DIR
from tests.support.processes import free_port, start_process, stop_process, wait_for
from tests.support.product import LONGEST_ADMISSION_WAIT


class Served:
    """A web process. `with Served(tmp_path) as web:` starts it and waits until it answers."""

    def __init__(self, folder: Path, *, database: str | None = None, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.url, self.socket_url = f"http://127.0.0.1:{self.port}", f"ws://127.0.0.1:{self.port}"
        self.log_path = folder / "serve.log"
        for name in ("tmp", "media", "run"):
            (folder / "var" / name).mkdir(parents=True, exist_ok=True)
        self.env = {
            "ENV_FILE": "",
            "DJANGO_SETTINGS_MODULE": "tests.support.served_settings",
            "VAR_DIR": str(folder / "var"),
            "PORT": str(self.port),
            "ADMISSION_WAIT_MS": LONGEST_ADMISSION_WAIT,
            "SERVED_DATABASE": database or str(folder / "var" / "db.sqlite3"),
            # Hosts of one database have the same keys; a process with others refuses to start.
            **({"FIELD_KEYS": ",".join(settings.FIELD_KEYS)} if database else {}),
            **(env or {}),
        }
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> Served:
        self.process = start_process(
            [sys.executable, "manage.py", "serve"], log_path=self.log_path, env=self.env, cwd=PROJECT_DIR
        )
        wait_for(lambda: not self.is_running or self.answers(), "the web process to answer", seconds=60)
        assert self.is_running, self.said()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            stop_process(self.process, signal.SIGTERM)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def wait(self, seconds: float = 30.0) -> int:
        """Return the exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    def said(self) -> str:
        return self.log_path.read_text(errors="replace")

    def memory(self, field: str = "VmRSS") -> int:
        """Return a line of the kernel's account in bytes."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
