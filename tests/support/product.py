"""The real product, started as a person would: `manage.py up` on a free port with a VAR_DIR of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import requests

from selfiehero.environment import PROJECT_DIR
from selfiehero.supervisor.guard import is_alive
from tests.support.made_once import made_once_for_all
from tests.support.processes import free_port, start_process, stop_process, wait_for

START_PATIENCE = 120.0
# A renderer that needs no warming up and makes tiny films, for a product whose films are not what a test is about.
QUICK = {"STUDIO_RENDERER": "tests.support.fake_renderer:Renderer"}
# A machine that runs tests is busy, and a door that closes for it is no test's subject but admission's own.
LONGEST_ADMISSION_WAIT = "60000"
# What the test run chose for itself and a product must choose anew.
NOT_INHERITED = (
    *(
        "REDIS_URL",
        "SECRET_KEY",
        "FIELD_KEYS",
        "STUDIO",
        "STUDIO_URL",
        "SIMULATOR",
        "PUBLIC_URL",
        "CALLBACK_URL",
        "ALLOWED_HOSTS",
    ),
)


def product_env(**env: str) -> dict[str, str | None]:
    """Return what to add to the environment for a product that stands on its own."""
    own = {"DJANGO_SETTINGS_MODULE": "selfiehero.settings", "ENV_FILE": "", "NO_COLOR": "1", "HOST": "127.0.0.1"}
    own["ADMISSION_WAIT_MS"] = LONGEST_ADMISSION_WAIT
    return {**dict.fromkeys(NOT_INHERITED), **own, **env}


def prepared_var() -> Path:
    """Return a VAR_DIR with a database, keys and static files, made once for all products of a test run."""
    return made_once_for_all("prepared", _prepare)


def _prepare(folder: Path) -> None:
    """Do what `up` does first where nothing is: twenty seconds of CPU."""
    env = {**os.environ, **product_env(VAR_DIR=str(folder)), "DATABASE_URL": None}
    subprocess.run(
        [sys.executable, "manage.py", "up", "--prepare", "--no-admin"],
        env={name: value for name, value in env.items() if value is not None},
        cwd=PROJECT_DIR,
        check=True,
        capture_output=True,
    )


class Product:
    """A running product. `with Product(tmp_path) as product:` starts it and waits until /readyz is green.

    It begins with a prepared VAR_DIR, unless it `is_new`.
    """

    def __init__(self, folder: Path, env: dict[str, str] | None = None, *, is_new: bool = False) -> None:
        self.var_dir = folder / "var"
        self.terminal_path = folder / "up.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = product_env(**{**(env or {}), "VAR_DIR": str(self.var_dir), "PORT": str(self.port)})
        self.process: subprocess.Popen | None = None
        if not is_new and not {**os.environ, **self.env}.get("DATABASE_URL"):
            shutil.copytree(prepared_var(), self.var_dir)

    def __enter__(self) -> "Product":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and return when it is ready; fail with what it said when it is not."""
        self.process = start_process(
            [sys.executable, "manage.py", "up"], log_path=self.terminal_path, env=self.env, cwd=PROJECT_DIR
        )
        try:
            wait_for(
                lambda: not self.is_running() or self.is_ready(), "the product to be ready", seconds=START_PATIENCE
            )
            assert self.is_running(), "the product ended"
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}; it said:\n{self.said()[-6000:]}") from None

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def said(self) -> str:
        """Return all that came to its terminal."""
        return self.terminal_path.read_text(errors="replace") if self.terminal_path.exists() else ""

    def log(self, name: str) -> str:
        """Return what one child wrote, such as "web"."""
        path = self.var_dir / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def children(self) -> dict[str, int]:
        """Return name and process id of all that runs now."""
        return {
            name: process_id
            for name, process_id in json.loads((self.var_dir / "run" / "children.json").read_text()).items()
            if is_alive(process_id)
        }

    def pid_of(self, name: str) -> int:
        """Return the process id of a child, waiting while it is being started again."""
        return wait_for(lambda: self.children().get(name), f"{name} to run", seconds=30)

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to a child and return the process id that got it."""
        process_id = self.pid_of(name)
        os.kill(process_id, number)
        return process_id

    def wait_until_restarted(self, name: str, old: int) -> int:
        """Return the new process id of a child that had this one."""
        return wait_for(
            lambda: (new := self.children().get(name)) and new != old and new, f"{name} to start again", seconds=30
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Drain it and return its exit code."""
        if self.process is None:
            return 0
        return stop_process(self.process, number, patience=45)
