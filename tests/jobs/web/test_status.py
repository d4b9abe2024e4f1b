"""The public status page."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from jobs import storage
from jobs.models import Heartbeat
from jobs.web import status
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.estimates.test_metrics import ended

pytestmark = pytest.mark.django_db


def look():
    status._cache.clear()
    return Client().get("/status.json").json()


def only(found):
    (studio,) = found["studios"]
    return studio


def later(**span):
    return timezone.now() + timedelta(**span)


def test_a_quiet_evening(provider):
    found = look()
    assert (found["state"], found["accepting"], found["waiting"], found["notes"]) == ("quiet", True, 0, [])
    assert 0 < found["eta_seconds"]["p50"] < found["eta_seconds"]["p90"]
    assert found["places"] == {"taken": 0, "open": 3, "share": 0.0}
    page = Client().get("/status")
    assert "Photos are welcome. Nobody is waiting." in page.content.decode()
    assert "Did we keep our word?" in page.content.decode()


def test_people_wait(provider):
    for _ in range(3):
        factories.make_submitted_attempt(provider)
    for _ in range(4):
        factories.make_waiting_job()
    found = look()
    assert (found["state"], found["waiting"]) == ("busy", 4)
    assert found["places"] == {"taken": 3, "open": 3, "share": 1.0}
    assert only(found)["label"] == "Full"
    assert "people wait for a place" in Client().get("/status").content.decode()
    provider.start_times.create(samples={"warm_film": [250.0] * 9})
    assert look()["state"] == "crowded"


@pytest.mark.parametrize(
    ("values", "state", "label", "words"),
    [
        ({"breaker_until": timedelta(minutes=2), "breaker_reason": "calls"}, "bad", "Resting", "did not answer well"),
        ({"breaker_until": timedelta(minutes=2), "breaker_reason": "films"}, "bad", "Resting", "came to nothing"),
        ({"breaker_until": timedelta(minutes=2), "breaker_reason": "account"}, "bad", "Resting", "a look from us"),
        (
            {"rate_limited_until": timedelta(minutes=2), "rate_limited_reason": "secret"},
            "warn",
            "Busy",
            "asked us to wait",
        ),
        ({"rate_limited_until": timedelta(minutes=-2)}, "warn", "Trying again", "goes first"),
        ({"price": 2, "daily_budget": 1, "budget_day": timedelta()}, "warn", "Done for today", "in a day"),
    ],
)
def test_each_studio_is_told_in_plain_words(values, state, label, words, provider):
    now = timezone.now()
    moments = {name: now + value for name, value in values.items() if isinstance(value, timedelta)}
    if "budget_day" in moments:
        moments["budget_day"] = now.date()
    ProviderConfig.objects.filter(id=provider.id).update(**values | moments)
    studio = only(look())
    assert (studio["state"], studio["label"]) == (state, label)
    assert words in studio["words"]
    assert (studio["until"] is not None) == (label in ("Resting", "Busy", "Done for today"))
    assert words in Client().get("/status").content.decode()


def test_when_no_studio_is_open_it_says_so(provider):
    ProviderConfig.objects.update(breaker_until=later(minutes=2), breaker_reason="calls")
    found = look()
    assert found["state"] == "shut"
    assert found["accepting"] is True
    ProviderConfig.objects.update(enabled=False)
    found = look()
    assert (found["state"], found["studios"]) == ("shut", [])
    assert Client().get("/status").status_code == 200


def test_a_full_disk_is_said(provider, monkeypatch):
    monkeypatch.setattr(storage, "free_bytes_when_full", lambda: 1)
    found = look()
    assert (found["state"], found["accepting"]) == ("full", False)


def test_what_is_late_is_said_and_what_was_never_seen_is_not(provider):
    Heartbeat.objects.create(name="worker-prepare", seen_at=later(seconds=-60))
    Heartbeat.objects.create(name="reconcile", seen_at=later(seconds=-5))
    found = look()
    assert found["state"] == "degraded"
    assert found["notes"] == ["Photos are accepted, but start late. None is lost."]
    assert found["notes"][0] in Client().get("/status").content.decode()


def test_promise_metrics_are_of_the_last_hour_else_of_the_day(provider):
    assert look()["promises"]["films"] == 0
    ended(provider, took=100, ago=7200)
    assert (look()["promises"]["films"], look()["promises"]["hours"]) == (1, 24)
    for took in (10, 30, 30, 30):
        ended(provider, took=took)
    found = look()["promises"]
    assert (found["films"], found["hours"], found["kept"], found["sooner"], found["later"]) == (4, 1, 1.0, 0.25, 0.0)
    assert "100 of 100 films came when we said" in Client().get("/status").content.decode()
    assert set(only(look())["stages"]) >= {"preparing", "waiting", "rendering", "collecting"}


def test_json_for_who_asks_for_it_a_page_for_browsers(provider):
    wanted = {"application/json": "application/json", "text/html,*/*;q=0.8": "text/html; charset=utf-8"}
    for accept, kind in wanted.items():
        answer = Client().get("/status", headers={"Accept": accept})
        assert answer["Content-Type"] == kind
        assert answer["Vary"].startswith("Accept, Accept-Language, Cookie")
        assert answer["Cache-Control"] == "public, max-age=5, stale-while-revalidate=5"
        assert not answer.cookies


def test_all_requests_share_one_check(provider, django_assert_num_queries, django_assert_max_num_queries):
    with django_assert_max_num_queries(30):
        Client().get("/status")
    with django_assert_num_queries(0):
        for _ in range(20):
            Client().get("/status.json")
            Client().get("/status")


def test_nothing_secret_is_in_it(provider):
    job = ended(provider, took=30)
    ProviderConfig.objects.update(
        price="0.4321",
        daily_budget=7,
        last_error="secret-error",
        rate_limited_reason="secret-words",
        rate_limited_until=later(hours=1),
    )
    said = Client().get("/status.json").content.decode() + Client().get("/status").content.decode()
    for secret in ("0.4321", "secret-", provider.base_url, provider.api_key, str(job.id), job.owner, "budget"):
        assert secret not in said, secret
