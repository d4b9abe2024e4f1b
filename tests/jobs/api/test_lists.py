"""The owner's list in pages, and a job's history."""

import base64
import uuid
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from jobs import lifecycle
from jobs.models import Job
from tests import factories
from tests.jobs.api.body import KEYS
from tests.jobs.orders import is_problem

pytestmark = pytest.mark.django_db


# --- Lists and histories -------------------------------------------------------------------------


def test_the_list_is_the_owners_newest_first_in_pages(api, ordered):
    owner = Job.objects.get().owner
    for age in range(1, 25):
        factories.make_job(owner=owner, now=timezone.now() - timedelta(minutes=age))
    factories.make_job()
    first = api.get("/api/v1/jobs/").json()
    assert first["results"][0]["id"] == ordered["id"]
    second = api.get(first["next"]).json()
    ids = [row["id"] for row in first["results"] + second["results"]]
    assert len(ids) == len(set(ids)) == 25
    assert second["next"] is None
    assert set(first["results"][0]) == KEYS


def test_a_request_without_an_owner_has_an_empty_list(api):
    assert Client().get("/api/v1/jobs/").json()["results"] == []


def cursor_of(content):
    return urlencode({"cursor": base64.b64encode(content.encode())})


ODD_CURSORS = ["cursor=x", "cursor=abc", "cursor=é", "cursor=cD0yMDI2", "cursor=cD0lMDA%3D"] + [
    cursor_of(content)
    for content in (
        "p=",
        "p=x",
        "p=2026-01-01",
        "p=2026-01-01 00:00:00",
        "p=2026-13-01T00:00:00Z",
        "p=0001-01-01T00:00:00%2B14:00",
        "o=-1",
        "r=x",
        "p=é",
    )
]


@pytest.mark.parametrize("cursor", ODD_CURSORS)
def test_an_odd_cursor_is_said_so(cursor, api, ordered):
    assert is_problem(api.get(f"/api/v1/jobs/?{cursor}"), 400, "cursor_invalid")["field"] == "cursor"


@pytest.mark.parametrize(
    "cursor", ["cursor=", cursor_of("o=99999999"), cursor_of("p=2026-01-01 00:00:00.5%2B00:00&r=1")]
)
def test_a_cursor_that_leads_anywhere_is_fine(cursor, api, ordered):
    assert api.get(f"/api/v1/jobs/?{cursor}").status_code == 200


@pytest.mark.parametrize("address", ["/api/v1/jobs/", "/api/v1/looks/", "/api/v1/schema/", "/api/docs/"])
def test_an_unknown_format_is_a_problem(address, api):
    is_problem(api.get(address, {"format": "xml"}), 406, "not_acceptable")


def test_the_history_of_a_job(api, ordered):
    url = ordered["links"]["events"]
    lifecycle.cancel(uuid.UUID(ordered["id"]), now=timezone.now(), by="owner")
    events = api.get(url).json()["events"]
    assert [(event["seq"], event["kind"]) for event in events] == [(1, "accepted"), (2, "canceled")]
    assert all(set(event) == {"seq", "kind", "at", "data"} for event in events)
    assert [event["seq"] for event in api.get(url, {"after": 1}).json()["events"]] == [2]
    assert api.get(url, {"after": 99}).json()["events"] == []


@pytest.mark.parametrize("after", ["-1", "x", "1e3", "٣", "9" * 30, ""])
def test_an_odd_after_is_said_so(after, api, ordered):
    body = is_problem(api.get(ordered["links"]["events"], {"after": after}), 400, "after_invalid")
    assert body["field"] == "after"
