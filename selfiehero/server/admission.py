"""Who is let in: decided by a request's head, before its body is read.

    webhooks, sockets, health, reads, changes of jobs there are ──► always
    a new job (POST of a photo, another take)
        nothing overloaded ──► in
        the backlog is older than ADMISSION_BACKLOG_MINUTES (jobs.overload.state), or requests wait for a thread of this
        process for longer than ADMISSION_WAIT_MS on average
            its Idempotency-Key made a job already ──► in
            there is room: whoever waits longest ──► in
            otherwise ──► 503 with Retry-After and a place (jobs.overload.places)

Room is 75 % of what was measured: of what leaves the backlog, or of what this process let in when it became too much;
the latter is lowered by a tenth for each second that is too much, and raised by a tenth for each that is not.

`manage.py serve` asks in `protocols`, any other ASGI server is asked for in `bridge`, a WSGI server in `middleware`.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.http import HttpRequest, HttpResponse, parse_cookie

from jobs import identity
from jobs.models import Job
from jobs.overload import places, state
from jobs.overload.places import Place
from jobs.overload.state import Load

from . import busy

logger = logging.getLogger(__name__)

NEW_JOB = re.compile(r"/|/api/v1/jobs/?|(/api/v1)?/jobs/[0-9a-fA-F-]{36}/remix/?")
# In the environ of a request that was decided about already.
DECIDED = "selfiehero.admission_decided"

ADMITTED_SHARE = state.ADMITTED_SHARE
WINDOW_SECONDS = 1.0
FEWEST_WAITS = 5  # fewer in a second say nothing of it
WINDOWS_UNTIL_CLOSED, WINDOWS_UNTIL_OPEN = 3, 10
SLOWEST_PER_SECOND = 1.0

# Retry-After in seconds, and how long somebody who does not come back counts as waiting.
SOONEST, LATEST, GONE_AFTER = 5, 120, 300.0
JITTER = 0.25
# Those who may go next, in seconds of room: their tries do not all come at the same moment.
HORIZON_SECONDS = 5.0
# Room that nobody used for so long is kept for those who waited, and no more of it.
UNUSED_SECONDS = 2.0
SORTED_SECONDS = 0.25
MOST_WAITING_KNOWN = 100_000
# A photo that is refused for what is on it costs nobody their place.
TRIES_A_PLACE = 3
MOST_LOOKUPS = 200


class Refusal(NamedTuple):
    """A 503: when to come back, the place that is kept until then, and how many are ahead."""

    retry_after: int
    place: Place
    ahead: int


class Door:
    """How long requests wait for a thread of this process, and how many new jobs a second it lets in for that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.rate: float | None = None
        self._begin(0.0)
        self._let_in_before = 0.0
        self._over = self._calm = 0

    def _begin(self, at: float) -> None:
        self._since, self._waits, self._waited = at, 0, 0.0
        self._let_in = self._refused = 0

    def waited(self, seconds: float) -> None:
        """Note that a request got its thread, or gave up waiting for one, after so long."""
        with self._lock:
            self._waits += 1
            self._waited += seconds

    def decided(self, *, is_let_in: bool) -> None:
        """Note what became of a new job."""
        with self._lock:
            if is_let_in:
                self._let_in += 1
            else:
                self._refused += 1

    def rate_now(self, at: float) -> float | None:
        """Return how many new jobs a second may come in here; None lets all of them in."""
        with self._lock:
            if at - self._since >= WINDOW_SECONDS:
                self._close_window(at)
            return self.rate

    def _close_window(self, at: float) -> None:
        seconds = at - self._since
        mean = self._waited / self._waits if self._waits >= FEWEST_WAITS else 0.0
        is_over = mean > settings.ADMISSION_WAIT_SECONDS
        self._over = self._over + 1 if is_over else 0
        self._calm = 0 if is_over or self._refused else self._calm + int(seconds / WINDOW_SECONDS)
        let_in = self._let_in / seconds
        if self.rate is None:
            if self._over >= WINDOWS_UNTIL_CLOSED:
                measured = max(let_in, self._let_in_before)
                self.rate = max(SLOWEST_PER_SECOND, ADMITTED_SHARE * measured)
                logger.warning("door_closed mean_wait_ms=%.0f admits_per_second=%.1f", mean * 1000, self.rate)
        elif self._calm >= WINDOWS_UNTIL_OPEN:
            self.rate = None
            logger.warning("door_opened")
        else:
            self.rate = max(SLOWEST_PER_SECOND, self.rate * 0.9 if is_over else self.rate * 1.1)
        self._let_in_before = let_in
        self._begin(at)


