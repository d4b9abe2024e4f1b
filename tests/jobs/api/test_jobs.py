"""The rest of the HTTP contract: reading, listing, canceling, erasing, and who may."""

import json
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.test.client import encode_multipart
from django.utils import timezone

from jobs import lifecycle, receipts, services
from jobs.models import Job, Lane
from tests import factories
from tests.jobs.api.body import KEYS, LINKS
from tests.jobs.orders import is_problem, order

pytestmark = pytest.mark.django_db


def finish(body, provider, film=b"film"):
    """Make the ordered job a finished one."""
    job = Job.objects.get(id=body["id"])
    finished = factories.make_finished_job(provider, film=film)
    # The finished row takes the visitor's place.
    Job.objects.filter(id=finished.id).update(owner=job.owner)
    return finished


def test_the_body_is_exactly_the_contracts(api, ordered):
    body = api.get(ordered["links"]["self"]).json()
    assert set(body) == KEYS
    assert set(body["links"]) == LINKS
    assert set(body["queue"]) == {"position", "eta_seconds", "reason"}
    assert set(body["queue"]["eta_seconds"]) == {"p50", "p90"}
    assert body["queue"]["eta_seconds"]["p50"] <= body["queue"]["eta_seconds"]["p90"]
    assert body["created_at"].endswith("Z")
    assert (body["failure"], body["finished_at"], body["links"]["video"]) == (None, None, None)
    assert body["links"]["socket"] == f"/ws/jobs/{body['id']}/"
    assert {**body, "receipt": ordered["receipt"]} == ordered


def test_a_waiting_body_says_when_to_ask_again_and_is_not_cached(api, ordered):
    answer = api.get(ordered["links"]["self"])
    assert answer["Retry-After"] == "2"
    assert answer["Cache-Control"] == "private, no-store"


def test_a_finished_body_has_its_links_and_fits_a_message(api, ordered, provider):
    job = finish(ordered, provider)
    services.share_job(job.id, now=timezone.now())
    answer = api.get(f"/api/v1/jobs/{job.id}/")
    body = answer.json()
    assert (body["status"], body["stage"], body["progress"]) == ("succeeded", "ready", 1.0)
    assert all(body["links"].values())
    assert body["finished_at"]
    assert "Retry-After" not in answer
    assert len(answer.content) < 1250
    assert job.owner not in json.dumps(body)
    assert b"".join(api.get(body["links"]["video"]).streaming_content) == b"film"


def test_a_failure_says_what_to_do(api, ordered):
    lifecycle.fail(uuid.UUID(ordered["id"]), code="no_face", now=timezone.now())
    failure = api.get(ordered["links"]["self"]).json()["failure"]
    assert failure["code"] == "no_face"
    assert failure["message"]
    assert failure["next_step"]


def test_the_position_counts_the_jobs_ahead(api, ordered):
    first = factories.make_job(now=timezone.now() - timedelta(minutes=1))
    assert api.get(ordered["links"]["self"]).json()["queue"]["position"] == 1
    lifecycle.cancel(first.id, now=timezone.now(), by="owner")
    assert api.get(ordered["links"]["self"]).json()["queue"]["position"] == 0


# --- Cancel, erase, share ------------------------------------------------------------------------


def test_cancel_stops_a_job_and_does_it_once(api, ordered):
    for _ in range(2):
        answer = api.post(ordered["links"]["cancel"])
        assert answer.status_code == 202
        assert answer.json()["status"] == "canceled"
    assert answer.json()["seq"] == 2


def test_cancel_reaches_the_provider(api, ordered, provider, stub, work, ask):
    work(Lane.PREPARE, Lane.DISPATCH)
    api.post(ordered["links"]["cancel"])
    ask()
    assert stub.only.status == "canceled"
    assert stub.only.canceled == 1


def test_erase_leaves_nothing_and_gives_a_receipt(api, ordered, provider, stub, work, ask, deliver, sandbox):
    work(Lane.PREPARE, Lane.DISPATCH)
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    assert len(factories.stored_files()) == 3
    answer = api.delete(ordered["links"]["self"])
    assert answer.status_code == 202
    body = answer.json()
    assert set(body) == {"id", "erased_at", "receipt", "removed", "held"}
    assert ordered["erased_at"] is None
    assert str(receipts.check(body["receipt"]).job_id) == ordered["id"]
    assert factories.stored_files() == []
    ask()
    assert stub.only.deleted == 1
    job = Job.objects.get()
    assert (job.hero_name, job.email, job.photo_sha256, job.share_slug) == ("", "", "", None)
    assert job.status == "succeeded"
    again = api.delete(ordered["links"]["self"]).json()
    assert again["erased_at"] == body["erased_at"]
    left = api.get(ordered["links"]["self"]).json()
    assert left["erased_at"] == body["erased_at"]
    assert (left["links"]["video"], left["links"]["poster"], left["links"]["share"]) == (None, None, None)


def test_erase_stops_a_job_under_way(api, ordered, provider, stub, work, ask, sandbox):
    work(Lane.PREPARE, Lane.DISPATCH)
    assert api.delete(ordered["links"]["self"]).status_code == 202
    ask()
    assert (Job.objects.get().status, stub.only.deleted) == ("canceled", 1)
    assert factories.stored_files() == []


