"""The loop that repairs whatever is overdue. It needs the database and nothing else.

| state | owner | deadline | what happens then |
| --- | --- | --- | --- |
| in a lane, due | a pump | one tick after it is overdue | nudged again; worked here without Redis or without a pump |
| in a lane, claimed | the claim | `due_at` (the lease's end) | due again by itself |
| attempt submitting | the claim | `lease_until` | unconfirmed |
| attempt unconfirmed | reconcile | look-up, or the attempt's deadline | adopted, or back to the queue |
| attempt submitted, running | the provider | `poll_at`, then `deadline_at` | polled; timed out, canceled and replaced |
| delivery recorded | the collect pump | one tick after it is overdue | applied here |
| canceled or erased prediction | reconcile | `cleanup_at` | the provider is told to stop or forget |
| job open | all | `deadline_at` | failed with a reason |
| job later than was told | reconcile | every five seconds | told why (`ranges`) |
| job ended | retention | `erase_at` | erased |
| job ended, notification waiting | notify | `due_at` | sent, or given up |
| webhook secrets old, model cold | reconcile | `secrets_asked_at`, the last call | fetched, warmed (`maintenance`) |
| money committed to attempts that failed | reconcile | every few seconds | given back to the day's budget |
| more jobs than are worked off | reconcile | the backlog's limit | less is made, then fewer come in (`overload`) |
| sample film of a look version asked for | reconcile | `sample_asked_at` | made, fetched (`look_samples`) |
| connection test of a provider asked for | reconcile | `test_asked_at` | made, judged (`connection_tests`) |
| the host of a provider's address gone | reconcile | its heartbeats | the provider is retired (`routing.hosts`) |
| a minute has figures that changed | reconcile | every five seconds | counted again (`rollups`) |
| an operation of staff runs | reconcile | `due_at`, by its rate | its next jobs are worked, or it pauses (`bulk`) |
| something is wrong that people act on | reconcile | every ten seconds | told once, and when it ends (`alerts`) |
| anything else that is open | reconcile | every 15 seconds | put back in one of these states (`orphans`) |
| due, leased or blocked until a time that no step sets | reconcile | every 15 seconds | set to now (`clock_skew`) |

Each tick begins with one statement that says which of these there are (`due`); steps without work are left out.

Several processes may run at once: each step is a claim or a guarded update. Each kind of call to providers has a
thread of its own, so that a provider that hangs in one delays no lease, no deadline and no other kind of call.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection, transaction

from common.log_limiter import LogLimiter
from jobs import lifecycle, rollups
from jobs.clock import database_now
from jobs.lanes import ingest, polling, pumps
from jobs.models import Heartbeat, Lane
from jobs.overload.state import LoadMeter
from jobs.queue import engine, queues
from jobs.routing import hosts, limits

from . import clock_skew, connection_tests, look_samples, maintenance, orphans, ranges, retention
from .due import Due, late_jobs, overdue_in

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
# A worker without a heartbeat for three intervals is dead or hangs: its lane is worked here until it is back.
UNATTENDED = timedelta(seconds=3 * engine.HEARTBEAT_SECONDS)
RETENTION_EVERY_SECONDS = 30.0
UNREFERENCED_FILES_EVERY_SECONDS = 600.0
UNREFERENCED_IN_BUCKET_EVERY_SECONDS = 6 * 3600.0
SETTLE_EVERY_SECONDS = 5.0
# What providers without a budget spent is only shown.
SETTLE_ALL_EVERY_SECONDS = 60.0
ORPHANS_EVERY_SECONDS = 15.0
RANGES_EVERY_SECONDS = 5.0
ROLLUPS_EVERY_SECONDS = rollups.EVERY.total_seconds()
POLLING_THREADS = 48
# At the end, for its own threads; substitutes of workers have `pumps.SUBSTITUTE_STOP_SECONDS` to give back their items.
GOODBYE_SECONDS = 2.0
QUIET_SECONDS = 30.0


Step = Callable[[], object]


class Reconciler:
    """Ticks until told to stop."""

    def __init__(self, *beside: Callable[[], object]) -> None:
        """`beside` are steps of packages above this one; each is repeated in a thread of its own."""
        self.stopped = threading.Event()
        self._beside = beside
        self._threads = ThreadPoolExecutor(POLLING_THREADS, thread_name_prefix="polling")
        self._substitutes: dict[str, threading.Thread] = {}
        self._swept_at = 0.0
        self._swept_files_at = 0.0
        self._swept_bucket_at = float("-inf")
        self._beat_at = 0.0
        self._settled_at = 0.0
        self._ranges_at = float("-inf")
        self._settled_all_at = float("-inf")
        self._orphans_at = 0.0
        self._due = Due()
        self._load = LoadMeter()
        self._rollups, self._rollups_at = rollups.Writer(), 0.0

    def run(self) -> None:
        """Tick once a second; a failing step is logged and tried again with the next tick."""
        asking = [
            threading.Thread(
                target=self._repeat, args=(partial(self._do, step, questions),), name=step.__name__, daemon=True
            )
            for step, questions in (
                *self._calls(),
                (self._erase_due, ("erasures", "erasures of open jobs", "photos")),
                (self._sweep_bucket, ()),
                *((step, ()) for step in self._beside),
            )
        ]
        for thread in asking:
            thread.start()
        self._repeat(self.tick)
        substitutes = list(self._substitutes.values())
        deadline = time.monotonic() + GOODBYE_SECONDS
        for thread in asking:
            thread.join(max(0.0, deadline - time.monotonic()))
        deadline = time.monotonic() + pumps.SUBSTITUTE_STOP_SECONDS
        for thread in substitutes:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._threads.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Make `run` return, and substitutes finish or give back their items."""
        engine.stopping.set()
        self.stopped.set()

    def _repeat(self, step: Callable[[], None]) -> None:
        try:
            while not self.stopped.is_set():
                started = time.monotonic()
                step()
                close_old_connections()
                self.stopped.wait(max(0.05, TICK_SECONDS - (time.monotonic() - started)))
        finally:
            connection.close()

    def tick(self) -> None:
        """Run each step that needs no call to a provider once, if it has work."""
        _guarded(self._due.look)
        steps: tuple[tuple[Step, tuple[str, ...]], ...] = (
            (self._measure_load, ()),
            (self._renew_nudges, self._due.lanes()),
            (self._work_other_lanes, self._due.other_lanes()),
            (self._apply_deliveries, ("deliveries",)),
            (self._lapse_leases, ("lapsed leases",)),
            (self._give_up_late_attempts, ("late attempts",)),
            (self._end_late_jobs, ("late jobs",)),
            (self._show_warming_up, ("no sign of work",)),
            (self._explain_grown_ranges, ()),
            (self._settle_budgets, ()),
            (self._requeue_orphans, ()),
            (self._write_rollups, ()),
            (self._sweep, ()),
            (self._sweep_unreferenced_files, ()),
        )
        for step, questions in steps:
            _guarded(self._beat)  # between steps, so that one long step does not look like a hung process
            self._do(step, questions)

    def ask_providers(self) -> None:
        """Run each step that calls providers once, if it has work."""
        _guarded(self._due.look)
        for step, questions in self._calls():
            self._do(step, questions)

    def _calls(self) -> tuple[tuple[Step, tuple[str, ...]], ...]:
        return (
            (self._look_up, ("unconfirmed",)),
            (self._poll, ("silent",)),
            (self._run_provider_cleanups, ("unwanted",)),
            (self._keep_providers_ready, ("secrets", "kept warm", "connection tests")),
            (self._make_look_samples, ("look samples",)),
        )

    def _do(self, step: Step, questions: tuple[str, ...]) -> None:
        """Do a step if any of its questions has work."""

        def work() -> None:
            if self._due.has(*questions):
                step()

        _guarded(work, step.__name__)

    def _beat(self) -> None:
        if time.monotonic() - self._beat_at > engine.HEARTBEAT_SECONDS:
            self._beat_at = time.monotonic()
            engine.beat("reconcile")
            engine.retire_heartbeats()

    def _measure_load(self) -> None:
        self._load.tick(now=database_now())

    def _renew_nudges(self) -> None:
        now = database_now()
        for lane in Lane.values:
            if not overdue_in(lane, now=now).exists():
                continue
            if not queues.renew_nudge(lane):
                self._work_here(lane, "lane_without_redis")
            elif not _is_attended(lane, now=now):
                self._work_here(lane, "lane_without_worker")

    def _work_other_lanes(self) -> None:
        """Work the lanes of other apps (notify), which need no worker of their own."""
        now = database_now()
        for lane, due in pumps.others().items():
            if due(now).exists() and not (_is_attended(lane, now=now) and queues.renew_nudge(lane)):
                self._work_here(lane)

    def _work_here(self, lane: str, reason: str = "") -> None:
        """Work a lane in a thread of this process, because no nudge reaches a worker."""
        running = self._substitutes.get(lane)
        if running is None or not running.is_alive():
            if reason:
                logger.warning("%s lane=%s", reason, lane)
            thread = threading.Thread(target=_pump_once, args=(lane,), name=f"substitute-{lane}", daemon=True)
            self._substitutes[lane] = thread
            thread.start()

    def _apply_deliveries(self) -> None:
        ingest.apply_deliveries()

    def _lapse_leases(self) -> None:
        polling.lapse_leases(now=database_now())

    def _give_up_late_attempts(self) -> None:
        polling.give_up_late_attempts(now=database_now())

    def _look_up(self) -> None:
        polling.look_up_unconfirmed(self._threads, now=database_now())

    def _poll(self) -> None:
        polling.poll_silent(self._threads, now=database_now())

    def _run_provider_cleanups(self) -> None:
        polling.run_provider_cleanups(self._threads, now=database_now())

    def _keep_providers_ready(self) -> None:
        maintenance.learn_secrets(self._threads, now=database_now())
        maintenance.keep_warm(self._threads, now=database_now())
        connection_tests.advance(self._threads, now=database_now())

    def _make_look_samples(self) -> None:
        look_samples.advance(self._threads, now=database_now())

    def _show_warming_up(self) -> None:
        polling.show_warming_up(now=database_now())

    def _explain_grown_ranges(self) -> None:
        if time.monotonic() - self._ranges_at > RANGES_EVERY_SECONDS:
            self._ranges_at = time.monotonic()
            ranges.explain_grown(now=database_now())

    def _settle_budgets(self) -> None:
        if time.monotonic() - self._settled_at > SETTLE_EVERY_SECONDS:
            self._settled_at = time.monotonic()
            is_due = self._settled_at - self._settled_all_at > SETTLE_ALL_EVERY_SECONDS
            limits.settle_budgets(now=database_now(), of_all=is_due)
            self._settled_all_at = self._settled_at if is_due else self._settled_all_at

    def _requeue_orphans(self) -> None:
        if time.monotonic() - self._orphans_at > ORPHANS_EVERY_SECONDS:
            self._orphans_at = time.monotonic()
            orphans.bring_back(now=database_now())
            clock_skew.bring_near(now=database_now())
            hosts.retire_gone(now=database_now())

    def _write_rollups(self) -> None:
        if time.monotonic() - self._rollups_at > ROLLUPS_EVERY_SECONDS:
            self._rollups_at = time.monotonic()
            self._rollups.write_due(now=database_now())

    def _end_late_jobs(self) -> None:
        end_late_jobs(now=database_now())

    def _erase_due(self) -> None:
        """In a thread of its own: the morning after a busy evening no other step waits for erasures."""
        retention.erase_due(now=database_now())
        retention.erase_photos(now=database_now())

    def _sweep(self) -> None:
        if time.monotonic() - self._swept_at > RETENTION_EVERY_SECONDS:
            retention.forget_evidence(now=database_now())
            self._swept_at = time.monotonic()

    def _sweep_bucket(self) -> None:
        """In a thread of its own: it takes a call for each thousand files."""
        if settings.S3_BUCKET and time.monotonic() - self._swept_bucket_at > UNREFERENCED_IN_BUCKET_EVERY_SECONDS:
            self._swept_bucket_at = time.monotonic()
            retention.sweep_unreferenced_files(now=database_now())

    def _sweep_unreferenced_files(self) -> None:
        if settings.S3_BUCKET:
            return
        if time.monotonic() - self._swept_files_at > UNREFERENCED_FILES_EVERY_SECONDS:
            self._swept_files_at = time.monotonic()
            retention.sweep_unreferenced_files(now=database_now())


