"""Sessions that ended open no socket and no stream, and close those that are open."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from rest_framework.authtoken.models import Token
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from jobs.models import Job
from notifications import consumers
from tests import factories
from tests.support.served import Served

PASSWORD = "correct horse battery staple"


class Person:
    """Somebody with an account, a log-in and a job."""

    def __init__(self) -> None:
        self.user = get_user_model().objects.create_superuser("ada", password=PASSWORD)
        self.browser = Client()
        self.browser.force_login(self.user)
        self.key = self.browser.session.session_key
        factories.make_look()
        self.job = factories.make_job(owner=f"u:{self.user.pk}")

    @property
    def cookie(self) -> str:
        return f"{settings.SESSION_COOKIE_NAME}={self.key}"

    def log_out(self) -> None:
        self.browser.post("/admin/logout/")

    def change_password(self) -> None:
        self.user.set_password("another one")
        self.user.save()

    def deactivate(self) -> None:
        self.user.is_active = False
        self.user.save(update_fields=["is_active"])

    def leave(self) -> None:
        Job.objects.filter(id=self.job.id).update(owner="v:" + "0" * 64)
        self.user.delete()

    def be_idle(self) -> None:
        session = SessionStore(self.key)
        session["seen_at"] = session["logged_in_at"] = time.time() - 3601
        session.save()


ENDS = [Person.log_out, Person.change_password, Person.deactivate, Person.leave]


@pytest.fixture
def person(transactional_db: None) -> Person:
    return Person()


def code_of_socket(web: Served, job: Job, headers: dict[str, str], end: Callable[[], Any] | None) -> int | None:
    """Open a socket, end the session, and return the code the socket is closed with; None when it stays open."""
    address = f"{web.socket_url}/ws/jobs/{job.id}/"
    with connect(address, additional_headers=headers, proxy=None, compression=None) as socket:
        try:
            if end is not None:
                assert "job.snapshot" in socket.recv(timeout=10)
                time.sleep(0.5)  # it joins its owner's group
                end()
            while True:
                socket.recv(timeout=8)
        except ConnectionClosed as closed:
            return closed.rcvd.code
        except TimeoutError:
            return None


def code_of_stream(web: Served, job: Job, headers: dict[str, str], end: Callable[[], Any] | None) -> int | None:
    """Do the same with a stream; the status of one that does not open."""
    address = f"{web.url}/api/v1/jobs/{job.id}/stream/"
    with requests.get(address, headers=headers, stream=True, timeout=(5, 8)) as answer:
        if answer.status_code != 200:
            return answer.status_code
        lines = answer.iter_lines(chunk_size=1)
        with contextlib.suppress(requests.ConnectionError):
            for line in lines:
                if line.startswith(b"data:") and b'"code"' in line[:16]:
                    return int(line.partition(b'"code":')[2].strip(b" }"))
                if line.startswith(b"data:") and end is not None:
                    time.sleep(0.5)
                    end()
                    end = None
    return None


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("line", [code_of_socket, code_of_stream])
def test_an_open_line_is_closed_when_the_session_ends(
    web: Served, person: Person, line: Callable[..., Any], end: Callable[[Person], None]
) -> None:
    started = time.monotonic()
    assert line(web, person.job, {"Cookie": person.cookie}, lambda: end(person)) == consumers.NO_SUCH_JOB
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("end", [*ENDS, Person.be_idle])
def test_a_session_that_ended_opens_nothing(web: Served, person: Person, end: Callable[[Person], None]) -> None:
    headers = {"Cookie": person.cookie}
    end(person)
    assert code_of_socket(web, person.job, headers, None) == consumers.NO_SUCH_JOB
    assert code_of_stream(web, person.job, headers, None) == 404


def test_a_token_that_is_taken_away_closes_what_it_opened(web: Served, person: Person) -> None:
    token = Token.objects.create(user=person.user)
    headers = {"Authorization": f"Token {token.key}"}
    assert code_of_socket(web, person.job, headers, token.delete) == consumers.NO_SUCH_JOB


def test_what_no_signal_says_is_found_out(web: Served, person: Person) -> None:
    def quietly() -> None:
        get_user_model().objects.filter(pk=person.user.pk).update(is_active=False)

    assert code_of_socket(web, person.job, {"Cookie": person.cookie}, quietly) == consumers.NO_SUCH_JOB


def test_another_log_in_of_the_same_person_stays(web: Served, person: Person) -> None:
    other = Client()
    other.force_login(person.user)
    headers = {"Cookie": person.cookie}
    assert code_of_socket(web, person.job, headers, lambda: other.post("/admin/logout/")) is None