def test_share_is_for_finished_films_and_can_be_taken_back(api, ordered, provider):
    is_problem(api.post(f"{ordered['links']['self']}share/"), 409, "not_finished")
    job = finish(ordered, provider)
    url = f"/api/v1/jobs/{job.id}/share/"
    address = api.post(url).json()["links"]["share"]
    assert api.post(url).json()["links"]["share"] == address
    assert Client().get(address).status_code == 200
    assert api.delete(url).json()["links"]["share"] is None
    assert Client().get(address).status_code == 404


# --- The rest ------------------------------------------------------------------------------------


def test_the_looks_and_the_cookie_come_together(db):
    look = factories.make_look()
    factories.make_look("retired", active=False)
    client = Client()
    answer = client.get("/api/v1/looks/")
    assert [row["slug"] for row in answer.json()] == [look.slug]
    assert set(answer.json()[0]) == {"slug", "title", "note", "picture", "loop"}
    assert "visitor" in answer.cookies
    assert "visitor" not in client.get("/api/v1/looks/").cookies


@pytest.mark.parametrize(
    "address", ["/api/v1/nothing/", "/api/v1/jobs/not-a-uuid/", "/api/v1/jobs/x", "/api/v1/", "/api/v1/x"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_such_address_is_a_problem_too(address, method, api):
    is_problem(getattr(api, method)(address), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("put", "/api/v1/jobs/"),
        ("put", "{self}"),
        ("post", "{self}"),
        ("get", "{cancel}"),
        ("post", "/api/v1/looks/"),
    ],
)
def test_a_wrong_verb_is_a_problem(method, address, api, ordered):
    is_problem(getattr(api, method)(address.format(**ordered["links"])), 405, "method_not_allowed")


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_address_without_its_slash_is_told_so_and_keeps_its_verb(method, api):
    answer = getattr(api, method)("/api/v1/jobs?x=1", headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Location"]) == (308, "/api/v1/jobs/?x=1")


def test_an_order_without_the_slash_is_an_order(api):
    form = encode_multipart("part", order())
    answer = api.post("/api/v1/jobs", form, content_type="multipart/form-data; boundary=part", follow=True)
    assert answer.status_code == 202
    assert Job.objects.count() == 1


def test_a_database_that_is_away_is_said_so(api, monkeypatch):
    from django.db import OperationalError

    def fail(*_, **__):
        raise OperationalError("gone")

    monkeypatch.setattr("jobs.models.JobQuerySet.visible_to", fail)
    answer = api.get("/api/v1/jobs/")
    is_problem(answer, 503, "unavailable")
    assert answer["Retry-After"]


def test_the_openapi_document_covers_the_contract_and_has_no_warning(db, tmp_path):
    target = tmp_path / "schema.json"
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", "--file", str(target))
    paths = json.loads(target.read_text())["paths"]
    expected = {
        "/api/v1/jobs/": {"get", "post"},
        "/api/v1/jobs/{job_id}/": {"get", "patch", "delete"},
        "/api/v1/jobs/{job_id}/events/": {"get"},
        "/api/v1/jobs/{job_id}/cancel/": {"post"},
        "/api/v1/jobs/{job_id}/share/": {"post", "delete"},
        "/api/v1/looks/": {"get"},
    }
    found = {path: {verb for verb in verbs if verb != "parameters"} for path, verbs in paths.items()}
    assert {path: verbs for path, verbs in found.items() if path in expected} == expected
    assert {"202", "409", "413", "415", "422", "429"} <= set(paths["/api/v1/jobs/"]["post"]["responses"])


def test_the_openapi_document_says_who_may_and_what_problems_look_like(api):
    document = api.get("/api/v1/schema/?format=json").json()
    operations = [verb for verbs in document["paths"].values() for verb in verbs.values() if "responses" in verb]
    ways: list = [{"visitorCookie": []}, {"apiToken": []}]
    # Either, never both; nobody in particular may ask too, or anybody may: `test_docs` says who where.
    assert all(each["security"] in (ways, [{}, *ways], []) for each in operations)
    answers = [(code, answer) for each in operations for code, answer in each["responses"].items() if code != "204"]
    problem, page = ("application/problem+json",), ("application/problem+json", "text/html")  # of /receipts/verify
    assert {tuple(answer["content"]) for code, answer in answers if code >= "400"} == {problem, page}
    said = [answer for code, answer in answers if code < "400" and code != "204"]
    jwks = ("application/json", "application/jwk-set+json")  # of /receipts/keys
    assert {tuple(answer["content"]) for answer in said} == {
        ("application/json",),
        jwks,
        ("application/json", "text/html"),
    }
    assert all("content" not in answer for code, answer in answers if code == "204")
    assert "400" in document["paths"]["/api/v1/jobs/"]["get"]["responses"]


@pytest.mark.parametrize("address", ["/api/v1/schema/", "/api/docs/", "/api/docs/?script="])
def test_the_document_and_its_page_are_read_only(address, api):
    assert api.get(address).status_code == api.head(address).status_code == 200
    for method in ("options", "post", "delete"):
        answer = getattr(api, method)(address)
        is_problem(answer, 405, "method_not_allowed")
        assert answer["Allow"] == "GET, HEAD"
