"""Expressions that let SQLite's planner choose the right index; PostgreSQL reads them as what they say."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.expressions import RawSQL


def literally(sql: str) -> RawSQL:
    """Return a condition whose values are written out in the SQL instead of passed as parameters.

    SQLite uses a partial index only for a query that repeats the index's condition word for word.
    """
    return RawSQL(sql, (), output_field=models.BooleanField())  # noqa: S611 - called with constants of this package only


class NotByIndex(models.Func):
    """The value itself, hidden from SQLite's choice of an index: without statistics it takes the first that fits."""

    template, arity = "%(expressions)s", 1

    def as_sqlite(self, compiler: Any, connection: Any, *args: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)
