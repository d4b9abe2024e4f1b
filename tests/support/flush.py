"""How a test that commits leaves an empty database behind: without making again what every database begins with.

Django empties all tables and then sends `post_migrate`, which writes the permissions of all models and our roles: a
tenth of a second of CPU after every such test. These tables are left alone, unless the test wrote to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.color import no_style
from django.db import connections
from django.test import TransactionTestCase

# What `post_migrate` fills: Django's permissions, and the roles of `selfiehero.staff.roles`.
KEPT = ("django_content_type", "auth_permission", "auth_group", "auth_group_permissions")
_whole_flush = TransactionTestCase._fixture_teardown
_rows: dict[str, Mapping[str, Any]] = {}


def install() -> None:
    """Let every test that commits end so."""
    TransactionTestCase._fixture_teardown = _fixture_teardown


def _fixture_teardown(test: TransactionTestCase) -> None:
    for alias in test._databases_names(include_mirrors=False):
        connection = connections[alias]
        if alias not in _rows or _kept_rows(alias) != _rows[alias]:
            _whole_flush(test)
            _rows[alias] = _kept_rows(alias)
            return
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        emptied = [table for table in tables if table not in KEPT]
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), emptied))


def _kept_rows(alias: str) -> Mapping[str, Any]:
    found = {}
    with connections[alias].cursor() as cursor:
        for table in KEPT:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            found[table] = cursor.fetchall()
    return found
