"""The product's processes one by one, with a database, a Valkey and a simulator of their own.

    with Rig(tmp_path) as rig:
        rig.add_provider("wavespeed", max_concurrent=3)
        job_ids = rig.queue_jobs(300)
        rig.start_all(dispatch=16)
        rig.wait_until_final(job_ids)
        rig.simulator.ledger()

Rows are made and read over a second database alias of the test process, so no process of the rig is needed to look.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from django.conf import settings
from django.db import connections
from django.utils import timezone

from jobs.looks.shipped import SHIPPED
from jobs.models import Attempt, Job, JobEvent, Lane, Look
from providers import registry
from providers.models import ProviderConfig
from providers.types import Account
from selfiehero.environment import PROJECT_DIR
from tests.support.made_once import made_once
from tests.support.processes import free_port, start_process, stop_process, wait_for
from tests.support.product import prepared_var, product_env
from tests.support.simulator import SimulatorProcess
from tests.support.valkey import mortal_valkey

ALIAS = "rig"
CLOUDS = ("wavespeed", "replicate", "fal")
OWNERS = 50
KEY = "key-of-the-rig"
PATHS = {"wavespeed": "/wavespeed/api/v3", "replicate": "/replicate/v1", "fal": "/fal"}


class Clouds(SimulatorProcess):
    """The simulator as the rig needs it."""

    def set(self, vendor: str, **behaviour: Any) -> None:
        """Let a vendor behave like this and otherwise by default."""
        self.control("PUT", vendor, behaviour)

    def forget_scripted(self, vendor: str) -> None:
        self.control("DELETE", f"{vendor}/next")

    def accepted(self) -> int:
        """Return how many predictions were made, at all vendors."""
        return sum(found["accepted"] for found in self.control("GET", "state")["providers"].values())

    def arrivals(self, vendor: str) -> list[float]:
        """Return when each creation arrived, in seconds of the system's monotonic clock."""
        return [entry["at"] for entry in self.entries(vendor, fields="at")]

    def base_url(self, vendor: str) -> str:
        return self.url + PATHS[vendor]

    def secrets(self, vendor: str) -> list[str]:
        """Return what this vendor's webhooks are signed with, learned as the product does."""
        return list(registry.adapter_for(vendor).learn_secrets(Account("rig", self.base_url(vendor), api_key=KEY)))


