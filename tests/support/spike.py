"""A spike, played out on rows: people arrive, providers make films as fast as the test says, time is what it says.

Nothing waits for real. What is promised at the door is what the product promises; what becomes of it is decided here,
by rules the product does not know, and read back from the rows by the product's own report card.
"""

from __future__ import annotations

import heapq
import itertools
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from django.conf import settings

from jobs.estimates import eta
from jobs.models import Attempt, Job, Lane, Look
from providers.models import ProviderConfig
from tests import factories

SURVEY_EVERY = 3.0  # as in the product: the database is not read at every arrival


@dataclass
class House:
    """A provider: its places, how long a film takes there, how many of its films fail, and when it is away."""

    row: ProviderConfig
    film: Callable[[Random], float]
    fails: float = 0.0
    away: tuple[float, float] = (0.0, 0.0)
    calls: list[float] = field(default_factory=list)
    taken: int = 0

    def is_away(self, at: float) -> bool:
        return self.away[0] <= at < self.away[1]


def house(slug: str, *, places: int, median: float, spread: float, order: int, **more) -> House:
    """Return a provider whose films take log-normal times."""
    adapter = more.pop("adapter", "wavespeed")
    per_minute = more.pop("per_minute", 6000)
    row = factories.make_provider(
        slug=slug, title=slug, adapter=adapter, order=order, max_concurrent=places, max_per_minute=per_minute
    )
    return House(row, lambda chance: median * chance.lognormvariate(0, spread), **more)


class Spike:
    """`Spike(houses, arrivals, start=now, seed=1).run()` returns the jobs, each ended."""

    def __init__(self, houses: list[House], arrivals: list[float], *, start: datetime, seed: int) -> None:
        self.houses = sorted(houses, key=lambda one: one.row.order)
        self.chance, self.start, self.look = Random(seed), start, factories.make_look()
        self.line: list[tuple[float, int, Job]] = []
        self.numbers = itertools.count()
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.surveyed_at = float("-inf")
        for at in sorted(arrivals):
            self.at(at, self.arrive)
        for one in self.houses:
            if one.away[1]:
                self.at(one.away[0], lambda now, one=one: self.shut(one, now))
                self.at(one.away[1], lambda now, one=one: self.open(one, now))

    def at(self, seconds: float, what: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (seconds, next(self.numbers), what))

    def moment(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    def run(self) -> datetime:
        """Play everything; return when the last film was there."""
        seconds = 0.0
        while self.events:
            seconds, _, what = heapq.heappop(self.events)
            what(seconds)
            self.dispatch(seconds)
        return self.moment(seconds)

    def arrive(self, seconds: float) -> None:
        now = self.moment(seconds)
        if seconds - self.surveyed_at >= SURVEY_EVERY:
            self.surveyed_at = seconds
            eta._cache.put(eta.survey(now=now), seconds=float("inf"))
        owner = f"v:{uuid.UUID(int=self.chance.getrandbits(128)).hex}"
        promised = eta.promise(owner, now=now)
        job = Job.objects.create(
            owner=owner, look=self.look, lane=Lane.DISPATCH, stage=Job.Stage.WAITING_FOR_SLOT, due_at=now, turn_at=now,
            photo_sha256="", consent_version="1", consent_sha256="0" * 64, consent_language="en",
            consent_age=16, consent_at=now, created_at=now, erase_at=now + settings.RETENTION,
            deadline_at=now + settings.JOB_DEADLINE, promised_p50=promised.p50, promised_p90=promised.p90,
        )  # fmt: skip
        heapq.heappush(self.line, (seconds, next(self.numbers), job))

    def dispatch(self, seconds: float) -> None:
        for one in self.houses:
            while self.line and not one.is_away(seconds) and one.taken < one.row.max_concurrent:
                one.calls = [at for at in one.calls if at > seconds - 60]
                if len(one.calls) >= one.row.max_per_minute:
                    self.at(one.calls[0] + 60.001, lambda now: None)
                    break
                self.begin(one, heapq.heappop(self.line), seconds)

    def begin(self, one: House, waiting: tuple[float, int, Job], seconds: float) -> None:
        one.taken += 1
        one.calls.append(seconds)
        now, job = self.moment(seconds), waiting[2]
        number = Attempt.objects.filter(job=job).count() + 1
        attempt = Attempt.objects.create(
            job=job, provider=one.row, number=number, status="running", token=secrets.token_hex(16),
            lease_token="", lease_until=now, claimed_at=now, submitted_at=now, deadline_at=now + timedelta(hours=1),
        )  # fmt: skip
        Job.objects.filter(id=job.id).update(lane="", status="processing", stage="rendering")
        takes = one.film(self.chance)
        fails = self.chance.random() < one.fails
        self.at(seconds + takes * (0.6 if fails else 1.0), lambda at: self.end(one, attempt, waiting, fails, at))

    def end(self, one: House, attempt: Attempt, waiting: tuple[float, int, Job], fails: bool, seconds: float) -> None:
        one.taken -= 1
        now, job = self.moment(seconds), waiting[2]
        outcome = {"status": "failed", "error_code": "failed"} if fails else {"status": "succeeded"}
        Attempt.objects.filter(id=attempt.id).update(slot_held=False, finished_at=now, **outcome)
        if fails:
            Job.objects.filter(id=job.id).update(lane=Lane.DISPATCH, stage="waiting_for_slot")
            heapq.heappush(self.line, waiting)  # it keeps its turn
            return
        ready = self.moment(seconds + 0.3 + self.chance.random())
        Job.objects.filter(id=job.id).update(
            status="succeeded", stage="ready", video_key="x", finished_at=ready, winner=attempt
        )

    def shut(self, one: House, seconds: float) -> None:
        """It fails, and our breaker keeps all jobs away."""
        until = self.moment(one.away[1])
        ProviderConfig.objects.filter(id=one.row.id).update(breaker_until=until, breaker_reason="calls")

    def open(self, one: House, seconds: float) -> None:
        ProviderConfig.objects.filter(id=one.row.id).update(breaker_until=None, breaker_reason="")


def burst(count: int, seconds: float, chance: Random, *, start: float = 0.0) -> list[float]:
    """Return when so many people arrive within so many seconds, most of them early."""
    return [start + seconds * chance.betavariate(1.5, 3) for _ in range(count)]


def remember(one: House, count: int, *, before: datetime, chance: Random, look: Look) -> None:
    """Give a provider a quiet hour behind it, in which it made so many films."""
    for number in range(count):
        began = before - timedelta(seconds=3000 * (number + 1) / (count + 1) + 300)
        made = began + timedelta(seconds=one.film(chance))
        job = Job.objects.create(
            owner="v:before", look=look, lane="", status="succeeded", stage="ready", due_at=began, turn_at=began,
            photo_sha256="", consent_version="1", consent_at=began, created_at=began, video_key="x",
            erase_at=began + settings.RETENTION, deadline_at=began + settings.JOB_DEADLINE,
            finished_at=made + timedelta(seconds=0.5),
        )  # fmt: skip
        Attempt.objects.create(
            job=job, provider=one.row, number=1, status="succeeded", slot_held=False, token=secrets.token_hex(16),
            lease_token="", lease_until=began, claimed_at=began, submitted_at=began, finished_at=made,
            deadline_at=made,
        )  # fmt: skip
