"""Every address there is, for five roles: what is somebody's is found by its owner, and is not there for all others.

The addresses come from the resolvers of HTTP and sockets: a new one fails here until it is written down whose it is.
Sockets and streams are opened by real programs in `tests/notifications/test_consumers.py` and
`tests/notifications/test_streams.py`; here every role is asked what both of them ask of a handshake.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.authtoken.models import Token

from jobs import identity, snapshots
from jobs.models import Job
from notifications import routing
from tests import factories

pytestmark = pytest.mark.django_db

A_JOB = "<id:job_id>"
# Whose an address is. Of a job: its owner's alone.
EVERYBODYS = {
    "", "healthz", "readyz", "i18n/setlang/", "sw.js", "manifest.webmanifest", "offline/", "shared/", "wait/",
    "verify/",
    "robots.txt", "favicon.ico", "apple-touch-icon.png", "apple-touch-icon-precomposed.png", "status", "status.json",
    "privacy/", "receipts/verify", "receipts/verify/", "receipts/keys", "receipts/keys/", "oembed", "api/v1/schema/",
    "api/docs/", "api/v1/looks/", "api/v1/push/key/", "static/<path:name>", "styleguide/", "api/v1/^(?P<path>.*)$",
}  # fmt: skip
# What one sees there is one's own.
ONES_OWN = {"me/", "me/export/", "me/erase/", "api/v1/jobs/", "api/v1/push/subscriptions/"}
# The address itself is what lets in: it cannot be guessed.
BY_ADDRESS = {
    "t/<str:token>/", "t/mail/<str:token>/", "v/<slug:share_slug>/", "v/<slug:share_slug>/card.jpg",
    "v/<slug:share_slug>/embed/", "v/<slug:share_slug>/report/", "v/<slug:share_slug>/film.mp4",
    "v/<slug:share_slug>/poster.jpg", "media/<int:expires>/<str:signature>/<path:key>/<str:filename>",
    "webhooks/readiness/<str:token>/",
    "webhooks/<str:provider>/<str:attempt_token>/", "webhooks/<str:provider>/<str:attempt_token>",
}  # fmt: skip
OF_MONITORING = {"metrics"}
OF_A_JOB = {
    f"{prefix}{A_JOB}/{rest}"
    for prefix, rests in {
        "jobs/": ("", "receipt.txt", "cancel/", "erase/", "link/", "qr.svg", "remix/"),
        "api/v1/jobs/": ("", "events/", "receipts/", "cancel/", "remix/", "links/", "share/", "notify/"),
    }.items()
    for rest in rests
}
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
# Staff's log-in, and what it is shown with.
BEFORE_LOG_IN = {"admin/login/", "admin/passkeys/authentication/begin/", "admin/passkeys/authentication/complete/"}
BEFORE_LOG_IN |= {"admin/passkeys/jsi18n/", "admin/jsi18n/", "admin/logout/"}
# An account's own passkeys, whoever's it is.
OF_AN_ACCOUNT = {"admin/passkeys/registration/begin/", "admin/passkeys/registration/complete/"}


def routes(resolver: Any = None, prefix: str = "") -> Iterator[str]:
    for one in (resolver or get_resolver()).url_patterns:
        if isinstance(one, URLResolver):
            yield from routes(one, prefix + str(one.pattern))
        elif isinstance(one, URLPattern):
            yield prefix + str(one.pattern)


def filled(route: str, **values: str) -> str:
    """Return an address of a route: these values, and 1 for the others."""
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], "1"), route)


@pytest.fixture
def owner(db: None) -> Client:
    factories.make_look()
    client = Client()
    client.get("/api/v1/looks/")
    return client


@pytest.fixture
def others(owner: Client) -> dict[str, Client]:
    user = get_user_model().objects.create_user("somebody")
    visitor, signed_in = Client(), Client()
    visitor.get("/api/v1/looks/")
    signed_in.force_login(user)
    token = Client(headers={"Authorization": f"Token {Token.objects.create(user=user).key}"})
    return {"visitor": visitor, "user": signed_in, "token": token, "nobody": Client()}


@pytest.fixture
def job(owner: Client) -> Job:
    mine = identity.owner_of_headers({"cookie": f"visitor={owner.cookies['visitor'].value}"})
    return factories.make_job(owner=mine, hero_name="NOVA-7")


def test_it_is_written_down_of_every_address_whose_it_is() -> None:
    known = EVERYBODYS | ONES_OWN | BY_ADDRESS | OF_MONITORING | OF_A_JOB
    found = {route for route in routes() if not route.startswith("admin/")}
    assert found - known == set(), "say whose these are"
    assert known - found == set(), "these are gone"


@pytest.mark.parametrize("route", sorted(OF_A_JOB))
def test_for_all_but_its_owner_a_job_is_not_there(
    route: str, job: Job, owner: Client, others: dict[str, Client]
) -> None:
    before = Job.objects.values().get()
    same = {"x-request-id": "one-for-both"}  # answers name theirs
    for name, client in others.items():
        for method in METHODS:
            ask = getattr(client, method)
            theirs = ask(filled(route, job_id=str(job.id)), headers=same)
            missing = ask(filled(route, job_id=str(uuid.uuid4())), headers=same)
            where = f"{name}: {method} {route} answers {theirs.status_code}"
            assert theirs.status_code == missing.status_code, where
            assert theirs.status_code in (404, 405) or method == "options", where
            assert b"NOVA-7" not in theirs.content, where
    assert Job.objects.values().get() == before
    assert owner.options(filled(route, job_id=str(job.id))).status_code < 500


def test_sockets_and_streams_know_the_same_owner(job: Job, owner: Client, others: dict[str, Client]) -> None:
    assert [str(route.pattern) for route in routing.sockets.application.routes] == [f"ws/jobs/{A_JOB}/", ""]

    def sees(client: Client) -> bool:
        given = {"cookie": client.cookies.output(header="", sep=";").strip()}
        given |= {name.removeprefix("HTTP_").lower(): value for name, value in client.defaults.items()}
        return snapshots.read(job.id, identity.owner_of_headers(given)) is not None

    assert sees(owner)
    assert {name: sees(client) for name, client in others.items()} == dict.fromkeys(others, False)


@pytest.mark.parametrize("route", sorted(ONES_OWN))
def test_what_is_ones_own_shows_nothing_of_others(
    route: str, job: Job, owner: Client, others: dict[str, Client]
) -> None:
    before = Job.objects.values().get()
    for name, client in others.items():
        for method in ("get", "post", "delete"):
            answer = getattr(client, method)(filled(route))
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
            assert str(job.id).encode() not in content, f"{name}: {method} {route}"
            assert b"NOVA-7" not in content, f"{name}: {method} {route}"
    assert Job.objects.values().get() == before
    if route in ("me/", "api/v1/jobs/"):
        assert str(job.id).encode() in owner.get(filled(route)).content


@pytest.mark.parametrize("route", sorted(BY_ADDRESS))
def test_an_address_that_was_guessed_opens_nothing(route: str, others: dict[str, Client]) -> None:
    for name, client in others.items():
        for method in ("get", "head", "delete"):
            answer = getattr(client, method)(
                filled(route, expires="9999999999", provider="studio", filename="film.mp4")
            )
            assert answer.status_code in (302, 401, 403, 404, 405, 410), (
                f"{name}: {method} {route}: {answer.status_code}"
            )


def test_all_of_the_admin_is_staffs(job: Job, owner: Client, others: dict[str, Client]) -> None:
    everybody = {**others, "owner": owner}
    admin = sorted(
        {route for route in routes() if route.startswith("admin/") and "^" not in route and "(?P" not in route}
    )
    assert len(admin) > 100
    for route in admin:
        address = filled(route, job_id=str(job.id))
        for name, client in everybody.items():
            for method in ("get", "post") if name == "user" else ("get",):
                answer = getattr(client, method)(address)
                where = f"{name}: {method} {address} answers {answer.status_code}"
                is_ones_own = name == "user" and route in OF_AN_ACCOUNT
                assert route in BEFORE_LOG_IN or is_ones_own or answer.status_code in (301, 302, 401, 403, 404, 405), (
                    where
                )
                assert b"NOVA-7" not in answer.content, where
                if answer.status_code == 302 and route not in BEFORE_LOG_IN:
                    assert "/login" in answer["Location"] or answer["Location"].startswith("/admin/"), where
