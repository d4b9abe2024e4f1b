"""One row read or written by SQL whose text is made once, for the few places that every hero passes.

For each SELECT or INSERT of one row the ORM builds its expressions and its text anew, which takes ten times as long as
the database does. Here the columns and their conversions come from the model, once, and the condition is written out by
the caller. Models come out as from a queryset, and go in as by `save(force_insert=True)`, except that neither sends
signals; nothing here listens to any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, models
from django.utils.timezone import make_aware

Row = TypeVar("Row", bound=models.Model)
_Converters = Sequence[tuple[int, Any, Sequence[Callable[..., Any]]]]


def first(model: type[Row], condition: str, *values: Any) -> Row | None:
    """Return the first row that the condition describes, None without one. `%s` stands for each of `values`."""
    sql, names, converters = _select(model, condition, connection.vendor)
    found = one(sql, *values)
    if found is None:
        return None
    row = list(found)
    for index, column, functions in converters:
        for convert in functions:
            row[index] = convert(row[index], column, connection)
    return model.from_db(connection.alias, names, row)


def one(sql: str, *values: Any) -> tuple[Any, ...] | None:
    """Return the first row of a query as the database's driver gives it, None without one."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [adapted(value) for value in values])
        return cursor.fetchone()


def every(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return all rows of a query as the database's driver gives them."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [adapted(value) for value in values])
        return cursor.fetchall()


def insert(row: models.Model) -> None:
    """Store a new row. Its generated key, if it has one, is not read back. IntegrityError as from the ORM."""
    sql, fields = _insert(type(row), connection.vendor)
    values = []
    for field, plain_type in fields:
        value = getattr(row, field.attname)
        if plain_type is None or not (value is None or type(value) is plain_type):
            value = field.get_db_prep_save(field.pre_save(row, add=True), connection)
        values.append(value)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
    row._state.adding, row._state.db = False, connection.alias


def adapted(value: Any) -> Any:
    """Return a value as this database's driver takes it: SQLite has neither times nor UUIDs of its own."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID) and not connection.features.has_native_uuid_field:
        return value.hex
    return value


def moment(value: datetime) -> datetime:
    """Return the time that a driver gave: PostgreSQL's has its zone, SQLite's has none."""
    return value if value.tzinfo else make_aware(value, connection.timezone)


@lru_cache(maxsize=64)
def _select(model: type[models.Model], condition: str, vendor: str) -> tuple[str, list[str], _Converters]:
    fields = model._meta.concrete_fields
    columns = [field.get_col(model._meta.db_table) for field in fields]
    converters = [
        (index, column, functions)
        for index, column in enumerate(columns)
        if (functions := [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)])
    ]
    named = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    # Table and columns are the model's, the condition is a constant of the caller's.
    sql = f"SELECT {named} FROM {model._meta.db_table} WHERE {condition} LIMIT 1"  # noqa: S608 - as said
    return sql, [field.attname for field in fields], converters


@lru_cache(maxsize=16)
def _insert(model: type[models.Model], vendor: str) -> tuple[str, list[tuple[models.Field[Any, Any], type | None]]]:
    """Return the statement, and each field with the type whose values a driver takes as they are, None without one."""
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
    named = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {model._meta.db_table} ({named}) VALUES ({marks})", [  # noqa: S608 - the model's names
        (field, _plain_type(field)) for field in fields
    ]


# What the ORM hands on unchanged when the value has exactly this type; a subclass or a lazy text has its own ways.
_PLAIN_TYPES: dict[type[models.Field[Any, Any]], type] = {
    models.CharField: str,
    models.SlugField: str,
    models.TextField: str,
    models.BooleanField: bool,
    models.FloatField: float,
    models.IntegerField: int,
    models.PositiveIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.SmallIntegerField: int,
    models.BigIntegerField: int,
}


def _plain_type(field: models.Field[Any, Any]) -> type | None:
    return _PLAIN_TYPES.get(type(field)) if type(field).pre_save is models.Field.pre_save else None
