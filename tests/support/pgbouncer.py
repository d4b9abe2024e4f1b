"""Debian's PgBouncer in transaction mode in front of a PostgreSQL: each transaction may get another connection."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.postgres import OTHER_USER, has_database
from tests.support.processes import free_port, start_process, stop_process, wait_for

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def running_pgbouncer(database_url: str, *, pool: int) -> Iterator[str]:
    """Yield the DATABASE_URL that leads through it. It does not run as root: there it runs as `nobody`."""
    assert PROGRAM, "PgBouncer is missing; make installs it (scripts/install-pgbouncer)"
    parts = urlsplit(database_url)
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder, port = Path(name), free_port()
        (folder / "users").write_text(f'"{parts.username}" "{parts.password}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={parts.hostname} port={parts.port}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = plain\n"
            f"auth_file = {folder / 'users'}\npool_mode = transaction\ndefault_pool_size = {pool}\n"
            "max_client_conn = 100\nserver_reset_query =\n"
        )
        user: dict = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(OTHER_USER)
            user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for path in (folder, *folder.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
        arguments = [PROGRAM, str(folder / "pgbouncer.ini")]
        process = start_process(arguments, log_path=folder / "log", cwd=folder, **user)
        url = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
        try:
            wait_for(lambda: process.poll() is not None or has_database(url), "PgBouncer to answer")
            assert process.poll() is None, (folder / "log").read_text()
            yield url
        finally:
            stop_process(process, signal.SIGTERM)
