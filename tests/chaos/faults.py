"""What can happen to the product in a storm. One entry of KINDS is one row of the README's table.

A fault is a context: what is before its `yield` hurts, what is after it heals. It yields what it did, in a few words;
`Impossible` says why it cannot be done on this machine, and the report repeats it.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import redis

from tests.chaos.disks import Disk
from tests.chaos.stage import POSTGRES, PRODUCT, RECONCILE, VALKEY, WEB, WORKERS, Stage
from tests.support.processes import wait_for
from tests.support.valkey import answers

CLOCK_STEP = 600
SIGNS_SECONDS = 60.0


class Impossible(Exception):
    """This fault cannot be made here; the message says why."""


Context = Callable[[Stage, str, float], contextlib.AbstractContextManager[str]]


@dataclass(frozen=True)
class Kind:
    """One kind of fault. `{}` in `touches` is its target."""

    name: str
    make: Context
    targets: tuple[str, ...] = ("",)
    touches: tuple[str, ...] = ("{}",)
    seconds: float = 0.0
    short_seconds: float = 0.0
    rest: float = 5.0  # before the same thing is hurt again
    only_on: str = ""

    def touching(self, target: str) -> tuple[str, ...]:
        return tuple(thing.format(target) for thing in self.touches)


# --- Processes -------------------------------------------------------------------------------------


@contextlib.contextmanager
def killed(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    before = stage.cast.kill(target)
    yield "SIGKILL to it and its children"
    stage.cast.wait_until_up(target, after=before)


@contextlib.contextmanager
def killed_alone(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    before = stage.cast.kill(target, alone=True)
    yield "SIGKILL to it alone; its children have to notice"
    stage.cast.wait_until_up(target, after=before)


@contextlib.contextmanager
def terminated(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    before = stage.cast.terminate(target)
    yield "SIGTERM"
    stage.cast.wait_until_up(target, after=before, seconds=SIGNS_SECONDS)


@contextlib.contextmanager
def frozen(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    """Longer than its leases: what it held is taken over, and it wakes up in the middle of its work."""
    member = stage.cast.wait_until_up(target)
    process = member.process
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(seconds)
        yield f"SIGSTOP, SIGCONT after {seconds:.0f} s"
    finally:
        process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def clock_stepped(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    if stage.clocks.why_not:
        raise Impossible(stage.clocks.why_not)
    stage.clocks.step(target, CLOCK_STEP)
    try:
        time.sleep(seconds / 2)
        stage.clocks.step(target, -CLOCK_STEP)
        time.sleep(seconds / 2)
        yield "its clock went 10 minutes ahead, then 10 minutes back"
    finally:
        stage.clocks.step(target, 0)


@contextlib.contextmanager
def rolled(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    names = [name for name in stage.cast.members if name not in (VALKEY, POSTGRES)]
    for name in names:
        before = stage.cast.terminate(name)
        stage.cast.wait_until_up(name, after=before, seconds=SIGNS_SECONDS)
        if name in WEB:
            port = stage.web_ports[WEB.index(name)]
            wait_for(lambda port=port: stage.web_answers(port), f"{name} to answer", seconds=SIGNS_SECONDS)
    yield f"SIGTERM to each of {len(names)} processes, one after the other"


# --- Valkey ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def valkey_killed(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    before = stage.cast.kill(VALKEY)
    yield "SIGKILL"
    stage.cast.wait_until_up(VALKEY, after=before)
    wait_for(lambda: answers(stage.redis_url), "Valkey to answer", seconds=30)


@contextlib.contextmanager
def valkey_emptied(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    with stage.redis() as client:
        client.flushall()
    yield "FLUSHALL"


@contextlib.contextmanager
def valkey_hung(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    stage.cast.signal(VALKEY, signal.SIGSTOP)
    try:
        time.sleep(seconds)
        yield f"SIGSTOP for {seconds:.0f} s: it takes connections and says nothing"
    finally:
        stage.cast.signal(VALKEY, signal.SIGCONT)


@contextlib.contextmanager
def valkey_flapping(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    end, times = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        before = stage.cast.kill(VALKEY)
        stage.cast.wait_until_up(VALKEY, after=before)
        times += 1
        time.sleep(0.5)
    yield f"killed and started {times} times in {seconds:.0f} s"
    wait_for(lambda: answers(stage.redis_url), "Valkey to answer", seconds=30)


@contextlib.contextmanager
def valkey_full(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    with stage.redis() as client:
        client.config_set("maxmemory", "1")
    try:
        time.sleep(seconds)
        yield f"maxmemory 1 byte for {seconds:.0f} s: every write is refused"
    finally:
        with contextlib.suppress(redis.RedisError), stage.redis() as client:
            client.config_set("maxmemory", "0")


# --- Database --------------------------------------------------------------------------------------


@contextlib.contextmanager
def database_locked(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    connection = sqlite3.connect(stage.var_dir / "db.sqlite3", isolation_level=None, timeout=30)
    with contextlib.closing(connection):
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        yield f"another connection held the write lock for {seconds:.0f} s"
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def postgres_restarted(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    before = stage.cast.terminate(POSTGRES)  # SIGINT: PostgreSQL's fast shutdown, as `pg_ctl restart -m fast`
    yield "restarted (fast shutdown)"
    _wait_for_postgres(stage, before)


@contextlib.contextmanager
def postgres_killed(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    before = stage.cast.kill(POSTGRES)
    yield "SIGKILL to it and its children; recovers from its log"
    _wait_for_postgres(stage, before)


@contextlib.contextmanager
def postgres_out_of_connections(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    taken: list[psycopg.Connection] = []
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            try:
                taken.append(psycopg.connect(stage.postgres.url, connect_timeout=2))
            except psycopg.OperationalError:
                time.sleep(0.2)  # whatever becomes free is taken too
        yield f"every free connection taken for {seconds:.0f} s ({len(taken)})"
    finally:
        for connection in taken:
            connection.close()


def _wait_for_postgres(stage: Stage, before: int) -> None:
    stage.cast.wait_until_up(POSTGRES, after=before, seconds=60)

    def accepts() -> bool:
        try:
            psycopg.connect(stage.postgres.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_for(accepts, "PostgreSQL to take connections", seconds=60, every=0.2)


# --- Disks -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def media_full(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    with _full(stage.media_disk, seconds) as done:
        yield done


@contextlib.contextmanager
def database_disk_full(stage: Stage, target: str, seconds: float) -> Iterator[str]:
    with _full(stage.database_disk, seconds) as done:
        yield done
    if stage.database == "postgres":
        _wait_for_postgres(stage, 0)


@contextlib.contextmanager
def _full(disk: Disk, seconds: float) -> Iterator[str]:
    if disk.why_not:
        raise Impossible(disk.why_not)
    try:
        taken = disk.fill()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.5)
            taken = max(taken, disk.fill())  # whatever became free is taken too
        yield f"not a byte left for {seconds:.0f} s ({taken / 2**20:.0f} MB of ballast)"
    finally:
        disk.free()


ALL_WORKERS = (*WORKERS, *RECONCILE)
KINDS: tuple[Kind, ...] = (
    Kind("kill", killed, targets=PRODUCT),
    Kind("kill alone", killed_alone, targets=PRODUCT),
    Kind("terminate", terminated, targets=PRODUCT),
    Kind("freeze", frozen, targets=ALL_WORKERS, seconds=25, short_seconds=14),
    Kind("step clock", clock_stepped, targets=ALL_WORKERS, seconds=20, short_seconds=10),
    Kind("rolling restart", rolled, touches=("everything",), seconds=0, rest=20),
    Kind("Valkey killed", valkey_killed, touches=("valkey",)),
    Kind("Valkey emptied", valkey_emptied, touches=("valkey",)),
    Kind("Valkey hangs", valkey_hung, touches=("valkey",), seconds=60, short_seconds=12),
    Kind("Valkey flaps", valkey_flapping, touches=("valkey",), seconds=10, short_seconds=5),
    Kind("Valkey full", valkey_full, touches=("valkey",), seconds=15, short_seconds=8),
    Kind("database locked", database_locked, touches=("database",), seconds=8, short_seconds=5, only_on="sqlite"),
    Kind("PostgreSQL restarted", postgres_restarted, touches=("database",), only_on="postgres"),
    Kind("PostgreSQL killed", postgres_killed, touches=("database",), only_on="postgres"),
    Kind(
        "PostgreSQL out of connections",
        postgres_out_of_connections,
        touches=("database",),
        seconds=10,
        short_seconds=8,
        only_on="postgres",
    ),
    Kind("database disk full", database_disk_full, touches=("database", "media"), seconds=15, short_seconds=8),
    Kind("media disk full", media_full, touches=("media",), seconds=20, short_seconds=8),
)
