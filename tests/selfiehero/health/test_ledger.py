"""What /readyz tells of the ledger: what reconcile found last, without a say in whether the product is ready."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from common.timed_cache import TimedCache
from jobs import ledger
from jobs.models import Job
from selfiehero.health import checks
from selfiehero.health.serving import ServingChecks
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_cache", TimedCache(-1.0, checks.check_now))
    monkeypatch.setattr(checks, "_serving", ServingChecks())
    monkeypatch.setattr(checks, "FIRST_SERVING_SECONDS", 10.0)


def told(client: Client) -> dict[str, object]:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    return answer.json()["ledger"]


def test_before_the_first_inspection_it_says_so(client: Client) -> None:
    assert told(client) == {"balance": "not inspected yet", "differences": None, "age": None}


def test_what_was_found_last_is_told_with_its_age(client: Client) -> None:
    jobs = [factories.make_job() for _ in range(3)]
    assert ledger.inspect_next(now=timezone.now() - timedelta(seconds=40))
    seen = told(client)
    assert (seen["balance"], seen["differences"]) == ("ok", 0)
    assert 40 <= float(str(seen["age"])) < 70
    for job in jobs[:2]:
        Job.objects.filter(id=job.id).update(status="canceled", finished_at=timezone.now(), lane="")
    assert ledger.inspect_next(now=timezone.now())
    seen = told(client)
    assert (seen["balance"], seen["differences"]) == ("differs: 2", 2)
    assert client.get("/readyz").json()["state"] == "degraded"


def test_a_request_inspects_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each web process used to read every event; now reconcile does, once per cluster."""

    def refuse(**_: object) -> None:
        raise AssertionError("inspected within a request")

    monkeypatch.setattr("jobs.ledger.inspection.read_sides", refuse)
    told(client)


def test_a_database_that_does_not_answer_is_not_asked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ask_database", lambda: checks.heartbeats("failed: OperationalError", []))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ledger"]["balance"] == "not inspected yet"
