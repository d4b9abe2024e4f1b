"""The states of a prediction, the same for every vendor:

    admit ──► waiting ──► starting ──► running ──► succeeded | failed
                 │   a slot is free   │ the model is awake
                 └──────────┴─────────┴──────────► canceled | aborted

A prediction is admitted when its request arrives and begins when the response was sent, so that it ends after the
response unless a fault says otherwise. It is open from admission to end; a client's `max_concurrent` limits how many
are open. Waiting predictions start in order.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .behaviour import Behaviour
from .faults import Fault

NO_FAULT = Fault("fine", {})


class State(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"


FINAL_STATES = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELED, State.ABORTED})
FINAL_STATE_OF = {"fail": State.FAILED, "refuse": State.FAILED, "bad_photo": State.FAILED, "abort": State.ABORTED}


@dataclass(slots=True, eq=False)
class Prediction:
    """One prediction. Times are Unix times."""

    id: str
    number: int  # the k-th of its provider since the last reset
    model: str
    input: Mapping[str, Any]
    base: str  # the provider's URL as its caller wrote it
    webhook: str = ""
    events: frozenset[str] = frozenset()
    reference: str = ""
    vendor_facts: dict[str, Any] = field(default_factory=dict)
    state: State = State.WAITING
    outcome: Fault = NO_FAULT
    cold_seconds: float = 0.0
    run_seconds: float | None = None  # None: until the control API ends it
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    photo: str | None = None  # the URL that is loaded when it starts
    is_cold: bool = False
    has_begun: bool = False
    has_slot: bool = False
    is_canceled: bool = False  # asked to stop, though it may go on
    is_deleted: bool = False
    timer: asyncio.TimerHandle | None = None
    watchers: list[asyncio.Future[None]] = field(default_factory=list)
    last_webhook: asyncio.Task[None] | None = None  # the task that sends its latest webhook

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def progress(self) -> float:
        """The progress, from 0 to 1."""
        if self.state == State.SUCCEEDED:
            return 1.0
        if self.started_at is None or not self.run_seconds:
            return 0.0
        return min(1.0, max(0.0, ((self.finished_at or time.time()) - self.started_at) / self.run_seconds))

    @property
    def predict_seconds(self) -> float:
        if self.started_at is None or self.finished_at is None:
            return 0.0
        return max(0.0, self.finished_at - self.started_at)


@dataclass(slots=True)
class Machine:
    """The machine of one model, for cold starts. Times are monotonic."""

    last_used: float
    awake_at: float = 0.0
    admitted: int = 0
    running: int = 0


class Fleet:
    """The predictions of one provider. `on_start` and `on_end` are called once for each."""

    def __init__(
        self,
        behaviour: Behaviour,
        *,
        random_for: Callable[[str], random.Random],
        on_start: Callable[[Prediction], None],
        on_end: Callable[[Prediction], None],
    ) -> None:
        self.behaviour = behaviour
        self.random_for = random_for
        self.on_start, self.on_end = on_start, on_end
        self.predictions: dict[str, Prediction] = {}
        self.waiting: deque[Prediction] = deque()
        self.machines: dict[str, Machine] = {}
        self.ended: Counter[str] = Counter()
        self.open = self.running = self.most_open = self.most_running = 0
        self.is_closed = False

    def is_full(self) -> bool:
        """Tell whether one more would be refused: by the strict limit, or because the vendor's queue is full."""
        limit, queue = self.behaviour.concurrent, self.behaviour.queue
        if limit is None:
            return False
        if self.behaviour.strict:
            return self.open >= limit
        return queue is not None and self.open >= limit + queue

    def admit(self, prediction: Prediction, outcome: Fault | None) -> None:
        """Add a prediction, and draw its times."""
        behaviour = self.behaviour
        machine = self._machine(prediction)
        machine.admitted += 1
        prediction.outcome = outcome or NO_FAULT
        prediction.is_cold = machine.admitted <= behaviour.cold_first
        prediction.cold_seconds = behaviour.cold_start.draw(self.random_for("cold_start"))
        if behaviour.duration is not None:
            prediction.run_seconds = behaviour.duration.draw(self.random_for("duration"))
        if prediction.outcome.name == "stick":
            prediction.run_seconds = None
        prediction.created_at = time.time()
        self.predictions[prediction.id] = prediction
        self.open += 1
        self.most_open = max(self.most_open, self.open)

    def begin(self, prediction: Prediction) -> None:
        """Queue an admitted prediction for a slot. A second call changes nothing."""
        if prediction.has_begun or prediction.is_final or self.is_closed:
            return
        prediction.has_begun = True
        self.waiting.append(prediction)
        self.fill()

    def fill(self) -> None:
        """Start waiting predictions, oldest first, while slots are free."""
        limit = self.behaviour.concurrent
        while self.waiting and (limit is None or self.running < limit):
            self._take_slot(self.waiting.popleft())

    def position(self, prediction: Prediction) -> int:
        """Return how many predictions wait before it."""
        return self.waiting.index(prediction) if prediction in self.waiting else 0

    def finish(self, prediction: Prediction) -> bool:
        """End a prediction now, with its planned outcome. Return False when it has ended already."""
        return self.end(prediction, FINAL_STATE_OF.get(prediction.outcome.name, State.SUCCEEDED))

    def end(self, prediction: Prediction, state: State) -> bool:
        """End a prediction now. Return False when it has ended already."""
        if prediction.is_final or self.is_closed:
            return False
        self._stop_timer(prediction)
        if prediction.started_at is None and state in (State.SUCCEEDED, State.FAILED):
            self._start(prediction)
        machine = self._machine(prediction)
        machine.last_used = time.monotonic()
        if prediction.has_slot:
            prediction.has_slot = False
            self.running -= 1
            machine.running -= 1
        elif prediction.has_begun:
            self.waiting.remove(prediction)
        self.open -= 1
        prediction.state, prediction.finished_at = state, time.time()
        self.ended[state.value] += 1
        for watcher in prediction.watchers:
            if not watcher.done():
                watcher.set_result(None)
        prediction.watchers.clear()
        self.on_end(prediction)
        self.fill()
        return True

    def cancel(self, prediction: Prediction) -> bool:
        """Ask a prediction to stop. Return whether there was anything left to stop."""
        if prediction.is_final or prediction.is_canceled:
            return False
        prediction.is_canceled = True
        if self.behaviour.cancel_stops or not prediction.has_slot:
            self.end(prediction, State.CANCELED)
        return True

    async def wait(self, prediction: Prediction, seconds: float) -> bool:
        """Wait so many seconds for its end; return whether it has ended."""
        if not prediction.is_final:
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            prediction.watchers.append(watcher)
            await asyncio.wait([watcher], timeout=seconds)
        return prediction.is_final

    def close(self) -> None:
        """Stop all timers; no prediction changes any more."""
        self.is_closed = True
        self.waiting.clear()
        for prediction in self.predictions.values():
            self._stop_timer(prediction)

    def _machine(self, prediction: Prediction) -> Machine:
        machine = self.machines.get(prediction.model)
        if machine is None:
            machine = self.machines[prediction.model] = Machine(last_used=time.monotonic())
        return machine

    def _take_slot(self, prediction: Prediction) -> None:
        prediction.has_slot = True
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        machine, now = self._machine(prediction), time.monotonic()
        machine.running += 1
        sleeps_after = self.behaviour.sleeps_after
        if not prediction.is_cold and sleeps_after is not None:
            prediction.is_cold = machine.running == 1 and now - machine.last_used > sleeps_after
        # A machine that is already starting is waited for.
        pause = prediction.cold_seconds if prediction.is_cold else max(0.0, machine.awake_at - now)
        prediction.cold_seconds = pause
        machine.awake_at = max(machine.awake_at, now + pause)
        if pause:
            prediction.state = State.STARTING
            prediction.timer = asyncio.get_running_loop().call_later(pause, self._run, prediction)
        else:
            self._run(prediction)

    def _run(self, prediction: Prediction) -> None:
        prediction.timer = None
        self._start(prediction)
        if prediction.run_seconds is not None and not prediction.is_final:
            loop = asyncio.get_running_loop()
            prediction.timer = loop.call_later(prediction.run_seconds, self.finish, prediction)

    def _start(self, prediction: Prediction) -> None:
        prediction.state = State.RUNNING
        prediction.started_at = time.time()
        self.on_start(prediction)

    @staticmethod
    def _stop_timer(prediction: Prediction) -> None:
        if prediction.timer is not None:
            prediction.timer.cancel()
            prediction.timer = None
