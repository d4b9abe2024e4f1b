"""What some tests of the lanes ask for."""

from datetime import timedelta

import pytest


@pytest.fixture
def no_lucky_jitter(monkeypatch):
    """A random delay may be none at all: what has to wait comes back when the test says so."""
    monkeypatch.setattr("jobs.routing.fallback.backoff", lambda tries: timedelta(minutes=1))
