"""A Valkey of its own for a test run: `with running_valkey() as url:`."""

import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import redis

from selfiehero.supervisor.valkey import EmbeddedValkey
from tests.support.processes import start_process, stop_process, wait_for


class MortalValkey:
    """A Valkey that a test may kill, hang, fill and start again: what `make up` embeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen | None = None
        self.server = EmbeddedValkey(
            data_dir=folder / "data", config_path=folder / "valkey.conf", socket_path=folder / "valkey.sock"
        )
        self.url = self.server.url

    def start(self) -> None:
        self.server.prepare()
        self.process = start_process(list(self.server.argv), log_path=self.folder / "valkey.log")
        wait_for(lambda: self.process.poll() is not None or answers(self.url), "Valkey to answer")
        assert self.process.poll() is None, (self.folder / "valkey.log").read_text()

    def kill(self) -> None:
        stop_process(self.process, signal.SIGKILL)

    def hang(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def configure(self, name: str, value: str) -> None:
        with contextlib.closing(redis.Redis.from_url(self.url, socket_timeout=5)) as client:
            client.config_set(name, value)

    def stop(self) -> None:
        if self.process is not None:
            self.resume()
            stop_process(self.process, signal.SIGTERM)


@contextlib.contextmanager
def mortal_valkey() -> Iterator[MortalValkey]:
    """Yield a fresh, started Valkey in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = MortalValkey(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def running_valkey() -> Iterator[str]:
    """Yield the address of a fresh Valkey, the same program and configuration that `make up` embeds."""
    with mortal_valkey() as server:
        yield server.url


def answers(url: str) -> bool:
    with contextlib.closing(redis.Redis.from_url(url, socket_timeout=1)) as client:
        try:
            return client.ping()
        except redis.RedisError:
            return False
