"""What /readyz tells of the ledger: soon, rarely, and without a say in whether the product is ready."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone

from common.timed_cache import TimedCache
from jobs import ledger
from jobs.models import Job
from selfiehero.health import checks
from selfiehero.health import ledger as health_ledger
from selfiehero.health.ledger import LedgerLook
from selfiehero.health.serving import ServingLook
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    """What the look takes for the time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(health_ledger, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def look(monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerLook]:
    look = LedgerLook()
    monkeypatch.setattr(checks, "_ledger", look)
    monkeypatch.setattr(checks, "_cache", TimedCache(-1.0, checks.look_now))
    # However slow the machine, the first one who asks gets an answer.
    monkeypatch.setattr(health_ledger, "FIRST_SECONDS", 10.0)
    monkeypatch.setattr(checks, "_serving", ServingLook())
    monkeypatch.setattr(checks, "FIRST_SERVING_SECONDS", 10.0)
    yield look
    look.wait(10)
    checks._serving.wait(10)


def told(client: Client) -> dict[str, object]:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    return answer.json()["ledger"]


def test_the_first_one_who_asks_is_told(client: Client, clock: Clock) -> None:
    factories.make_job()
    assert told(client) == {"balance": "ok", "differences": 0, "age": 0.0}


def test_a_difference_is_told_and_everything_is_still_ready(client: Client, clock: Clock, look: LedgerLook) -> None:
    jobs = [factories.make_job() for _ in range(3)]
    assert told(client)["balance"] == "ok"
    for job in jobs[:2]:
        Job.objects.filter(id=job.id).update(status="canceled", finished_at=timezone.now(), lane="")
    clock.now += health_ledger.EVERY_SECONDS - 1
    assert told(client) == {"balance": "ok", "differences": 0, "age": 9.0}
    clock.now += 1
    told(client)
    look.wait(10)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert answer.json()["ledger"] == {"balance": "differs: 2", "differences": 2, "age": 0.0}


@pytest.mark.slow
def test_a_look_that_takes_long_is_made_more_rarely(
    client: Client, clock: Clock, look: LedgerLook, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    inspect_balances = ledger.inspect_balances

    def slowly(**values: object) -> ledger.Ledger:
        looks.append(clock.now)
        clock.now += 4
        return inspect_balances(**values)

    monkeypatch.setattr(ledger, "inspect_balances", slowly)
    for _ in range(200):
        told(client)
        look.wait(10)
        clock.now += 1
    assert looks == [1000.0, 1080.0, 1160.0]


def test_nobody_waits_for_a_look(client: Client, look: LedgerLook, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs holds nobody up, and there is never a second one beside it."""
    monkeypatch.setattr(health_ledger, "FIRST_SECONDS", 0.01)
    go_on, looks = threading.Event(), []

    def hang(**_: object) -> ledger.Ledger:
        looks.append(1)
        go_on.wait(20)
        raise RuntimeError("away")

    monkeypatch.setattr(ledger, "inspect_balances", hang)
    try:
        for _ in range(3):
            assert told(client) == {"balance": "not looked at yet", "differences": None, "age": None}
    finally:
        go_on.set()
    look.wait(10)
    assert len(looks) == 1
    assert told(client)["balance"] == "failed: RuntimeError"


def test_a_database_that_does_not_answer_is_not_asked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(ledger, "inspect_balances", lambda **_: looks.append(1))
    monkeypatch.setattr(checks, "ask_database", lambda: checks.told("failed: OperationalError", {}))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ledger"]["balance"] == "not looked at yet"
    assert looks == []
