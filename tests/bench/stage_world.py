"""What the stages of `tests.bench.stages` share: product, provider, Valkey and a bare database."""

from __future__ import annotations

import io
import sqlite3
import uuid
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import redis
from django.core.wsgi import get_wsgi_application

from jobs import identity
from jobs.lanes.prepare import PrepareLane
from jobs.queue.engine import Pump
from selfiehero.server import admission
from tests import factories
from tests.bench.prepare import PHOTO
from tests.stub_provider import StubProvider
from tests.support.valkey import MortalValkey

MEASURED_FILM = 1  # seconds


class World:
    """What the stages share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.application = get_wsgi_application()
        self.look = factories.make_look()
        self.cookie, self.owner = identity.new_visitor()
        self.photo, self.film = PHOTO.read_bytes(), factories.tiny_film(MEASURED_FILM)
        self.stub = StubProvider()
        self.stub.__enter__()
        self.provider = factories.make_provider(self.stub.url, max_concurrent=100_000, max_per_minute=100_000)
        self.lane = PrepareLane()
        self.lane.warm_up()
        self.pump = Pump(self.lane, listens=False)
        self.valkey = MortalValkey(folder)
        self.valkey.start()
        self.redis = redis.Redis.from_url(self.valkey.url)
        self.floor = sqlite3.connect(folder / "floor.sqlite3", isolation_level=None)
        self.floor.execute("PRAGMA journal_mode=WAL")
        self.floor.execute("PRAGMA synchronous=OFF")  # as the tests' settings
        self.floor.execute("CREATE TABLE job (id TEXT PRIMARY KEY, body TEXT)")
        self.floor.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, job TEXT, body TEXT)")

    def close(self) -> None:
        self.redis.close()
        self.valkey.stop()
        self.floor.close()
        self.stub.__exit__(None, None, None)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Call the product's WSGI application, as the bridge does."""
        status: list[int] = []
        environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1", **headers}
        setup_testing_defaults(environ)
        environ |= {"HTTP_HOST": "localhost", "HTTP_COOKIE": f"visitor={self.cookie}", admission.DECIDED: True}
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "QUERY_STRING": ""}
        response = self.application(environ, lambda line, headers, info=None: status.append(int(line[:3])))
        try:
            return status[0], b"".join(response)
        finally:
            response.close()

    def commit(self, *bodies: str, rows: int = 1) -> None:
        """The floor of a change: a row and its event, in one commit."""
        self.floor.execute("BEGIN IMMEDIATE")
        for _ in range(rows):
            name = uuid.uuid4().hex
            self.floor.execute("INSERT INTO job VALUES (?, ?)", (name, bodies[0] if bodies else ""))
            self.floor.execute("INSERT INTO event (job, body) VALUES (?, ?)", (name, "{}"))
        self.floor.execute("COMMIT")