def end_late_jobs(*, now: datetime, limit: int = 200) -> int:
    """Fail jobs past their deadline with a reason; return how many."""
    late = late_jobs(now=now).values_list("id", flat=True)[:limit]
    ended = 0
    for job_id in list(late):
        with transaction.atomic():
            ended += lifecycle.fail(job_id, code="deadline", now=now)
    return ended


def _is_attended(lane: str, *, now: datetime) -> bool:
    return Heartbeat.objects.filter(name=f"worker-{lane}", seen_at__gt=now - UNATTENDED).exists()


def _pump_once(lane: str) -> None:
    try:
        pumps.substitute(lane).run(linger=0.0, budget=settings.RECONCILE_PUMP_SECONDS)
    except (OperationalError, InterfaceError) as error:
        _log_outage(error)
    except DatabaseError:
        logger.exception("substitute_failed lane=%s", lane)
    finally:
        connection.close()


_outage_log = LogLimiter(QUIET_SECONDS)


def _log_outage(error: Exception) -> None:
    if _outage_log.may_log():
        logger.warning("database_away error=%s: %s", type(error).__name__, str(error).split("\n", 1)[0][:200])


def _guarded(step: Step, name: str = "") -> None:
    try:
        step()
    except (OperationalError, InterfaceError) as error:
        _log_outage(error)
        connection.close()
    except Exception:
        logger.exception("reconcile_step_failed step=%s", name or getattr(step, "__name__", step))
        connection.close()