class WaitingRoom:
    """Those who were sent away and may come back. Whoever has waited longer goes first."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}  # number: since when they wait, when they last asked
        self._tries: dict[str, int] = {}
        self._newest = 0
        self._credit, self._at = 1.0, 0.0
        self._sorted_at = float("-inf")
        self._sort(0.0)

    def __len__(self) -> int:
        return len(self._seen)

    def has_room(self, place: Place, *, rate: float, at: float) -> bool:
        """Return whether somebody with this place may come in now, and if so, take them in."""
        most = 1 + max(1.0, UNUSED_SECONDS * rate)
        if self._at:
            self._credit = min(most + 1, self._credit + rate * (at - self._at))
        self._at = at
        # Room that is left over, because those ahead have not come back yet, is anybody's.
        is_next = self._credit >= 1 and self.ahead_of(place, at=at) <= self._credit + rate * HORIZON_SECONDS
        if not is_next and self._credit < most:
            return False
        self._credit -= 1
        self._seen.pop(place.number, None)
        if place.number:
            self._tries[place.number] = self._tries.get(place.number, 0) + 1
        return True

    def is_used_up(self, place: Place) -> bool:
        return self._tries.get(place.number, 0) >= TRIES_A_PLACE

    def keep(self, place: Place, *, at: float) -> None:
        """Count somebody as waiting, from now until they do not come back."""
        if place.number in self._seen or len(self._seen) < MOST_WAITING_KNOWN:
            self._seen[place.number] = place.since, at
            self._newest = max(self._newest, place.since)

    def ahead_of(self, place: Place, *, at: float) -> int:
        """Return how many have waited longer: all for somebody new, else by the second and a quarter of one ago."""
        if place.number not in self._seen and place.since >= self._newest:
            return len(self._seen)
        if at - self._sorted_at > SORTED_SECONDS:
            self._sort(at)
        found = bisect_left(self._starts, place.since)
        return self._sums[found - 1] if found else 0

    def _sort(self, at: float) -> None:
        """Count by the second. Those who have not come back are forgotten."""
        gone = [number for number, (_, seen) in self._seen.items() if at - seen > GONE_AFTER]
        for number in gone:
            del self._seen[number]
        if len(self._tries) > MOST_WAITING_KNOWN:
            self._tries.clear()
        counts: dict[int, int] = {}
        for since, _ in self._seen.values():
            counts[since] = counts.get(since, 0) + 1
        self._starts = sorted(counts)
        self._sums = list(accumulate(counts[since] for since in self._starts))
        self._sorted_at = at + 20 * len(self._seen) * 1e-7  # a crowd of 100,000 is counted every half second


class Gate:
    """The one decision of a web process. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.latest = state.Latest()
        self.reset()

    def reset(self) -> None:
        """Know nobody who waits and no overload."""
        self.door, self.room = Door(), WaitingRoom()

    def weigh(
        self, method: str, path: str, headers: Callable[[], Mapping[str, str]], load: Callable[[], Load]
    ) -> Refusal | None:
        """Return None for a request that is let in. `headers` returns them under lower-case names.

        `headers` and `load` are called only when they decide something.
        """
        if method != "POST" or not NEW_JOB.fullmatch(path):
            return None
        at, now = time.monotonic(), time.time()
        rates = [rate for rate in (self.door.rate_now(at), load().admitted_per_second) if rate is not None]
        with self._lock:
            if not rates:
                self.door.decided(is_let_in=True)
                return None
            refusal = self._weigh(headers(), min(rates), at=at, now=now)
        self.door.decided(is_let_in=refusal is None)
        return refusal

    def _weigh(self, headers: Mapping[str, str], rate: float, *, at: float, now: float) -> Refusal | None:
        token = headers.get(places.HEADER.lower()) or parse_cookie(headers.get("cookie", "")).get(places.COOKIE, "")
        place = places.read(token, now=now)
        if place is None or self.room.is_used_up(place):
            place = places.new(now=now)
        if self.room.has_room(place, rate=rate, at=at):
            return None
        ahead = self.room.ahead_of(place, at=at)
        self.room.keep(place, at=at)
        seconds = max(SOONEST, ahead / rate) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 no secret
        return Refusal(max(SOONEST, min(LATEST, round(seconds))), place, ahead)

    def told(self) -> dict[str, object]:
        """Return what /readyz says of this process's door."""
        rate = self.door.rate
        return {"admits_per_second": None if rate is None else round(rate, 1), "waiting_room": len(self.room)}


