"""One value that is read again when it is too old, and by one thread at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Value = TypeVar("Value")


class TimedCache(Generic[Value]):
    """Keeps what `read` returned for `seconds`, counted from the end of the reading.

    Threads that ask while one reads get what that one gets, its exception too: ten that wait for a database which
    hangs wait once, not one after the other. An exception is not kept.
    """

    def __init__(self, seconds: float, read: Callable[[], Value]) -> None:
        self._seconds = seconds
        self._read = read
        self._lock = threading.Lock()
        self._kept: tuple[float, Value] | None = None
        self._reading: Future[Value] | None = None

    def get(self) -> Value:
        """Return the value: the kept one, or a fresh one when that is too old."""
        with self._lock:
            if self._kept is not None and time.monotonic() - self._kept[0] <= self._seconds:
                return self._kept[1]
            reading, is_mine = self._reading, self._reading is None
            if reading is None:
                reading = self._reading = Future()
        return self._read_for_all(reading) if is_mine else reading.result()

    def peek(self) -> Value | None:
        """Return the kept value, however old; None when nothing was read yet. Never reads."""
        with self._lock:
            return self._kept[1] if self._kept is not None else None

    def put(self, value: Value, *, seconds: float | None = None) -> None:
        """Keep this value, for so many seconds if not for as long as usual."""
        with self._lock:
            later = 0.0 if seconds is None else seconds - self._seconds
            self._kept = time.monotonic() + later, value

    def clear(self) -> None:
        """Forget the value: whoever asks next reads."""
        with self._lock:
            self._kept = None

    def _read_for_all(self, reading: Future[Value]) -> Value:
        try:
            value = self._read()
        except BaseException as error:
            with self._lock:
                self._reading = None
            reading.set_exception(error)
            raise
        with self._lock:
            self._kept, self._reading = (time.monotonic(), value), None
        reading.set_result(value)
        return value
