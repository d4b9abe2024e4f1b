"""A Valkey of its own for a test run: `with running_valkey() as url:`."""

import contextlib
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import redis

from selfiehero.supervisor.valkey import EmbeddedValkey
from tests.support.processes import start_process, stop_process, wait_for


@contextlib.contextmanager
def running_valkey() -> Iterator[str]:
    """Yield the address of a fresh Valkey, the same program and configuration that `make up` embeds."""
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        root = Path(folder)
        server = EmbeddedValkey(
            data_dir=root / "data", config_path=root / "valkey.conf", socket_path=root / "valkey.sock"
        )
        server.prepare()
        process = start_process(list(server.argv), log_path=root / "log")
        try:
            wait_for(lambda: process.poll() is not None or answers(server.url), "Valkey to answer")
            assert process.poll() is None, (root / "log").read_text()
            yield server.url
        finally:
            stop_process(process, signal.SIGTERM)


def answers(url: str) -> bool:
    with contextlib.closing(redis.Redis.from_url(url, socket_timeout=1)) as client:
        try:
            return client.ping()
        except redis.RedisError:
            return False