gate = Gate()
# Whether a key made a job is read from the database, on threads that nothing else waits for.
_lookups = ThreadPoolExecutor(2, thread_name_prefix="admission")


def ask_whether_repeated(headers: Mapping[str, str]) -> Future[bool] | None:
    """Return the coming answer to whether this request was accepted before; None when it can only be new."""
    if not headers.get("idempotency-key") or _lookups._work_queue.qsize() > MOST_LOOKUPS:
        return None
    return _lookups.submit(_is_repeated_in_thread, headers)


def _is_repeated_in_thread(headers: Mapping[str, str]) -> bool:
    try:
        close_old_connections()
        return is_repeated(headers)
    finally:
        close_old_connections()


def is_repeated(headers: Mapping[str, str]) -> bool:
    """Return whether the sender's Idempotency-Key has made a job already."""
    key = headers.get("idempotency-key", "")
    try:
        owner = identity.owner_of_headers(headers) if key else ""
        return bool(owner) and Job.objects.filter(owner=owner, idempotency_key=key).exists()
    except (DatabaseError, InterfaceError):
        return False


def answer(path: str, headers: Iterable[tuple[bytes, bytes]], refusal: Refusal) -> tuple[busy.Headers, bytes]:
    """Return headers and body of the 503, with the place in both."""
    said, body = busy.answer(
        path,
        headers,
        retry_after=refusal.retry_after,
        place={"token": refusal.place.token, "ahead": refusal.ahead, "seconds": refusal.retry_after},
    )
    kept = HttpResponse()
    _keep_place(kept, refusal.place)
    return [*said, (b"set-cookie", kept.cookies[places.COOKIE].OutputString().encode())], body


def _keep_place(response: HttpResponse, place: Place) -> None:
    seconds = int(places.VALID_FOR.total_seconds())
    response.set_cookie(
        places.COOKIE, place.token, max_age=seconds, secure=settings.IS_HTTPS, httponly=True, samesite="Lax"
    )


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Decide where no server of ours has: under a WSGI server."""

    def admit(request: HttpRequest) -> HttpResponse:
        method, path = request.method or "", request.path_info
        if DECIDED in request.META or method != "POST" or not NEW_JOB.fullmatch(path):
            return get_response(request)

        def headers() -> dict[str, str]:
            return {name.lower(): value for name, value in request.headers.items()}

        refusal = gate.weigh(method, path, headers, state.current)
        if refusal is None or is_repeated(headers()):
            return get_response(request)
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers().items()]
        said, body = answer(path, pairs, refusal)
        response = HttpResponse(body, status=503)
        for name, value in said:
            if name != b"set-cookie":
                response[name.decode()] = value.decode()
        _keep_place(response, refusal.place)
        response._has_been_logged = True  # type: ignore[attr-defined]  # Django's: one line for each would be a crowd's
        return response

    return admit
