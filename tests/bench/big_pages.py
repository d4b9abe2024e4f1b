"""What each page of the admin costs over tables with millions of rows: milliseconds and queries.

    python -m tests.bench.big_tables --pages [--postgres] [--jobs 10000000]

A page is asked for three times. The first may find nothing in memory; of the others the cheaper one counts. The limits
hold for CPU, this process's and the database's together: on a machine that others use too the clock tells of them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

MOST_MS, MOST_HOME_MS, MOST_QUERIES = 500, 300, 15
HOME = "/admin/"
SHOWN = 12


class Cost(NamedTuple):
    """What a page took: CPU of this process and the database's, and by the clock, in statements and the first time."""

    cpu_ms: float
    wall_ms: float
    database_ms: float
    first_ms: float
    queries: int
    status: int

    def is_too_much(self, address: str) -> bool:
        most = MOST_HOME_MS if address == HOME else MOST_MS
        return self.cpu_ms >= most or self.queries > MOST_QUERIES or self.status != 200


def measure(first: Any, *, one: int) -> None:
    from tests.support import big_pages
    from tests.support.admin_pages import owner

    client = owner()
    addresses = [*big_pages.pages(first, one=one), *big_pages.previews()]
    costs = {address: cost_of(client, address) for address in addresses}
    ordered = sorted(costs, key=lambda address: -costs[address].cpu_ms)
    bad = [address for address in ordered if costs[address].is_too_much(address)]
    most = max(cost.queries for cost in costs.values())
    print(f"pages       {len(costs)} of the admin, {len(bad)} above a limit, at most {most} queries")
    print(f"            {'CPU':>6} {'clock':>6} {'in SQL':>6} {'first':>6} {'queries':>7}")
    for address in dict.fromkeys([HOME, *ordered[:SHOWN], *bad]):
        cpu, wall, database, once, queries, status = costs[address]
        words = "" if status == 200 else f" {status}"
        words += "  TOO MUCH" if address in bad else ""
        print(f"            {cpu:6.0f} {wall:6.0f} {database:6.0f} {once:6.0f} {queries:7} {address}{words}")


def cost_of(client: Any, address: str) -> Cost:
    once, *again = (_ask(client, address) for _ in range(3))
    return min(again)._replace(first_ms=once.wall_ms)


def _ask(client: Any, address: str) -> Cost:
    from django.db import connection

    statements: list[float] = []

    def timed(execute: Any, *arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            statements.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), cpu_seconds()
    with connection.execute_wrapper(timed):
        response = client.get(address)
    wall, used = time.perf_counter() - began, cpu_seconds() - cpu
    return Cost(1000 * used, 1000 * wall, 1000 * sum(statements), 1000 * wall, len(statements), response.status_code)


def cpu_seconds() -> float:
    """Return the CPU of this process and, on this machine, of the PostgreSQL process that serves it."""
    from django.db import connection

    used = time.process_time()
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        pid = connection.connection.info.backend_pid
        used += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    return used
