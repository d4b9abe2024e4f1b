"""A web process on the test's database, jobs with an owner who has a cookie, and a Valkey that can be killed."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from jobs.api import identity
from notifications import publish
from selfiehero.supervisor.valkey import EmbeddedValkey
from tests.support.processes import start_process, stop_process, wait_for
from tests.support.served import Served
from tests.support.valkey import answers


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


@pytest.fixture(scope="module")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One web process for all tests of a module that do it no harm."""
    with Served(tmp_path_factory.mktemp("web"), database=str(connection.settings_dict["NAME"])) as served:
        yield served


@pytest.fixture
def visitor() -> tuple[str, str]:
    """A Cookie header and the owner it stands for."""
    value, owner = identity.new_visitor()
    return f"{settings.VISITOR_COOKIE_NAME}={value}", owner


class MortalValkey:
    """A Valkey that a test may kill and start again; nothing it held comes back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = None
        self.server = EmbeddedValkey(
            data_dir=folder / "data", config_path=folder / "valkey.conf", socket_path=folder / "valkey.sock"
        )
        self.url = self.server.url

    def start(self) -> None:
        self.server.prepare()
        self.process = start_process(list(self.server.argv), log_path=self.folder / "valkey.log")
        wait_for(lambda: answers(self.url), "Valkey to answer")

    def kill(self) -> None:
        stop_process(self.process, signal.SIGKILL)

    def stop(self) -> None:
        if self.process is not None:
            stop_process(self.process, signal.SIGTERM)


@pytest.fixture
def mortal_valkey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalValkey]:
    """A Valkey of the test's own, to which it publishes."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    valkey = MortalValkey(folder)
    valkey.start()
    monkeypatch.setattr(settings, "REDIS_URL", valkey.url)
    yield valkey
    valkey.stop()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """An address that takes connections and never says a word, like a Redis that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
