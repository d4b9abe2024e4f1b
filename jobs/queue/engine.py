"""How a lane is worked: one RQ job means "pump this lane", never one job a selfie.

    claim ──► threads (HTTP, files) ──► outcomes ──► one transaction ──► claim …

The pump's main thread alone touches the database; threads do everything slow. It claims and
writes at most once per PACE (BUSY_PACE under load), at once when it was idle, and goes on until nothing is claimable
and it has lingered, or its time budget is used up (decision 0002; without pacing every row is a
batch of its own and a film costs twice as much CPU).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar

import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from jobs.heartbeats import beat_path
from jobs.models import Heartbeat

from . import queues

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.05
# When a tick brought this much, the next one waits longer: larger batches cost less each, and nobody waits for a slot.
BUSY_TICK_SECONDS, BUSY_FROM = 0.1, 8
LINGER_SECONDS = 2.0
BUDGET_SECONDS = 20.0
HEARTBEAT_SECONDS = 5.0
# A pump whose threads finish nothing for this long, longer than any call may take, shows no sign of life any more.
STUCK_SECONDS = 240.0
# A lease is renewed this often while its work is under way, so it can be short: a worker's death costs that little.
KEEP_SECONDS = 1.5
# What PostgreSQL calls it when it had to end one of two transactions that waited for each other.
DEADLOCK, DEADLOCK_TRIES = "40P01", 3
# A process that is told to end waits this long for what flies, then gives it back. Supervisors wait 20 s.
STOP_SECONDS = 14.0
# While something flies or the pump lingers it looks again this often, nudge or not.
CHECK_SECONDS = 0.5


# Set when this process is told to end: pumps finish what flies and claim nothing more.
stopping = threading.Event()


class LaneWork(ABC):
    """What one lane does with what it claims."""

    lane: ClassVar[str]
    threads: int  # pieces of work under way at a time
    # Set by `claim`: the monotonic moment at which there may be work that nobody will nudge for.
    next_wakeup_at: float | None = None

    def warm_up(self) -> None:  # noqa: B027 - most lanes need none
        """Do what the first piece of work would have to wait for."""

    def before_claim(self) -> None:  # noqa: B027 - most lanes have nothing to do here
        """Do what has to be done in the main thread each time the pump looks."""

    def keep(self, items: list[Any]) -> None:  # noqa: B027 - a lease that covers the whole work needs no renewal
        """Renew the leases of what is under way; runs in the main thread, every KEEP_SECONDS."""

    def give_back(self, items: list[Any]) -> None:  # noqa: B027 - what nobody gives back has its lease to lapse
        """Let others have at once what this process will not finish; runs in the main thread, at its end."""

    @abstractmethod
    def claim(self, room: int) -> list[Any]:
        """Take up to `room` pieces of work; runs in the main thread."""

    @abstractmethod
    def work(self, item: Any) -> Any:
        """Do one piece, without the database, and return its outcome; runs in a thread.

        An exception becomes the outcome `(item, exception)` for `record_crash`.
        """

    @abstractmethod
    def record(self, outcomes: list[Any]) -> None:
        """Write the outcomes of one tick; runs in the main thread."""

    @abstractmethod
    def record_crash(self, item: Any, error: BaseException) -> None:
        """Write that a piece of work ended in an exception nobody expected."""


class _Wake:
    """Turns nudges into entries of the pump's own queue, on a thread that listens only while a pump runs."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.listening = threading.Event()
        threading.Thread(target=self._listen, name=f"wake-{lane}", daemon=True).start()

    def _listen(self) -> None:
        connection = queues.blocking_client()
        while True:
            self.listening.wait()
            try:
                if queues.wait_for_nudge(connection, self.lane, seconds=1):
                    self.inbox.put(None)
            except redis.RedisError:
                time.sleep(0.5)


