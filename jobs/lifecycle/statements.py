"""One UPDATE for many rows with different values: what a batch writes costs a few statements, however many rows it has.

    WITH v (id, clean_key, …) AS (VALUES (…), (…), …)
    UPDATE jobs_job SET seq = jobs_job.seq + 1, clean_key = v.clean_key, …
    FROM v WHERE jobs_job.id = v.id AND <guard> RETURNING jobs_job.id, jobs_job.seq, …

Per row the ORM spends 0.5 ms on an UPDATE, a SELECT of the new `seq` and an INSERT of the event; this spends 0.02 ms.
The guard decides for each row by itself, as in `changes.change`: a row that another process has moved on stays as it is
and is not returned. Rows are locked in the order of their ids first, so that two batches never wait for each other.

SQLite knows RETURNING since 3.35 (2021). Where it is older `is_supported` is False and callers write row by row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models

from jobs.models import JobEvent


def is_supported() -> bool:
    """Tell whether this database can update many rows in one statement and return them."""
    return connection.features.can_return_rows_from_bulk_insert


def update_rows(
    model: type[models.Model],
    rows: Mapping[Any, Mapping[str, Any]],
    *,
    guard: str,
    guard_values: Sequence[Any] = (),
    keep_first: Collection[str] = (),
    common: Mapping[str, Any] | None = None,
    computed: Mapping[str, str] | None = None,
    returning: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Update the rows with these primary keys that pass the guard; return those, as (key, *returning).

    `rows` holds each row's own column values by column name, the same names for each. `common` holds values that are
    the same for all, `computed` SQL by column; in it and in `guard`, `t` is the row and `v` its own values. A column of
    `rows` that is named `guard_…` is not written: it is there for the guard. One in `keep_first` is written only where
    the row has none yet.
    """
    if not rows:
        return []
    table, key = model._meta.db_table, model._meta.pk
    assert key is not None
    names = list(next(iter(rows.values())))
    fields = [_field(model, name) for name in names]
    if connection.features.has_select_for_update:
        list(
            model._base_manager.select_for_update()
            .filter(pk__in=list(rows))
            .order_by("pk")
            .values_list("pk", flat=True)
        )
    # PostgreSQL takes the types from the first row. SQLite has none to take, and would cast a time to its year.
    typed = connection.vendor == "postgresql"
    first = ", ".join(
        f"CAST(%s AS {field.cast_db_type(connection)})" if typed else "%s" for field in map(_target, (key, *fields))
    )
    others = f", ({', '.join(['%s'] * (1 + len(names)))})" * (len(rows) - 1)
    parameters = [
        value
        for row_id, row in rows.items()
        for value in (
            _adapt(key, row_id),
            *(_adapt(field, row[name]) for name, field in zip(names, fields, strict=True)),
        )
    ]
    sets = [
        f"{name} = COALESCE(t.{name}, v.{name})" if name in keep_first else f"{name} = v.{name}"
        for name in names
        if not name.startswith("guard_")
    ]
    sets += [f"{name} = {sql}" for name, sql in (computed or {}).items()]
    for name, value in (common or {}).items():
        sets.append(f"{name} = %s")
        parameters.append(_adapt(_field(model, name), value))
    # SQLite returns columns of the updated table and knows no alias there; PostgreSQL also has those of `v`.
    row = "t." if typed else ""
    sql = (
        f"WITH v ({', '.join(('id', *names))}) AS (VALUES ({first}){others}) "  # noqa: S608 - names are columns of ours
        f"UPDATE {table} AS t SET {', '.join(sets)} FROM v WHERE t.id = v.id AND {guard} "
        f"RETURNING {', '.join(f'{row}{name}' for name in ('id', *returning))}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, *guard_values])
        found = cursor.fetchall()
    return [(key.to_python(row[0]), *row[1:]) for row in found]


def insert_events(kind: str, entries: Iterable[tuple[UUID, int, Mapping[str, Any]]], *, now: datetime) -> None:
    """Append one event to each of these jobs' histories: (job, its new `seq`, data)."""
    columns = [JobEvent._meta.get_field(name) for name in ("job", "seq", "kind", "at")]
    values = [
        (*(_adapt(column, value) for column, value in zip(columns, (job_id, seq, kind, now), strict=True)), data)
        for job_id, seq, data in entries
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO jobs_jobevent (job_id, seq, kind, at, data) VALUES (%s, %s, %s, %s, %s)",
                [(*row, json.dumps(data)) for *row, data in values],
            )


def _field(model: type[models.Model], column: str) -> models.Field[Any, Any]:
    column = column.removeprefix("guard_")
    return next(field for field in model._meta.concrete_fields if field.column == column)


def _target(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    return field.target_field if isinstance(field, models.ForeignKey) else field


def _adapt(field: Any, value: Any) -> Any:
    field = _target(field)
    return field.get_db_prep_value(field.get_prep_value(value), connection, prepared=True)
