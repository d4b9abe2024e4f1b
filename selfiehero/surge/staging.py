"""The product and the simulated clouds, started for a rehearsal in a folder of their own, and what they use."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from common.processes import die_with_parent
from confinement.processor_time import cpu_seconds
from selfiehero.environment import PROJECT_DIR

START_SECONDS, STOP_SECONDS = 600.0, 60.0
PHOTO = PROJECT_DIR / "tests" / "photos" / "astronaut.jpg"
SMALL_PHOTO, HONEST_PHOTO = (512, 512), (1152, 1536)
HONEST_FILM_BYTES = 3_000_000
NOT_COUNTED = ("simulator", "simulator children")
# What the caller's own product was told, and this one must not hear.
NOT_INHERITED = ("REDIS_URL", "DATABASE_URL", "PUBLIC_URL", "CALLBACK_URL", "S3_BUCKET", "ALLOWED_HOSTS", "STUDIO_URL")
# As 24 hours later: the time until a photo is erased is over for every job.
NEXT_MORNING = """
from django.conf import settings
from django.db.models import F
from jobs.models import Job
print(Job.objects.filter(erased_at=None).update(erase_at=F("erase_at") - settings.RETENTION))
"""
NOT_ERASED = "from jobs.models import Job; print(Job.objects.filter(erased_at=None, finished_at__isnull=False).count())"


class DidNotStart(Exception):
    """The product did not become ready; the message has the end of what it said."""


def photo(*, is_small: bool, path: Path = PHOTO) -> bytes:
    """Return a JPEG as people send it: 512² when small, else 1152x1536."""
    with Image.open(path) as picture:
        buffer = io.BytesIO()
        picture.convert("RGB").resize(SMALL_PHOTO if is_small else HONEST_PHOTO).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


class Staging:
    """A product of its own. `start` returns when /readyz is green; `stop` drains it."""

    def __init__(self, folder: Path, *, scenario: str = "viral", **env: str) -> None:
        self.folder, self.var_dir = folder, folder / "var"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        self.env = inherited | {
            "ENV_FILE": "",
            "NO_COLOR": "1",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "VAR_DIR": str(self.var_dir),
            "STUDIO": "0",
            "SIMULATOR": "1",
            "SIMULATOR_SCENARIO": scenario,
            # Everybody comes from this machine.
            "THROTTLE_UPLOADS": "1000000/min",
            "THROTTLE_UPLOADS_ADDRESS": "1000000/min",
            "THROTTLE_READS": "1000000/min",
            "PROVIDER_PRIVATE_HOSTS": "127.0.0.1",
            **env,
        }
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self, session: aiohttp.ClientSession) -> None:
        """Start it; raise DidNotStart."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path = self.folder / "up.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(  # nosec B603 - our own command
                [sys.executable, "manage.py", "up"],
                cwd=PROJECT_DIR,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # Killed with whoever rehearses; its guard then ends everything that it started.
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        give_up_at = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up_at and self.process.poll() is None:
            try:
                async with session.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.sleep(0.5)
        self.stop()
        raise DidNotStart(self.log_path.read_text(errors="replace")[-3000:])

    def stop(self) -> None:
        """Drain it, and end it when that takes too long."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    # --- What it uses -------------------------------------------------------------------------------

    def usage(self) -> dict[str, tuple[float, int]]:
        """Return CPU seconds so far and bytes of memory now, by process.

        What a process has started, as its sandboxes, is named after it: `worker-prepare children`. CPU of those that
        have ended meanwhile is in it.
        """
        parents = {}
        for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except (OSError, ValueError):
                    continue
        try:
            named = json.loads((self.var_dir / "run" / "children.json").read_text())
        except (OSError, ValueError):
            return {}
        names = {process_id: name for name, process_id in named.items()}
        used: dict[str, tuple[float, int]] = {}
        for process_id in parents:
            if name := _owner(process_id, parents, names):
                own = name if process_id in names else f"{name} children"
                for title, seconds, memory in (
                    (own, cpu_seconds(process_id), _memory(process_id)),
                    (f"{name} children", _cpu_of_ended_children(process_id), 0),
                ):
                    so_far = used.get(title, (0.0, 0))
                    used[title] = so_far[0] + seconds, so_far[1] + memory
        return used

    async def honest_films(self, session: aiohttp.ClientSession) -> None:
        """Let every cloud return films of three megabytes."""
        for vendor in ("wavespeed", "replicate", "fal"):
            body = {"results": {"film_bytes": HONEST_FILM_BYTES}}
            async with session.post(f"{self.simulator_url}/control/{vendor}", json=body) as answer:
                answer.raise_for_status()

    async def clouds(self, session: aiohttp.ClientSession) -> dict[str, Any]:
        """Return what the simulated clouds counted, by provider."""
        async with session.get(f"{self.simulator_url}/control/state") as answer:
            return (await answer.json())["providers"]

    @property
    def simulator_url(self) -> str:
        return json.loads((self.var_dir / "run" / "endpoints.json").read_text())["simulator_url"]

    # --- What becomes of it ---------------------------------------------------------------------------

    def ledger(self) -> dict[str, Any]:
        """Return what `manage.py ledger` says when everything has come to rest, and its exit code."""
        done = self._manage("ledger", "--json", "--settled", "--grace", "0")
        try:
            found = json.loads(done.stdout)
        except ValueError:
            found = {"said": (done.stdout + done.stderr)[-2000:]}
        return {"exit_code": done.returncode, **found}

    def begin_next_morning(self) -> int:
        """Let the time of every photo be over, as a day later; return how many jobs that are."""
        return int(self._manage("shell", "-v", "0", "-c", NEXT_MORNING).stdout.split()[-1])

    def not_erased(self) -> int:
        """Return how many ended jobs still have their photo or film."""
        return int(self._manage("shell", "-v", "0", "-c", NOT_ERASED).stdout.split()[-1])

    def photos_left(self) -> int:
        """Return how many files of photos there are."""
        kinds = (self.var_dir / "media" / kind for kind in ("raw", "clean", "preview"))
        return sum(1 for kind in kinds if kind.is_dir() for path in kind.rglob("*") if path.is_file())

    def _manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "manage.py", *arguments]
        return subprocess.run(  # noqa: S603 our own command
            argv, cwd=PROJECT_DIR, env=self.env, capture_output=True, text=True, check=False
        )


def _owner(process_id: int, parents: dict[int, int], names: dict[int, str]) -> str:
    """Return the name of the process that this one is or descends from; '' for a stranger."""
    while process_id > 1:
        if process_id in names:
            return names[process_id]
        process_id = parents.get(process_id, 0)
    return ""


def _cpu_of_ended_children(process_id: int) -> float:
    """Return the CPU seconds of the children that this process has waited for, and of theirs."""
    try:
        user, system = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[13:15]
    except (OSError, ValueError):
        return 0.0
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _memory(process_id: int) -> int:
    try:
        return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
