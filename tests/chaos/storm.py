"""One storm: start everything, send load, strike by the plan, heal, let it settle, check the laws.

**Recovery** of a fault is the time from the moment it is healed (the process started again, the server let go, the
disk freed) until a photo sent in that moment has its film, while the load and the other faults go on. A whole way
without any fault takes about two seconds; a probe before the first fault says how long here (`Result.calm`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import Error, connections

from tests.chaos.checks import LAWS, Law, nobody_outlives_a_parent
from tests.chaos.faults import Impossible
from tests.chaos.load import Ledger, Load
from tests.chaos.plan import Blow
from tests.chaos.stage import Stage
from tests.support.processes import wait_for
from tests.support.rig import ALIAS, CLOUDS

# So long may everything take to end once nothing hurts any more: a lost answer waits for its attempt's deadline.
SETTLE_SECONDS = 240.0
LEAKS_SECONDS = 120.0
PROBE_SECONDS = 240.0
# Visitors wait outside while so many films are under way.
MOST_OPEN = 120
FIRST_PROBE = 1_000  # visitors below that number are the load's


@dataclass
class Struck:
    """What became of one blow."""

    blow: Blow
    did: str = ""
    impossible: str = ""
    error: str = ""
    recovery: float | None = None


@dataclass
class Result:
    """What a storm came to; `broken` holds each broken law with its evidence."""

    seed: int
    database: str
    seconds: float
    struck: list[Struck] = field(default_factory=list)
    calm: list[float] = field(default_factory=list)
    jobs: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    answers: dict[tuple[str, int], int] = field(default_factory=dict)
    accepted: int = 0
    waits: list[float] = field(default_factory=list)
    settled: float | None = None
    submissions: int = 0
    broken: dict[str, list[str]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_fine(self) -> bool:
        return not self.broken


def run(
    folder: Path,
    plan: list[Blow],
    *,
    seed: int,
    seconds: float,
    database: str,
    per_second: float,
    say: Callable[[str], None],
    logs: Path | None = None,
) -> Result:
    """Let a storm rage and return what it came to. The logs are copied to `logs` when a law is broken."""
    result = Result(seed, database, seconds)
    ledger = Ledger(folder / "answers.jsonl")
    stage = Stage(folder / "stage", database=database)
    with stage:
        say("everything runs")
        load = Load(stage.url, ledger, seed=seed, per_second=per_second)
        with load:
            blows = _strike(stage, load, plan, result, seconds=seconds, say=say)
        say(f"{seconds:6.1f} s  the load ends; everything has time to settle")
        ended_at = time.monotonic()
        for thread in blows:
            thread.join()
        connections[ALIAS].close()
        result.settled = _settle(stage, since=ended_at)
        connections[ALIAS].close()
        _count(stage, ledger, result)
        _judge(stage, ledger, result, LAWS)
        result.facts |= stage.facts | {"killed 20 s after SIGTERM": dict(stage.cast.stubborn)} | _tracebacks(stage)
        if result.broken and logs:
            stage.keep_evidence(logs)
    _judge(stage, ledger, result, (nobody_outlives_a_parent,))
    ledger.close()
    if result.broken and logs:
        (logs / ledger.path.name).write_bytes(ledger.path.read_bytes())
    return result


def _strike(
    stage: Stage, load: Load, plan: list[Blow], result: Result, *, seconds: float, say: Callable[[str], None]
) -> list[threading.Thread]:
    """Strike by the plan while the load goes on; return the threads that still wait for their probes."""
    started = time.monotonic()

    def look_while_it_is_calm() -> None:
        if (took := load.probe(number=FIRST_PROBE, seconds=PROBE_SECONDS)) is not None:
            result.calm.append(took)

    threads = [threading.Thread(target=look_while_it_is_calm, name="calm")]
    threads[0].start()
    for number, blow in enumerate(plan, start=FIRST_PROBE + 1):
        _wait_and_watch(stage, load, until=started + blow.at)
        struck = Struck(blow)
        result.struck.append(struck)
        thread = threading.Thread(target=_blow, args=(stage, load, struck, number, started, say), name=str(blow))
        thread.start()
        threads.append(thread)
    _wait_and_watch(stage, load, until=started + seconds)
    return threads


def _wait_and_watch(stage: Stage, load: Load, *, until: float) -> None:
    """Wait, and send no uploads while the queue is long."""
    while (left := until - time.monotonic()) > 0:
        try:
            is_crowded = stage.jobs().is_open().count() > MOST_OPEN
        except Error:  # away, or away in the middle of an answer
            connections[ALIAS].close()
        else:
            (load.is_crowded.set if is_crowded else load.is_crowded.clear)()
        time.sleep(min(1.0, left))


def _blow(stage: Stage, load: Load, struck: Struck, number: int, started: float, say: Callable[[str], None]) -> None:
    blow = struck.blow
    try:
        with blow.kind.make(stage, blow.target, blow.seconds) as struck.did:
            say(f"{time.monotonic() - started:6.1f} s  {blow.kind.name} {blow.target}: {struck.did}")
        struck.recovery = load.probe(number=number, seconds=PROBE_SECONDS)
        if struck.recovery is None:
            struck.error = f"no film within {PROBE_SECONDS:.0f} s"
    except Impossible as reason:
        struck.impossible = str(reason)
    except Exception as error:
        struck.error = f"{type(error).__name__}: {error}"[:500]
    if struck.impossible or struck.error:
        say(f"{time.monotonic() - started:6.1f} s  {blow.kind.name} {blow.target}: {struck.impossible or struck.error}")


def _settle(stage: Stage, *, since: float) -> float | None:
    """Wait until all jobs have ended and nothing is held any more; return how long after `since` the last one ended."""

    def ended() -> bool:
        return not stage.jobs().is_open().exists()

    def let_go() -> bool:
        return not stage.attempts().filter(slot_held=True).exists()

    try:
        wait_for(ended, "all jobs to end", seconds=SETTLE_SECONDS, every=0.5)
        took = time.monotonic() - since
        wait_for(let_go, "all slots to be free", seconds=LEAKS_SECONDS, every=0.5)
    except AssertionError:
        return None
    finally:
        for vendor in CLOUDS:
            stage.simulator.set(vendor)
        time.sleep(2.0)  # deliveries that came meanwhile are applied, news of the last provider cleanups written
    return took


def _count(stage: Stage, ledger: Ledger, result: Result) -> None:
    result.jobs = stage.counts()
    result.failures = Counter(stage.jobs().filter(status="failed").values_list("failure_code", flat=True))
    result.answers = dict(ledger.answers)
    result.accepted = len({entry.job_id for entry in ledger.accepted})
    result.waits = sorted(ledger.waits)
    result.submissions = stage.simulator.accepted()


def _judge(stage: Stage, ledger: Ledger, result: Result, laws: tuple[Law, ...]) -> None:
    for law in laws:
        try:
            evidence = list(law(stage, ledger))
        except Exception as error:
            evidence = [f"the check itself failed: {type(error).__name__}: {error}"[:1000]]
        if evidence:
            result.broken[law.__name__] = evidence
    unhealed = [f"{one.blow.kind.name} {one.blow.target}: {one.error}" for one in result.struck if one.error]
    if unhealed:
        result.broken["everything_recovers"] = unhealed


def _tracebacks(stage: Stage) -> dict[str, Any]:
    """Return how often each kind of error was logged with a traceback, for whoever reads the report."""
    found: Counter[str] = Counter()
    for path in sorted(stage.folder.glob("*.log")):
        inside = False
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("Traceback (most recent"):
                inside = True
            elif inside and line and not line[0].isspace():
                if line.split(":")[0].replace(".", "").replace("_", "").isalnum():
                    found[f"{path.stem}: {line[:100]}"] += 1
                inside = False
    return {"tracebacks": dict(found.most_common(20))}
