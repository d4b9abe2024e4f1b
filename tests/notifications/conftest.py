"""A web process on the test's database, jobs with an owner who has a cookie, and a Valkey that can be killed."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from jobs import identity
from jobs.queue.engine import Pump
from notifications import publish
from notifications.lane import NotifyLane
from tests.notifications.steps import make_subscription
from tests.support import valkey
from tests.support.push import Browser, PushService
from tests.support.served import Served
from tests.support.timing import SHORT_TICKS
from tests.support.valkey import MortalValkey


@pytest.fixture(autouse=True)
def fresh_publisher() -> Iterator[None]:
    """Each test publishes with a client of its own."""
    publish.client.cache_clear()
    yield
    publish.client.cache_clear()


@pytest.fixture
def serve(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start a web process that reads the test's own database."""
    started: list[Served] = []

    def start(**env: str) -> Served:
        database = str(connection.settings_dict["NAME"])
        started.append(Served(tmp_path, database=database, env=env).__enter__())
        return started[-1]

    yield start
    for web in started:
        web.__exit__()


@pytest.fixture(scope="package")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One web process for all tests that do it no harm."""
    with Served(tmp_path_factory.mktemp("web"), database=str(connection.settings_dict["NAME"])) as served:
        yield served


@pytest.fixture
def visitor() -> tuple[str, str]:
    """A Cookie header and the owner it stands for."""
    value, owner = identity.new_visitor()
    return f"{settings.VISITOR_COOKIE_NAME}={value}", owner


@pytest.fixture
def mortal_valkey(monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalValkey]:
    """A Valkey of the test's own, to which it publishes."""
    with valkey.mortal_valkey() as server:
        monkeypatch.setattr(settings, "REDIS_URL", server.url)
        monkeypatch.setattr(settings, "CHANNELS_REDIS_URLS", (server.url,))
        yield server


@pytest.fixture
def silent_server() -> Iterator[str]:
    """An address that takes connections and never says a word, like a Redis that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def push_service(settings):
    with PushService() as service:
        settings.PUSH_PRIVATE_HOSTS = (service.host,)
        yield service


@pytest.fixture
def device():
    return Browser()


@pytest.fixture
def subscribed(push_service, device):
    """The browser of the jobs' owner has subscribed."""
    return make_subscription(push_service, device)


@pytest.fixture
def notify():
    """Work the lane until nothing is due."""
    pump = Pump(NotifyLane(), listens=False, ticks=SHORT_TICKS)
    yield lambda: pump.run(linger=0.0)
    pump.threads.shutdown(wait=True)
