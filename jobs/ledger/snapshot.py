"""One consistent view of the database, which blocks no writer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction


@contextlib.contextmanager
def snapshot() -> Iterator[None]:
    """Make all reads inside see the database as it was at the first of them.

    Inside a transaction of the caller it changes nothing: that transaction's view is used.
    """
    if connection.in_atomic_block:
        yield
        return
    with _begin():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextlib.contextmanager
def _begin() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if connection.vendor == "sqlite":
            # The product's transactions begin IMMEDIATE, which locks out every writer; a reader needs no lock.
            connection.ensure_connection()
            sqlite: Any = connection
            mode, sqlite.transaction_mode = sqlite.transaction_mode, "DEFERRED"
            try:
                stack.enter_context(transaction.atomic())
            finally:
                sqlite.transaction_mode = mode
        else:
            stack.enter_context(transaction.atomic())
        yield
