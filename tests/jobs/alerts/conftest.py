"""A chat that takes Slack's webhooks, and facts in which all is well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs import now as present
from jobs.models import Heartbeat
from jobs.now import house
from providers.models import ProviderConfig
from tests import factories
from tests.support import raw_server

SECRET = "whsec_c2VjcmV0LW9mLXRoZS1hbGVydHMtMzItYnl0ZXMh"


class Chat:
    """What was posted to it, and how it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    def answer(self, connection: Any, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        headers = {name.lower(): value for name, value in headers.items()}
        while len(body) < int(headers["content-length"]):
            body += connection.recv(65536)
        self.calls.append((headers, body))
        words = b"ok" if self.status == 200 else b"no_service"
        connection.sendall(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (self.status, len(words), words))

    @property
    def texts(self) -> list[str]:
        return [json.loads(body)["text"] for _, body in self.calls]


@pytest.fixture
def chat(settings: Any) -> Iterator[Chat]:
    chat = Chat()
    with raw_server.listening(chat.answer) as address:
        chat.url = settings.ALERT_WEBHOOK_URL = f"{address}/services/T/B/x"
        settings.ALERT_WEBHOOK_SECRET = SECRET
        yield chat


@pytest.fixture
def mailbox(settings: Any) -> list[Any]:
    from django.core import mail

    settings.ALERT_EMAILS = ("mara@hero.example", "nadia@hero.example")
    return mail.outbox


@pytest.fixture
def wavespeed(db: None) -> ProviderConfig:
    return factories.make_provider(slug="wavespeed", title="WaveSpeed", adapter="wavespeed")


@pytest.fixture
def facts(wavespeed: ProviderConfig) -> Any:
    """Return the facts at a time, as far as the database has them; Redis, disk and heartbeats are well."""
    house._cache.clear()

    def at(moment: datetime, **changes: Any) -> present.Facts:
        Heartbeat.objects.update_or_create(name="reconcile", host="here", defaults={"seen_at": moment})
        found = present.read(now=moment)
        well = replace(found.house, redis=house.Measured("0.4 ms"), disk=house.Measured("10 %"))
        return replace(found, house=well, **changes)

    return at


@pytest.fixture
def start() -> datetime:
    return timezone.now() + timedelta(seconds=1)
