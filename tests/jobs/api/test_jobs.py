"""The rest of the HTTP contract: reading, listing, canceling, erasing, and who may."""

import base64
import json
import uuid
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.test.client import encode_multipart
from django.utils import timezone
from rest_framework.authtoken.models import Token

from jobs import lifecycle, receipts, services
from jobs.models import Job, Lane
from tests import factories
from tests.jobs.intake.test_job_input import is_problem, order

pytestmark = pytest.mark.django_db

KEYS = {
    "id", "status", "stage", "progress", "look", "hero_name", "queue", "failure", "seq",
    "created_at", "finished_at", "erase_at", "erased_at", "links",
}  # fmt: skip
LINKS = {"self", "events", "cancel", "page", "socket", "stream", "poster", "video", "share"}


@pytest.fixture
def ordered(api):
    """What the visitor of `api` was answered for an order."""
    return api.post("/api/v1/jobs/", order(hero_name="NOVA-7")).json()


def finish(body, provider, film=b"film"):
    """Make the ordered job a finished one."""
    job = Job.objects.get(id=body["id"])
    finished = factories.make_finished_job(provider, film=film)
    # The finished row takes the visitor's place.
    Job.objects.filter(id=finished.id).update(owner=job.owner)
    return finished


def others():
    user = get_user_model().objects.create_user("other")
    visitor = Client()
    visitor.get("/api/v1/looks/")
    signed_in = Client()
    signed_in.force_login(user)
    garbage = Client()
    garbage.cookies["visitor"] = "' OR 1=1 --"
    token = Client(headers={"Authorization": f"Token {Token.objects.create(user=user).key}"})
    return {"visitor": visitor, "nobody": Client(), "user": signed_in, "garbage": garbage, "token": token}


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


# --- Whose ---------------------------------------------------------------------------------------

CALLS = [
    ("get", "/api/v1/jobs/{id}/"),
    ("head", "/api/v1/jobs/{id}/"),
    ("delete", "/api/v1/jobs/{id}/"),
    ("get", "/api/v1/jobs/{id}/events/"),
    ("post", "/api/v1/jobs/{id}/cancel/"),
    ("post", "/api/v1/jobs/{id}/share/"),
    ("delete", "/api/v1/jobs/{id}/share/"),
    ("get", "/jobs/{id}/"),
    ("head", "/jobs/{id}/"),
]


@pytest.mark.parametrize(("method", "address"), CALLS)
def test_for_anybody_else_a_job_does_not_exist(method, address, ordered):
    before = Job.objects.values().get()
    for name, client in others().items():
        theirs = getattr(client, method)(address.format(id=ordered["id"]))
        missing = getattr(client, method)(address.format(id=uuid.uuid4()))
        assert theirs.status_code == missing.status_code == 404, name
        if address.startswith("/api/"):
            assert theirs.content == missing.content, name
            assert theirs.headers == missing.headers, name
    assert Job.objects.values().get() == before


def test_an_api_token_owns_what_it_ordered(db):
    factories.make_look()
    user = get_user_model().objects.create_user("program")
    program = Client(headers={"Authorization": f"Token {Token.objects.create(user=user).key}"})
    answer = program.post("/api/v1/jobs/", order())
    assert answer.status_code == 202
    assert not answer.cookies
    assert Job.objects.get().owner == f"u:{user.id}"
    assert program.get(answer["Location"]).status_code == 200
    assert program.get("/api/v1/jobs/").json()["results"][0]["id"] == answer.json()["id"]
    signed_in = Client()
    signed_in.force_login(user)
    assert signed_in.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize("token", ["0" * 40, "", "x\x00y", "é" * 40, "0" * 5000])
@pytest.mark.database
def test_an_unknown_token_is_a_problem(token, api, ordered):
    answer = api.get(ordered["links"]["self"], headers={"Authorization": f"Token {token}"})
    is_problem(answer, 401, "bad_token")
    assert answer["WWW-Authenticate"] == "Token"


def test_the_token_of_an_inactive_user_is_unknown(api):
    user = get_user_model().objects.create_user("left", is_active=False)
    headers = {"Authorization": f"Token {Token.objects.create(user=user).key}"}
    is_problem(api.get("/api/v1/jobs/", headers=headers), 401, "bad_token")


def test_the_visitor_cookie_is_hard_to_steal(db):
    factories.make_look()
    client = Client()
    cookie = client.post("/api/v1/jobs/", order()).cookies["visitor"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert int(cookie["max-age"]) > 30 * 86400
    assert len(cookie.value) == 43
    assert cookie.value not in json.dumps(list(Job.objects.values_list("owner", flat=True)))
    assert "visitor" not in client.post("/api/v1/jobs/", order()).cookies, "it stays the same"


def test_over_https_the_cookie_is_bound_to_the_host(db, settings):
    settings.IS_HTTPS, settings.VISITOR_COOKIE_NAME = True, "__Host-visitor"
    factories.make_look()
    cookie = Client().post("/api/v1/jobs/", order()).cookies["__Host-visitor"]
    assert cookie["secure"]
    assert not cookie["domain"]


OTHER_SITES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://[broken"},
    {"Origin": "http://testserver.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
]


@pytest.mark.parametrize("headers", OTHER_SITES, ids=str)
@pytest.mark.parametrize(
    ("method", "address"),
    [("post", "/api/v1/jobs/"), ("delete", "/api/v1/jobs/{id}/"), ("post", "/api/v1/jobs/{id}/cancel/")],
)
def test_another_site_changes_nothing(method, address, headers, api, ordered):
    data = order() if address.endswith("/jobs/") else None
    answer = getattr(api, method)(address.format(id=ordered["id"]), data, headers=headers)
    is_problem(answer, 403, "forbidden")
    assert Job.objects.get().status == "queued"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://testserver"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
def test_our_own_pages_and_programs_may(headers, api):
    assert api.post("/api/v1/jobs/", order(), headers=headers).status_code == 202


def test_another_site_may_not_even_read_but_is_not_told(api, ordered):
    answer = api.get(ordered["links"]["self"], headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer


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
    assert set(body) == {"id", "erased_at", "receipt"}
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
        ("patch", "{self}"),
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
        "/api/v1/jobs/{job_id}/": {"get", "delete"},
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
    assert all(each["security"] == [{"visitorCookie": []}, {"apiToken": []}] for each in operations), "or, not and"
    answers = [(code, answer) for each in operations for code, answer in each["responses"].items() if code != "204"]
    assert {tuple(answer["content"]) for code, answer in answers if code >= "400"} == {("application/problem+json",)}
    said = [answer for code, answer in answers if code < "400" and code != "204"]
    jwks = ("application/json", "application/jwk-set+json")  # of /receipts/keys
    assert {tuple(answer["content"]) for answer in said} == {("application/json",), jwks}
    assert all("content" not in answer for code, answer in answers if code == "204")
    assert "400" in document["paths"]["/api/v1/jobs/"]["get"]["responses"]


@pytest.mark.parametrize("address", ["/api/v1/schema/", "/api/docs/", "/api/docs/?script="])
def test_the_document_and_its_page_are_read_only(address, api):
    assert api.get(address).status_code == api.head(address).status_code == 200
    for method in ("options", "post", "delete"):
        answer = getattr(api, method)(address)
        is_problem(answer, 405, "method_not_allowed")
        assert answer["Allow"] == "GET, HEAD"
