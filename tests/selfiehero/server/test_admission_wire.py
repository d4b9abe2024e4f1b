"""A closed door as clients see it: the answer comes before the body is read, whatever the client does with it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.db import connection
from django.utils import timezone

from jobs.models import Job, LoadState
from tests import factories
from tests.support.processes import wait_for
from tests.support.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

URL = "/api/v1/jobs/"


@pytest.fixture(scope="module")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("web"), database=str(connection.settings_dict["NAME"])) as served:
        yield served


def set_door(web: Served, *, is_open: bool) -> None:
    """Return when the process goes by it."""
    factories.make_look()
    rate = None if is_open else 0.001
    LoadState.objects.update_or_create(defaults={"measured_at": timezone.now(), "admitted_per_second": rate})

    def is_set() -> bool:
        return (requests.post(f"{web.url}{URL}", timeout=5).status_code == 503) is not is_open

    wait_for(is_set, "the process to read the row", seconds=20)


def said(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    return connection.recv(65536)


def begin(web: Served, *lines: str, length: int = 500_000) -> socket.socket:
    """Return a connection on which the head of an upload was sent."""
    connection = socket.create_connection(("127.0.0.1", web.port), timeout=20)
    head = [f"POST {URL} HTTP/1.1", "Host: localhost", f"Content-Length: {length}", *lines, "", ""]
    connection.sendall("\r\n".join(head).encode())
    return connection


def form(photo: bytes) -> dict[str, Any]:
    fields = {"look": "neon-noir", "consent": "true"}
    return {"data": fields, "files": {"selfie": ("me.jpg", photo, "image/jpeg")}, "timeout": 20}


def test_the_head_alone_is_answered(web: Served) -> None:
    set_door(web, is_open=False)
    with begin(web) as connection:
        answer = said(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable")
    assert b"retry-after: " in head.lower()
    assert b"set-cookie: place=" in head.lower()
    assert json.loads(body)["place"]["seconds"] >= 5


@pytest.mark.parametrize("key", ["", "Idempotency-Key: never-seen\r\nCookie: visitor=" + "a" * 43])
def test_whoever_waits_for_permission_to_send_gets_the_answer_instead(web: Served, key: str) -> None:
    set_door(web, is_open=False)
    with begin(web, "Expect: 100-continue", *([key] if key else [])) as connection:
        assert said(connection).startswith(b"HTTP/1.1 503 ")


def test_a_key_that_made_a_job_passes_with_small_and_large_bodies_and_after_asking(web: Served) -> None:
    set_door(web, is_open=True)
    photos = {"small": factories.tiny_photo(), "large": factories.tiny_photo() + b"\0" * 3_000_000}
    with requests.Session() as session:
        session.get(f"{web.url}/api/v1/looks/", timeout=10)
        made = {}
        for key, photo in photos.items():
            answer = session.post(f"{web.url}{URL}", headers={"Idempotency-Key": key}, **form(photo))
            assert answer.status_code == 202, answer.text
            made[key] = answer.json()["id"]
        set_door(web, is_open=False)
        for key, photo in photos.items():
            answer = session.post(f"{web.url}{URL}", headers={"Idempotency-Key": key}, **form(photo))
            assert (answer.status_code, answer.json().get("id")) == (202, made[key]), answer.text
            refused = session.post(f"{web.url}{URL}", headers={"Idempotency-Key": f"{key} 2"}, **form(photo))
            assert refused.status_code == 503
        with begin(
            web, "Expect: 100-continue", "Idempotency-Key: small", f"Cookie: visitor={session.cookies['visitor']}"
        ) as asking:
            assert said(asking).startswith(b"HTTP/1.1 100 ")
    assert Job.objects.count() == 2


def test_a_place_is_kept_and_reads_pass(web: Served) -> None:
    set_door(web, is_open=False)
    with requests.Session() as session:
        first = session.post(f"{web.url}{URL}", **form(factories.tiny_photo())).json()
        again = session.post(f"{web.url}{URL}", **form(factories.tiny_photo())).json()
        assert first["place"]["token"] == again["place"]["token"]
        for path in ("/", URL, "/healthz", "/status.json", "/api/v1/looks/"):
            assert session.get(f"{web.url}{path}", timeout=20).status_code == 200, path
        assert session.get(f"{web.url}/readyz", timeout=20).json()["load"]["admits_per_second"] == 0.001
        webhook = session.post(f"{web.url}/webhooks/studio/{'a' * 32}/", json={}, timeout=20)
        assert webhook.status_code in (401, 404)


def test_the_door_opens_when_the_row_says_so(web: Served) -> None:
    set_door(web, is_open=False)
    set_door(web, is_open=True)
    assert requests.post(f"{web.url}{URL}", **form(factories.tiny_photo())).status_code == 202
