"""Behind PgBouncer in transaction mode with four connections: eight busy clients, and nothing leaks or is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests import factories
from tests.support.pgbouncer import running_pgbouncer

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db(transaction=True)]

# A web process's settings of its connections, then rows by a cursor, a transaction and the ledger, again and again.
BUSY = """
import django; django.setup()
import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from django.core.management import call_command
from django.db import connection, transaction
from jobs.models import Job
from selfiehero.server import database
database.wait_briefly()

def client(number):
    seen = []
    for _ in range(3):
        seen.append(sum(1 for _ in Job.objects.values_list("id").order_by("id").iterator(chunk_size=7)))
        with transaction.atomic():
            Job.objects.select_for_update().order_by("id").first()
        call_command("ledger", stdout=StringIO(), stderr=StringIO())
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        seen.append(cursor.fetchone()[0])
    connection.close()
    return seen

with ThreadPoolExecutor(8) as threads:
    print(json.dumps(list(threads.map(client, range(8)))))
"""


def busy(url: str, var_dir: str) -> subprocess.CompletedProcess:
    own = {"DJANGO_SETTINGS_MODULE": "selfiehero.settings", "ENV_FILE": "", "VAR_DIR": var_dir}
    own |= {"DATABASE_URL": url, "DATABASE_POOLER": "transaction"}
    return subprocess.run(
        [sys.executable, "-c", BUSY], env={**os.environ, **own}, capture_output=True, text=True, timeout=150
    )


def test_eight_busy_clients_share_four_connections(tmp_path: Any) -> None:
    if connection.vendor != "postgresql":
        return  # SQLite has no pooler
    for _ in range(40):
        factories.make_job()
    settings = connection.settings_dict
    name, login = settings["NAME"], f"{settings['USER']}:{settings['PASSWORD']}"
    direct = f"postgres://{login}@{settings['HOST']}:{settings['PORT']}/{name}"
    with running_pgbouncer(direct, pool=4) as pooled:
        done = busy(pooled, os.environ.get("VAR_DIR", str(tmp_path)))
        assert done.returncode == 0, done.stderr[-3000:]
        seen = json.loads(done.stdout.splitlines()[-1])
        assert seen == [[40] * 3 + ["0"]] * 8, "all rows, and no time limit of others"
        with psycopg.connect(pooled, autocommit=True) as plain:
            for _ in range(8):
                assert plain.execute("SHOW lock_timeout").fetchone() == ("0",)
