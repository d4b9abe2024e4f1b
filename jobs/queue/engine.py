"""The pump: works a lane in batches. One RQ job means "pump this lane", not one job for each selfie.

    claim ──► threads (HTTP, files) ──► outcomes ──► one transaction ──► claim …

Threads do everything slow; only the pump's main thread uses the database. It claims and writes at most once per
TICK_SECONDS (LOADED_TICK_SECONDS under load), or at once after a pause, because larger batches are cheaper: without
ticks every row is a batch of its own, and a film costs twice the CPU time (decision 0002). A run ends when nothing is
claimable and it has lingered, or when its time budget is used up.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from jobs.heartbeats import beat_path, host_id
from jobs.models import Heartbeat
from jobs.overload import state
from providers import keys

from . import queues

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.05
# From so many pieces of work a second on ticks are longer, because larger batches are cheaper: items that
# were done, and what was done before claims. Below, as while few slots are open, people would only wait longer.
LOADED_TICK_SECONDS, LOADED_FROM = 0.2, 8.0
# The rate is that of the last window of at least this length.
RATE_SECONDS = 0.5
LINGER_SECONDS = 2.0
BUDGET_SECONDS = 20.0
HEARTBEAT_SECONDS = 5.0
# A host whose heartbeat is older than the first is gone when another host's is younger than the second.
RETIRED_AFTER, ATTENDED_WITHIN = timedelta(minutes=10), timedelta(seconds=20)
# A pump whose threads finish nothing for this long, longer than any call may take, stops its heartbeat.
STUCK_SECONDS = 240.0
# Leases of items under way are renewed this often. So they can be short, and a dead worker's items are soon free.
KEEP_SECONDS = 1.5
# PostgreSQL's SQLSTATE for a deadlock, in which it aborts one of the transactions.
DEADLOCK, DEADLOCK_TRIES = "40P01", 3
# A process that is told to end waits this long for items in flight, then gives them back. Supervisors wait 20 s.
STOP_SECONDS = 14.0
# A running pump checks for work this often, with or without a nudge.
CHECK_SECONDS = 0.5


# Set when this process is told to end: pumps finish what is in flight and claim nothing more.
stopping = threading.Event()


class LaneWork(ABC):
    """The work of one lane: how to claim items, what to do with each, and how to write the outcomes."""

    lane: ClassVar[str]
    threads: int  # how many items are under way at a time
    # Set by `claim`: the monotonic moment at which there may be work that no nudge announces.
    next_wakeup_at: float | None = None

    def warm_up(self) -> None:  # noqa: B027 - most lanes need none
        """Do what the first item would otherwise have to wait for."""

    def before_claim(self) -> int:
        """Do what the main thread has to do before each claim; return how many pieces of work that was."""
        return 0

    def keep(self, items: list[Any]) -> None:  # noqa: B027 - a lease that covers the whole work needs no renewal
        """Renew the leases of items under way; runs in the main thread, every KEEP_SECONDS."""

    def give_back(self, items: list[Any]) -> None:  # noqa: B027 - without it leases lapse, only later
        """Release items that this process will not finish; runs in the main thread, when the process ends."""

    @abstractmethod
    def claim(self, room: int) -> list[Any]:
        """Take up to `room` items; runs in the main thread."""

    @abstractmethod
    def work(self, item: Any) -> Any:
        """Do one item, without the database, and return its outcome; runs in a thread.

        When it raises, the item goes to `record_crash` instead.
        """

    @abstractmethod
    def record(self, outcomes: list[Any]) -> None:
        """Write the outcomes of one tick; runs in the main thread."""

    @abstractmethod
    def record_crash(self, item: Any, error: BaseException) -> None:
        """Write that the work on an item raised an unexpected exception."""


class _Wake:
    """Puts nudges into the pump's inbox, from a thread that listens only while the pump runs."""

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


# An item and the future that holds its outcome.
Finished = tuple[Any, Future[Any]]


