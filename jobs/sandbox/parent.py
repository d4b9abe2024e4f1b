"""The worker's side of a sandbox: one child, kept warm, that may die of an order without anyone else noticing.

What an order is guilty of:

| what happened | what it means |
| --- | --- |
| the child used up its CPU, crashed, failed or lied | OrderFailed; the next order gets a new child |
| an exception nobody expected | the same order in a new child, once; then OrderFailed |
| no answer in time, killed from outside | the same order in a new child, MOST_TRIES in all; then SandboxUnavailable |
| no child can be started, or none is free in time | SandboxUnavailable |

A child that works is not silent, however little CPU a busy machine gives it: a photo of 48 megapixels takes seconds.
Silence says nothing about an order: a machine that is short of CPU, a frozen container and a stopped process all look
the same from here. SandboxUnavailable therefore means a delay of ours: try the same order again later.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

from .process import ChildGone, ChildProcess, ChildSilent
from .wire import BadFrame, Frame, Kind

logger = logging.getLogger(__name__)

# An operator, a terminal or the machine out of memory, not the order.
KILLED_FROM_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP}
MOST_TRIES = 3
MOST_START_CPU_SECONDS = 60.0
Result = TypeVar("Result")


class SandboxUnavailable(Exception):
    """The sandbox could not be started or is not free: not the order's fault, so try the same again later."""


class OrderFailed(Exception):
    """The child did not survive the order, used up its CPU for it, or answered what nobody can use."""


class _OnceMore(Exception):
    """It may have been the child, or this machine, and not the order."""


