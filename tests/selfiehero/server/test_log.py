"""What the web process says about requests."""

from __future__ import annotations

import io
import logging

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.test import Client


@pytest.fixture
def said() -> io.StringIO:
    """What the handlers of the root logger write, in the product's own form."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def test_a_wrong_host_is_one_short_line(client: Client, said: io.StringIO) -> None:
    answer = client.get("/healthz", HTTP_HOST="evil.example" + "x" * 5000)
    assert answer.status_code == 400
    lines = said.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("WARNING django.security.DisallowedHost host_not_allowed host='evil.example")
    assert len(lines[0]) < 150


def test_an_allowed_host_is_no_line(client: Client, said: io.StringIO) -> None:
    assert client.get("/healthz", HTTP_HOST="localhost").status_code == 200
    assert said.getvalue() == ""


def test_a_session_without_a_database_is_said_without_a_traceback(
    client: Client, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(store: SessionStore) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(SessionStore, "_get_session_from_db", away)
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    client.raise_request_exception = False
    answer = client.get("/admin/jobs/job/")
    assert answer.status_code == 503
    assert "Service Unavailable: /admin/jobs/job/" in said.getvalue()
    assert "Traceback" not in said.getvalue()
