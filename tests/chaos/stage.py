"""The whole product for a storm: two web processes behind a front, four workers, two reconcile, studio, servers, disks.

Everything is started again when it dies. The disks are small and its own where this user may mount them; the
workers' and reconcile's wall clocks can be stepped where there is a C compiler.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
import requests

from jobs.models import JobEvent, WebhookDelivery
from providers.models import ProviderConfig
from selfiehero.environment import PROJECT_DIR
from selfiehero.supervisor.valkey import EmbeddedValkey
from tests.chaos.cast import Cast, Member
from tests.chaos.clock import Clocks
from tests.chaos.disks import Disk
from tests.chaos.front import Front
from tests.support.postgres import FAST, Postgres, has_database
from tests.support.processes import free_port, wait_for
from tests.support.rig import ALIAS, CLOUDS, Rig
from tests.support.valkey import answers

WEB = ("web-1", "web-2")
WORKERS = ("worker-prepare", "worker-dispatch-1", "worker-dispatch-2", "worker-collect")
RECONCILE = ("reconcile-1", "reconcile-2")
PRODUCT = (*WEB, *WORKERS, *RECONCILE, "studio")
VALKEY, POSTGRES = "valkey", "postgres"
VAR_MEGABYTES, MEDIA_MEGABYTES, POSTGRES_MEGABYTES = 256, 384, 384
SLOTS = 8
FAKE_RENDERER = "tests.support.fake_renderer:Renderer"
# What a storm's PostgreSQL is started with besides: few connections to run out of, little log on a small disk.
# Crash recovery is part of the game, so nothing of its safety is switched off.
SAFE = (*(choice for choice in FAST if choice.split("=")[0] == "shared_buffers"), "max_connections=60")
SAFE += ("min_wal_size=32MB", "max_wal_size=64MB", "superuser_reserved_connections=3")
# The clouds on an ordinary bad day.
WEATHER: dict[str, Any] = {
    "times": {"answer": {"uniform": [0.02, 0.2]}, "duration": {"uniform": [0.3, 1.5]}},
    "limits": {"concurrent": SLOTS, "strict": True, "retry_after": "seconds"},
    "fetch_photo": True,
    "faults": {
        "submit": [
            {"fault": "status", "status": 503, "probability": 0.02},
            {"fault": "busy", "retry_after": "seconds", "seconds": 2, "probability": 0.02},
            {"fault": "lose_answer", "probability": 0.02},
        ],
        "webhook": [
            {"fault": "lost", "probability": 0.1},
            {"fault": "duplicated", "copies": 4, "probability": 0.1},
            {"fault": "late", "seconds": 4, "probability": 0.05},
        ],
        "outcome": [{"fault": "fail", "probability": 0.02}],
        "film": [{"fault": "truncated", "probability": 0.02}, {"fault": "status", "status": 500, "probability": 0.02}],
    },
}


class Stage(Rig):
    """`with Stage(folder, database="sqlite") as stage:` runs it all; `stage.cast` is who plays."""

    def __init__(self, folder: Path, *, database: str) -> None:
        super().__init__(
            folder,
            studio=True,
            STUDIO_RENDERER=FAKE_RENDERER,
            STUDIO_RENDERERS="2",
            JOB_DEADLINE_MINUTES="15",
            THROTTLE_UPLOADS="100000/min",
            THROTTLE_UPLOADS_ADDRESS="100000/min",
            THROTTLE_READS="100000/min",
        )
        self.database = database
        self.facts: dict[str, str] = {}  # what a check found out besides

    def _set_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.var_disk = self._exits.enter_context(Disk(self.var_dir, megabytes=VAR_MEGABYTES))
        self.media_disk = self._exits.enter_context(Disk(self.var_dir / "media", megabytes=MEDIA_MEGABYTES))
        self.database_disk = self.var_disk
        own = self._exits.enter_context(tempfile.TemporaryDirectory(prefix="storm-"))
        self.own = Path(own)
        self.clocks = Clocks(self.own)
        self.cast = self._exits.enter_context(Cast(self.folder))
        if self.database == "postgres":
            self.database_url = self._start_postgres()
        super()._set_up()
        self.web_ports = [free_port(), free_port()]
        self._exits.enter_context(Front(self.port, self.web_ports))
        self._raise_curtain()

    def _start_postgres(self) -> str:
        root = self.own / "postgres"
        root.mkdir()
        self.own.chmod(0o755)
        self.database_disk = self._exits.enter_context(Disk(root / "data", megabytes=POSTGRES_MEGABYTES))
        self.postgres = server = Postgres(root, *SAFE)
        self.cast.add(Member(POSTGRES, server.argv, choices=server.choices, stop_signal=signal.SIGINT))
        wait_for(lambda: has_database(server.url), "PostgreSQL to answer", seconds=60)
        return server.url

    def _start_valkey(self) -> None:
        server = EmbeddedValkey(
            data_dir=self.own / "valkey", config_path=self.own / "valkey.conf", socket_path=self.own / "valkey.sock"
        )
        self.redis_url = server.url
        self.cast.add(Member(VALKEY, list(server.argv), before_start=server.prepare, stop_signal=signal.SIGINT))
        wait_for(lambda: answers(server.url), "Valkey to answer")

    def _raise_curtain(self) -> None:
        """Make the providers and start all processes; return when uploads are taken."""
        self.collect_static()
        for order, vendor in enumerate(CLOUDS, start=1):
            self.simulator.set(vendor, **WEATHER)
            self.add_provider(vendor, order=order, max_concurrent=SLOTS, silence=timedelta(seconds=3))
        # Two silent films are no reason to make the studio wait for minutes: a storm is short.
        ProviderConfig.objects.using(ALIAS).filter(slug="studio").update(attempt_deadline=timedelta(seconds=60))
        for name, port in zip(WEB, self.web_ports, strict=True):
            self._add(name, "serve", "--port", str(port))
        for name in WORKERS:
            self._add(name, "worker", name.split("-")[1])
        for name in RECONCILE:
            self._add(name, "reconcile")
        self._add("studio", "studio", "--port", self.env["STUDIO_URL"].rpartition(":")[2])
        wait_for(lambda: all(self.web_answers(port) for port in self.web_ports), "the web processes", seconds=120)
        for name in PRODUCT:
            self.cast.wait_until_up(name, seconds=60)

    def _add(self, name: str, *arguments: str) -> None:
        clock = self.clocks.env_for(name) if name in (*WORKERS, *RECONCILE) else {}
        argv = [sys.executable, "manage.py", *arguments]
        self.cast.add(Member(name, argv, env={**self.env, **clock}, choices={"cwd": PROJECT_DIR}))

    def stop_all(self) -> None:
        if hasattr(self, "cast"):
            self.cast.end()

    def events(self) -> Any:
        return JobEvent.objects.using(ALIAS)

    def deliveries(self) -> Any:
        return WebhookDelivery.objects.using(ALIAS)

    def web_answers(self, port: int | None = None) -> bool:
        try:
            with requests.Session() as session:
                session.trust_env = False
                url = f"http://127.0.0.1:{port or self.port}/healthz"
                return session.get(url, timeout=2).status_code == 200
        except requests.RequestException:
            return False

    @contextlib.contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        """A client of this storm's Valkey, patient enough for its bad moments."""
        with contextlib.closing(redis.Redis.from_url(self.redis_url, socket_timeout=5)) as client:
            yield client

    def keep_evidence(self, into: Path) -> None:
        """Copy the logs, and the rows as JSON, to where they outlive the storm."""
        into.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob("*.log"):
            shutil.copy(path, into / path.name)
        self.run_manage("dumpdata", "jobs", "providers", "notifications", "--output", str(into / "rows.json"))

    def run_manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the product's to its end, whatever it ends with."""
        env = {name: value for name, value in {**os.environ, **self.env}.items() if value is not None}
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], env=env, cwd=PROJECT_DIR, capture_output=True, text=True
        )

    def run_python(self, code: str) -> str:
        """Run a few lines inside the product and return what they print."""
        done = self.run_manage("shell", "-c", code)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