class Rig:
    """Everything runs until the rig ends; whatever was killed stays dead unless it is started again."""

    def __init__(self, folder: Path, *, database_url: str = "", studio: bool = False, **env: str) -> None:
        self.folder, self.var_dir = folder, folder / "var"
        self.database_url = database_url
        self.wants_studio = studio
        self.more_env = env
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, list[subprocess.Popen]] = {}
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Rig:
        try:
            self._set_up()
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()
        self._exits.close()

    def _set_up(self) -> None:
        for name in ("media/clean", "tmp", "run", "log"):
            (self.var_dir / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "simulator").mkdir()
        self.simulator = self._exits.enter_context(Clouds(self.folder / "simulator"))
        self._start_valkey()
        self.env = product_env(
            **{
                "VAR_DIR": str(self.var_dir),
                "PORT": str(self.port),
                "REDIS_URL": self.redis_url,
                "SECRET_KEY": settings.SECRET_KEY,
                "FIELD_KEYS": ",".join(settings.FIELD_KEYS),
                "STUDIO": "0",
                "STUDIO_DIR": str(self.var_dir / "studio"),
                "PYTHONDONTWRITEBYTECODE": "1",
                **self.more_env,
            }
        )
        if self.database_url:
            self.env["DATABASE_URL"] = self.database_url
        else:
            self.env["DATABASE_URL"] = None
        if self.wants_studio:
            self.env["STUDIO_URL"] = f"http://127.0.0.1:{free_port()}"
        if self.database_url or self.wants_studio:
            self._fill_database()
        else:
            shutil.copy(made_once("database", self._fill_database_in) / "db.sqlite3", self.var_dir)
        self._exits.enter_context(self._second_alias())

    def _fill_database(self, **env: str) -> None:
        self.manage("migrate", "--verbosity", "0", **env)
        if self.database_url:
            self.manage("flush", "--no-input", **env)  # a server outlives a rig
        self.manage("seed", "--no-admin", **env)

    def _fill_database_in(self, folder: Path) -> None:
        self._fill_database(VAR_DIR=str(folder))

    def _start_valkey(self) -> None:
        self.valkey = self._exits.enter_context(mortal_valkey())
        self.redis_url = self.valkey.url

    @contextlib.contextmanager
    def _second_alias(self) -> Iterator[None]:
        assert ALIAS not in connections.settings, "one rig at a time"
        if self.database_url:
            connections.settings[ALIAS] = connections.configure_settings(
                {ALIAS: dj_database_url.parse(self.database_url), "default": {}}
            )[ALIAS]
        else:
            own = {"NAME": str(self.var_dir / "db.sqlite3"), "TEST": {}}
            connections.settings[ALIAS] = {**connections.settings["default"], **own}
        try:
            yield
        finally:
            connections[ALIAS].close()
            del connections[ALIAS]
            del connections.settings[ALIAS]

    def collect_static(self) -> None:
        """Bring together what pages and addresses of pictures need."""
        shutil.copytree(prepared_var() / "static", self.var_dir / "static", dirs_exist_ok=True)

    def close_alias(self) -> None:
        """Let go of the test's own connection, so that the database may be stopped."""
        connections[ALIAS].close()

    # --- Rows ------------------------------------------------------------------------------------

    def add_provider(self, vendor: str, *, slug: str = "", **values: Any) -> ProviderConfig:
        """Make a provider row that points at the simulator; `vendor` is wavespeed, replicate or fal."""
        fields = {
            "title": vendor.title(),
            "adapter": vendor,
            "order": 10,
            "base_url": self.simulator.base_url(vendor),
            "photo_transport": "url",
            "result_hosts": ["127.0.0.1"],
            "api_key": KEY,
            "webhook_secrets": self.simulator.secrets(vendor),
            "max_concurrent": 3,
            "max_per_minute": 10_000,
            "connect_timeout": timedelta(seconds=2),
            "submit_timeout": timedelta(seconds=3),
            "silence": timedelta(seconds=5),
            "attempt_deadline": timedelta(seconds=60),
            "proven_at": timezone.now(),  # until its first film a new provider gets one job at a time
        }
        return ProviderConfig.objects.using(ALIAS).create(slug=slug or vendor, **fields | values)

    def queue_jobs(self, count: int, *, photo: bytes = b"\xff\xd8\xff photo", **values: Any) -> list[uuid.UUID]:
        """Put jobs with a clean photo in the dispatch line, from fifty people in turn."""
        now = timezone.now()
        look = Look.objects.using(ALIAS).get(slug=SHIPPED[0]["slug"])
        jobs = []
        for number in range(count):
            key = f"clean/{secrets.token_hex(16)}.jpg"
            (self.var_dir / "media" / key).write_bytes(photo)
            created_at = now + timedelta(microseconds=number)
            fields = {
                "id": uuid.uuid4(),
                "owner": f"v:{number % OWNERS:064x}",
                "look": look,
                "stage": Job.Stage.WAITING_FOR_SLOT,
                "lane": Lane.DISPATCH,
                "due_at": now,
                "clean_key": key,
                "photo_sha256": "0" * 64,
                "consent_version": "tests",
                "consent_sha256": "0" * 64,
                "consent_language": "en",
                "consent_age": 16,
                "consent_at": now,
                "created_at": created_at,
                "deadline_at": now + timedelta(minutes=20),
                "erase_at": now + timedelta(days=1),
            }
            if hasattr(Job, "turn_at"):
                fields["turn_at"] = created_at
            jobs.append(Job(**fields | values))
        Job.objects.using(ALIAS).bulk_create(jobs, batch_size=200)
        events = [JobEvent(job=job, seq=1, kind="accepted", at=now, data={}) for job in jobs]
        JobEvent.objects.using(ALIAS).bulk_create(events, batch_size=500)
        return [job.id for job in jobs]

    def jobs(self) -> Any:
        return Job.objects.using(ALIAS)

    def attempts(self) -> Any:
        return Attempt.objects.using(ALIAS)

    def provider(self, slug: str) -> ProviderConfig:
        return ProviderConfig.objects.using(ALIAS).get(slug=slug)

    def update_provider(self, slug: str, **values: Any) -> None:
        ProviderConfig.objects.using(ALIAS).filter(slug=slug).update(**values)

    def forgive(self, slug: str) -> None:
        """Let a provider start anew: nothing that failed before counts."""
        self.update_provider(
            slug,
            rate_limited_until=None,
            rate_limited_reason="",
            breaker_until=None,
            breaker_reason="",
            probe_until=None,
            consecutive_failures=0,
            spoiled_films=0,
        )

    def counts(self) -> Counter:
        """Return how many jobs there are of each status."""
        return Counter(self.jobs().values_list("status", flat=True))

    def wait_until_final(self, *, seconds: float, every: float = 0.25) -> Counter:
        """Return the counts once every job has ended; fail with what is still open."""

        def ended() -> bool:
            return not self.jobs().is_open().exists()

        try:
            wait_for(ended, "all jobs to end", seconds=seconds, every=every)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from None
        return self.counts()

    def describe(self) -> str:
        """Return where everything stands, for a failing test."""
        stages = Counter(self.jobs().is_open().values_list("stage", "lane"))
        attempts = Counter(self.attempts().values_list("provider__slug", "status", "error_code"))
        tails = {
            path.name: path.read_text(errors="replace")[-1500:] for path in sorted((self.folder).glob("*.log"))[:12]
        }
        lines = [f"jobs {dict(self.counts())} open {dict(stages)}", f"attempts {dict(attempts)}"]
        return "\n".join(lines + [f"── {name}\n{text}" for name, text in tails.items() if text.strip()])

    def assert_each_has_one_film(self, count: int) -> None:
        """All jobs succeeded, each by exactly one attempt."""
        assert self.counts() == {Job.Status.SUCCEEDED: count}, self.describe()
        winners = self.attempts().filter(status=Attempt.Status.SUCCEEDED)
        assert winners.count() == count
        assert winners.values("job_id").distinct().count() == count

    def assert_no_slot_leaks(self) -> None:
        """What was given up keeps its slot until its provider was told; then nothing holds one."""
        held = self.attempts().filter(slot_held=True)
        wait_for(lambda: not held.exists(), f"slots to be free: {list(held.values())}", seconds=30)

    # --- Processes -------------------------------------------------------------------------------

    def start_all(self, *, dispatch: int = 1, collect: int = 1, reconcile: int = 1) -> None:
        """Start a web process for webhooks and photos, and so many of each of the others."""
        self.start("web")
        wait_for(self.answers, "the web process to answer", seconds=60)
        if self.wants_studio:
            self.start("studio")
        for name, count in (("dispatch", dispatch), ("collect", collect), ("reconcile", reconcile)):
            for _ in range(count):
                self.start(name)

    def start(self, name: str) -> subprocess.Popen:
        commands = {
            "web": ["serve"],
            "reconcile": ["reconcile"],
            "studio": ["studio", "--port", (self.env.get("STUDIO_URL") or ":0").rpartition(":")[2]],
        }
        arguments = commands.get(name) or ["worker", name]
        process = start_process(
            [sys.executable, "manage.py", *arguments],
            log_path=self.folder / f"{name}.log",
            env=self.env,
            cwd=PROJECT_DIR,
        )
        self.processes.setdefault(name, []).append(process)
        return process

    def alive(self, name: str) -> list[subprocess.Popen]:
        return [process for process in self.processes.get(name, []) if process.poll() is None]

    def kill(self, process: subprocess.Popen) -> None:
        """End a process at once, with everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def stop(self, name: str) -> None:
        for process in self.alive(name):
            process.send_signal(signal.SIGTERM)
        for process in self.processes.pop(name, []):
            stop_process(process, signal.SIGTERM, patience=10)

    def stop_all(self) -> None:
        for name in list(self.processes):
            for process in self.alive(name):
                process.send_signal(signal.SIGTERM)
        for name in list(self.processes):
            self.stop(name)

    def answers(self) -> bool:
        import requests

        try:
            return requests.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def manage(self, *arguments: str, **more_env: str) -> None:
        """Run a command of the product's to its end."""
        env = {name: value for name, value in {**os.environ, **self.env, **more_env}.items() if value is not None}
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], env=env, cwd=PROJECT_DIR, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def tracebacks(self) -> list[str]:
        """Return the logs that hold a traceback."""
        return [path.name for path in self.folder.glob("*.log") if "Traceback (most recent" in path.read_text()]


def cpu_seconds(processes: Iterable[subprocess.Popen]) -> float:
    """Return the CPU time these processes and the children they waited for have used so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for process in processes:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(value) for value in fields[11:15]) / ticks
    return total