class Pump:
    """Works one lane; kept per process, so that threads and their HTTP sessions outlive a pump."""

    def __init__(self, work: LaneWork, *, listens: bool = True, stop_seconds: float = STOP_SECONDS) -> None:
        self.work = work
        self.wake = _Wake(work.lane) if listens else None
        self.inbox: queue.SimpleQueue[Any] = self.wake.inbox if self.wake else queue.SimpleQueue()
        self.threads = ThreadPoolExecutor(work.threads, thread_name_prefix=f"{work.lane}-io")
        # Counted over runs: what flew when a run ended in an error lands in the next one.
        self._in_flight = 0
        self._stop_seconds, self._stop_at = stop_seconds, float("inf")
        self._unwritten: list[Any] = []
        self._ticked_at = 0.0
        self._tick_seconds = TICK_SECONDS
        self._beat_at = 0.0
        self._held: dict[int, Any] = {}
        self._kept_at = self._moved_at = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """Whether something still flies that this pump does not wait for any more."""
        return self._in_flight > 0

    def run(self, *, linger: float = LINGER_SECONDS, budget: float = BUDGET_SECONDS) -> bool:
        """Work until the lane is empty or the budget is used up; return whether there may be more."""
        started = time.monotonic()
        end, idle_until = started + budget, started + linger
        if self.wake:
            queues.pump_started(self.work.lane)
            self.wake.listening.set()
        try:
            look, paced = True, False
            while True:
                self._beat()
                if self._unwritten:
                    self._record([])
                if self._is_to_leave():
                    return False
                self._keep()
                now = time.monotonic()
                if look and now < end and not stopping.is_set():
                    if not paced:  # what was just written and what is claimed now are one tick
                        self._wait_for_tick()
                    self.work.before_claim()
                    room = self.work.threads - self._in_flight
                    items = self.work.claim(room) if room > 0 else []
                    for item in items:
                        self._start(item)
                    if items:
                        idle_until = time.monotonic() + linger
                now = time.monotonic()
                again_at = self.work.next_wakeup_at
                if again_at is not None and linger > 0:
                    # Somebody waits for a moment that is known: stay for it, as far as the budget goes.
                    idle_until = max(idle_until, again_at + linger)
                if not self._in_flight and (stopping.is_set() or now >= min(end, idle_until)):
                    return now >= end
                landed, look = self._wait(self._patience(now, None if self._in_flight else min(end, idle_until)))
                paced = bool(landed)
                self._tick_seconds = BUSY_TICK_SECONDS if len(landed) >= BUSY_FROM else TICK_SECONDS
                if landed:
                    self._in_flight -= len(landed)
                    self._record(landed)
                    idle_until = time.monotonic() + linger
        finally:
            if self.wake:
                self.wake.listening.clear()

    def _is_to_leave(self) -> bool:
        """Tell whether the process has to end now; what still flies was given back then."""
        if not stopping.is_set():
            return False
        self._stop_at = min(self._stop_at, time.monotonic() + self._stop_seconds)
        if not self._in_flight or time.monotonic() < self._stop_at:
            return False
        logger.warning("lane_given_back lane=%s count=%d", self.work.lane, self._in_flight)
        self.work.give_back(list(self._held.values()))
        return True

    def _patience(self, now: float, end: float | None) -> float:
        """Return how long to wait for something to happen before looking again."""
        moments = [now + CHECK_SECONDS, end, self.work.next_wakeup_at]
        return max(0.001, min(moment for moment in moments if moment is not None) - now)

    def _start(self, item: Any) -> None:
        future = self.threads.submit(self.work.work, item)
        self._in_flight += 1
        self._held[id(item)] = item
        self._moved_at = time.monotonic()
        future.add_done_callback(lambda done, item=item: self.inbox.put((item, done)))

    def _wait(self, seconds: float) -> tuple[list[tuple[Any, Future[Any]]], bool]:
        """Return what landed and whether to look for more: woken, landed or simply time."""
        try:
            entries = [self.inbox.get(timeout=seconds)]
        except queue.Empty:
            return [], True
        if entries[0] is not None:
            self._wait_for_tick()
        while True:
            try:
                entries.append(self.inbox.get_nowait())
            except queue.Empty:
                return [entry for entry in entries if entry is not None], True

    def _record(self, landed: list[tuple[Any, Future[Any]]]) -> None:
        outcomes, self._unwritten = self._unwritten, []
        self._moved_at = time.monotonic()
        for item, future in landed:
            self._held.pop(id(item), None)
            error = future.exception()
            if error is None:
                outcomes.append(future.result())
            else:
                logger.error("lane_crash lane=%s", self.work.lane, exc_info=error)
                self.work.record_crash(item, error)
        if outcomes:
            try:
                self._record_all(outcomes)
            except (OperationalError, InterfaceError):
                # Not lost: written when the database is back. What had its lease lapse meanwhile is refused then.
                self._unwritten = outcomes
                raise

    def _record_all(self, outcomes: list[Any]) -> None:
        """Write all outcomes at once; when one spoils that, each by itself, and leave out what cannot be written.

        What is left out has its lease to lapse, as if its worker had died.
        """
        try:
            self._record_through_deadlocks(outcomes)
        except (OperationalError, InterfaceError):
            raise  # the database is away: nothing can be written now
        except Exception:
            logger.exception("outcomes_not_written lane=%s count=%d", self.work.lane, len(outcomes))
            for outcome in outcomes if len(outcomes) > 1 else ():
                try:
                    self._record_through_deadlocks([outcome])
                except (OperationalError, InterfaceError):
                    raise
                except Exception:
                    logger.exception("outcome_not_written lane=%s", self.work.lane)

    def _record_through_deadlocks(self, outcomes: list[Any]) -> None:
        """Write outcomes, again when the database had to choose between us and somebody else's transaction."""
        for tries_left in reversed(range(DEADLOCK_TRIES)):
            try:
                self.work.record(outcomes)
                return
            except OperationalError as error:
                if not tries_left or getattr(error.__cause__, "sqlstate", None) != DEADLOCK:
                    raise
                logger.warning("deadlock lane=%s", self.work.lane)

    def _wait_for_tick(self) -> None:
        """Sleep until the pace has passed since the last time; at once when it was longer ago."""
        rest = self._ticked_at + self._tick_seconds - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        self._ticked_at = time.monotonic()

    def _beat(self) -> None:
        now = time.monotonic()
        is_stuck = self._in_flight and now - self._moved_at > STUCK_SECONDS
        if self.wake and not is_stuck and now - self._beat_at > HEARTBEAT_SECONDS:
            self._beat_at = now
            beat(f"worker-{self.work.lane}")

    def _keep(self) -> None:
        if self._held and time.monotonic() - self._kept_at > KEEP_SECONDS:
            self._kept_at = time.monotonic()
            self.work.keep(list(self._held.values()))


def beat(name: str) -> None:
    """Write that this process is at work: for its supervisor into VAR_DIR/run, for everybody into the database.

    The file first, so that a database that is away makes no process look dead.
    """
    path = beat_path(settings.VAR_DIR, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        logger.warning("beat_not_shown name=%s error=%s", name, type(error).__name__)
    Heartbeat.objects.update_or_create(name=name, defaults={"seen_at": timezone.now()})