@dataclass
class _Run:
    """How long one run of a pump lasts; moments are monotonic seconds."""

    end_at: float
    idle_until: float
    linger: float

    @classmethod
    def begin(cls, *, linger: float, budget: float) -> _Run:
        now = time.monotonic()
        return cls(now + budget, now + linger, linger)

    @property
    def leaves_at(self) -> float:
        """When the run ends if nothing happens until then."""
        return min(self.end_at, self.idle_until)

    def extend(self) -> None:
        """Linger from now on again: there was work."""
        self.idle_until = time.monotonic() + self.linger

    def stay_until(self, wakeup_at: float | None) -> None:
        """Linger past a moment at which there will be work that no nudge announces, as far as the budget goes."""
        if wakeup_at is not None and self.linger > 0:
            self.idle_until = max(self.idle_until, wakeup_at + self.linger)


class Pump:
    """Works one lane. Each process keeps one per lane, so that threads and their HTTP sessions outlive a run.

    `ticks` are the seconds of a tick, and of one under load.
    """

    def __init__(
        self,
        work: LaneWork,
        *,
        listens: bool = True,
        stop_seconds: float = STOP_SECONDS,
        ticks: tuple[float, float] = (TICK_SECONDS, LOADED_TICK_SECONDS),
    ) -> None:
        self.work = work
        self.wake = _Wake(work.lane) if listens else None
        self.inbox: queue.SimpleQueue[Any] = self.wake.inbox if self.wake else queue.SimpleQueue()
        self.threads = ThreadPoolExecutor(work.threads, thread_name_prefix=f"{work.lane}-io")
        # Kept across runs: items in flight when a run ended in an error finish in the next one.
        self._in_flight = 0
        self._stop_seconds, self._stop_at = stop_seconds, float("inf")
        self._unwritten: list[Any] = []
        self._ticked_at = 0.0
        self._ticks = ticks
        self._tick_seconds = ticks[0]
        self._counted, self._counting_since = 0, time.monotonic()
        self._beat_at = 0.0
        self._held: dict[int, Any] = {}
        self._kept_at = self._moved_at = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """Whether items are still in flight that this pump no longer waits for."""
        return self._in_flight > 0

    def run(self, *, linger: float = LINGER_SECONDS, budget: float = BUDGET_SECONDS) -> bool:
        """Work until the lane is empty or the budget is used up; return whether there may be more."""
        run = _Run.begin(linger=linger, budget=budget)
        if self.wake:
            queues.pump_started(self.work.lane)
            self.wake.listening.set()
        try:
            finished: list[Finished] = []
            while True:
                self._beat()
                if self._unwritten:
                    self._record([])
                if self._must_leave():
                    return False
                self._renew_leases()
                if time.monotonic() < run.end_at and not stopping.is_set():
                    # Results just written and what is claimed now share a tick.
                    self._claim(run, waits_for_tick=not finished)
                now = time.monotonic()
                run.stay_until(self.work.next_wakeup_at)
                if not self._in_flight and (stopping.is_set() or now >= run.leaves_at):
                    return now >= run.end_at
                finished = self._wait(self._seconds_to_wait(run, now))
                self._take(run, finished)
        finally:
            if self.wake:
                self.wake.listening.clear()

    def _claim(self, run: _Run, *, waits_for_tick: bool) -> None:
        """Claim as much as there are free threads, and start it."""
        if waits_for_tick:
            self._wait_for_tick()
        state.current()  # read here, for whoever asks `state.known()` while this claim is worked on
        self._counted += self.work.before_claim()
        room = self.work.threads - self._in_flight
        items = self.work.claim(room) if room > 0 else []
        for item in items:
            self._start(item)
        if items:
            run.extend()

    def _take(self, run: _Run, finished: list[Finished]) -> None:
        """Write what threads have finished; how much it is decides how long ticks are."""
        self._set_tick(len(finished))
        if finished:
            self._in_flight -= len(finished)
            self._record(finished)
            run.extend()

    def _must_leave(self) -> bool:
        """Return whether the process has to end now; then what is still in flight has been given back."""
        if not stopping.is_set():
            return False
        self._stop_at = min(self._stop_at, time.monotonic() + self._stop_seconds)
        if not self._in_flight or time.monotonic() < self._stop_at:
            return False
        logger.warning("lane_given_back lane=%s count=%d", self.work.lane, self._in_flight)
        self.work.give_back(list(self._held.values()))
        return True

    def _seconds_to_wait(self, run: _Run, now: float) -> float:
        """Return how long to wait for something to happen before the next check."""
        moments = [now + CHECK_SECONDS, None if self._in_flight else run.leaves_at, self.work.next_wakeup_at]
        return max(0.001, min(moment for moment in moments if moment is not None) - now)

    def _start(self, item: Any) -> None:
        future = self.threads.submit(self.work.work, item)
        self._in_flight += 1
        self._held[id(item)] = item
        self._moved_at = time.monotonic()
        future.add_done_callback(partial(self._put_in, item))

    def _put_in(self, item: Any, done: Future[Any]) -> None:
        self.inbox.put((item, done))

    def _wait(self, seconds: float) -> list[Finished]:
        """Wait for a finished item or a nudge; return what is finished, nothing after a nudge or a time-out."""
        try:
            entries = [self.inbox.get(timeout=seconds)]
        except queue.Empty:
            return []
        if entries[0] is not None:
            self._wait_for_tick()
        while True:
            try:
                entries.append(self.inbox.get_nowait())
            except queue.Empty:
                return [entry for entry in entries if entry is not None]

    def _record(self, finished: list[Finished]) -> None:
        outcomes, self._unwritten = self._unwritten, []
        self._moved_at = time.monotonic()
        for item, future in finished:
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
                # Kept until the database is back. Outcomes whose lease has lapsed by then are refused.
                self._unwritten = outcomes
                raise

    def _record_all(self, outcomes: list[Any]) -> None:
        """Write all outcomes in one transaction; when that fails, write each in its own and skip those that fail.

        The lease of a skipped outcome lapses, as if its worker had died.
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
        """Write outcomes; after a deadlock, again."""
        for tries_left in reversed(range(DEADLOCK_TRIES)):
            try:
                self.work.record(outcomes)
                return
            except OperationalError as error:
                if not tries_left or getattr(error.__cause__, "sqlstate", None) != DEADLOCK:
                    raise
                logger.warning("deadlock lane=%s", self.work.lane)

    def _set_tick(self, finished: int) -> None:
        """Count finished items, and let the rate of work in the last window decide how long ticks are."""
        self._counted += finished
        seconds = time.monotonic() - self._counting_since
        if seconds >= RATE_SECONDS:
            tick, loaded_tick = self._ticks
            self._tick_seconds = loaded_tick if self._counted / seconds >= LOADED_FROM else tick
            self._counted, self._counting_since = 0, time.monotonic()

    def _wait_for_tick(self) -> None:
        """Sleep until a tick has passed since the last call; return at once when that is longer ago."""
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

    def _renew_leases(self) -> None:
        if self._held and time.monotonic() - self._kept_at > KEEP_SECONDS:
            self._kept_at = time.monotonic()
            self.work.keep(list(self._held.values()))


def beat(name: str) -> None:
    """Record that this process works: in VAR_DIR/run for its supervisor, in the database for everyone else.

    The file is written first, so that the process does not look dead while the database is away.
    """
    path = beat_path(settings.VAR_DIR, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        logger.warning("beat_file_not_written name=%s error=%s", name, type(error).__name__)
    Heartbeat.objects.update_or_create(
        name=name,
        host=host_id(settings.VAR_DIR),
        defaults={"seen_at": timezone.now(), "version": settings.PRODUCT_VERSION, "keys": keys.digest_of_own()},
    )


def retire_heartbeats() -> int:
    """Delete the heartbeats of hosts that are gone while another host has that process; return how many.

    The last heartbeat of a name stays, however old: that nobody works a lane has to be seen.
    """
    now = timezone.now()
    attended = Heartbeat.objects.filter(seen_at__gt=now - ATTENDED_WITHIN).values("name")
    return Heartbeat.objects.filter(seen_at__lt=now - RETIRED_AFTER, name__in=attended).delete()[0]