class Sandbox:
    """Does work on foreign bytes in a child process. Safe to use from several threads, one order at a time."""

    def __init__(
        self,
        module: str,
        *,
        name: str,
        cpu_seconds: int,
        memory_bytes: int,
        orders_per_child: int,
        start_seconds: float,
        **work: Any,
    ) -> None:
        """`module` is what the child runs; `cpu_seconds` and `memory_bytes` are what an order may take.

        Memory is counted on top of the loaded libraries.
        """
        self._child: ChildProcess | None = None
        self.name = name
        self.confinement = ""  # what confines its children, once one has started
        self._module = module
        self._settings: dict[str, Any] = {"cpu_seconds": cpu_seconds, "memory_bytes": memory_bytes, "work": work}
        self._orders_per_child = orders_per_child
        self._start_seconds = start_seconds
        self._reset()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def child_pid(self) -> int | None:
        """The process id of the child, if there is one."""
        child = self._child
        return child.pid if child is not None else None

    def start(self) -> None:
        """Have a warm child; raise SandboxUnavailable when that cannot be done."""
        self._notice_fork()
        with self._lock:
            self._warm_child()

    def close(self) -> None:
        """End the child. The sandbox can be used again afterwards and starts a new one."""
        self._notice_fork()
        with self._lock:
            self._discard()

    def ask(
        self,
        order: Frame,
        understand: Callable[[Frame], Result],
        *,
        wall_seconds: float,
        queue_seconds: float = threading.TIMEOUT_MAX,
    ) -> Result:
        """Return what `understand` makes of the child's answer, DONE or REFUSED.

        Raise OrderFailed for an order that ruined its child; `understand` raises BadFrame for an answer that the child
        has no business to give. Raise SandboxUnavailable when MOST_TRIES children neither gave one nor worked
        for `wall_seconds` each (plus a start), or when the child is busy with others' orders for longer than
        `queue_seconds`.
        """
        self._notice_fork()
        if not self._lock.acquire(timeout=queue_seconds):
            raise SandboxUnavailable("busy with other orders")
        try:
            for number in range(1, MOST_TRIES + 1):
                try:
                    return self._ask(order, understand, wall_seconds, may_be_bug=number == 1)
                except _OnceMore as again:
                    reason = str(again)
                    logger.warning("sandbox_again sandbox=%s try=%d detail=%s", self.name, number, reason)
            raise SandboxUnavailable(f"{reason}, at the last of {MOST_TRIES} tries")
        finally:
            self._lock.release()

    def _ask(
        self, order: Frame, understand: Callable[[Frame], Result], wall_seconds: float, *, may_be_bug: bool
    ) -> Result:
        child = self._warm_child()
        used_before = child.cpu_seconds()
        try:
            # Its own limit, which it has set to whole seconds, ends it before that unless it has lifted it.
            answer = child.exchange(order, seconds=wall_seconds, most_cpu_seconds=self._settings["cpu_seconds"] + 1)
            if answer.kind not in (Kind.DONE, Kind.REFUSED, Kind.FAULT):
                raise BadFrame(f"an answer of kind {answer.kind.name}")
            result = understand(answer) if answer.kind is not Kind.FAULT else None
        except ChildGone as gone:
            self._discard()
            if gone.returncode == -signal.SIGSYS:  # it asked for what no decoder ever asks for
                logger.error("sandbox_attacked sandbox=%s", self.name)
            if gone.returncode in KILLED_FROM_OUTSIDE:
                raise _OnceMore(f"the child was ended with {gone.returncode}") from gone
            raise self._failed(f"the child ended with {gone.returncode}") from gone
        except ChildSilent as silent:
            used = child.cpu_seconds() - used_before
            self._discard()
            if used >= self._settings["cpu_seconds"]:
                raise self._failed(f"{used:.1f} s of CPU and no answer") from silent
            raise _OnceMore(f"no answer within {wall_seconds:g} s") from silent
        except BadFrame as frame:
            self._discard()
            raise self._failed(str(frame)) from frame
        except BaseException:
            self._discard()  # an answer may still be on its way; the next order must not get it
            raise
        if answer.kind is Kind.FAULT:
            self._discard()  # what an exception nobody expected left behind is unknown
            detail = str(answer.header.get("detail", ""))[:500]
            if answer.header.get("is_bug"):
                logger.error("sandbox_fault sandbox=%s detail=%s", self.name, detail)
                if may_be_bug:
                    raise _OnceMore(detail)
            raise OrderFailed(detail)
        self._answered += 1
        if self._answered >= self._orders_per_child:
            self._discard()
        return cast(Result, result)  # None for a FAULT alone, which was raised above

    def _failed(self, detail: str) -> OrderFailed:
        logger.warning("sandbox_broken sandbox=%s detail=%s", self.name, detail)
        return OrderFailed(detail)

    def _warm_child(self) -> ChildProcess:
        """Return a child that is ready for an order, starting one if there is none or it ended while idle."""
        if self._child is not None and not self._child.is_running():
            self._discard()
        if self._child is None:
            self._child = self._start_child()
            self._answered = 0
        return self._child

    def _start_child(self) -> ChildProcess:
        try:
            child = ChildProcess(self._module, self._settings)
        except OSError as error:
            raise SandboxUnavailable(str(error)) from error
        try:
            answer = child.exchange(None, seconds=self._start_seconds, most_cpu_seconds=MOST_START_CPU_SECONDS)
        except (ChildGone, ChildSilent, BadFrame) as error:
            words = child.last_words() or str(error) or "it did not get ready in time"
            child.end()
            raise SandboxUnavailable(words) from error
        except BaseException:
            child.end()
            raise
        if answer.kind is not Kind.READY:
            child.end()
            raise SandboxUnavailable(str(answer.header.get("detail", answer.kind.name))[:500])
        self._tell_confinement(answer)
        return child

    def _tell_confinement(self, ready: Frame) -> None:
        """Say once what confines the children, as a warning when this kernel could not do all of it."""
        confinement = str(ready.header.get("confinement"))[:500]
        if confinement != self.confinement:
            self.confinement = confinement
            level = logging.INFO if ready.header.get("is_complete") is True else logging.WARNING
            logger.log(level, "sandbox_confined sandbox=%s by=%r", self.name, confinement)

    def _discard(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def _notice_fork(self) -> None:
        """Leave the child to the process that started it, if this one was forked from that."""
        if self._owner != os.getpid():
            if self._child is not None:
                self._child.abandon()
            self._reset()

    def _reset(self) -> None:
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._child = None
        self._answered = 0
