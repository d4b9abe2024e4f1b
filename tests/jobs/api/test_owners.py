"""Whose a job is: cookies, tokens, and requests that other sites make."""

import json
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from rest_framework.authtoken.models import Token

from jobs.models import Job
from tests import factories
from tests.jobs.orders import is_problem, order

pytestmark = pytest.mark.django_db


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
        # One id for both requests: answers name theirs.
        same = {"x-request-id": "one-for-both"}
        theirs = getattr(client, method)(address.format(id=ordered["id"]), headers=same)
        missing = getattr(client, method)(address.format(id=uuid.uuid4()), headers=same)
        assert theirs.status_code == missing.status_code == 404, name
        if address.startswith("/api/"):
            assert theirs.content == missing.content, name
            assert theirs.headers == missing.headers, name
    assert Job.objects.values().get() == before


@pytest.mark.parametrize("address", ["/api/v1/jobs/{id}/", "/api/v1/jobs/{id}/events/", "/jobs/{id}/"])
def test_an_id_in_capitals_is_the_same_id(api, address, ordered):
    asked = api.get(address.format(id=ordered["id"].upper()))
    assert asked.status_code == 200
    assert ordered["id"] in asked.content.decode() or address.endswith("events/")


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
