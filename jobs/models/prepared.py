"""Several questions about rows, answered by one statement whose text is made once.

    due = Prepared(lambda now: {"late": Job.objects.filter(deadline_at__lte=now), …}, Prepared.ANY)
    due.ask(now)  # {"late": False, …}

For each queryset the ORM builds its text anew, which takes ten times as long as a database needs for an index that
holds nothing. Here the querysets are made once, by the functions that the work itself uses, so that a question and its
work cannot drift apart. From call to call they may differ in times only, each at a fixed distance from one of the
moments that are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from . import plain_sql

# A value that moves with a moment is a time; any other is the same in every call.
_AT, _MOVED = datetime(2001, 1, 1, tzinfo=UTC), timedelta(days=1000)


class _Time(NamedTuple):
    """A value of a statement: so far after the moment with this number."""

    moment: int
    after: timedelta


class Prepared:
    """Questions by name. Threads may share it."""

    ANY = "EXISTS({})"  # whether there is a row
    COUNT = "(SELECT COUNT(*) FROM ({}) AS counted)"  # how many rows there are; give them without an order

    def __init__(
        self, build: Callable[..., Mapping[str, QuerySet[Any, Any]]], shape: str, *, moment_count: int = 1
    ) -> None:
        """`build` returns querysets by name for that many moments; it must not read the database."""
        self._build, self._shape, self._moment_count = build, shape, moment_count
        self._made: dict[str, tuple[list[str], str, list[Any]]] = {}

    def ask(self, *moments: datetime) -> dict[str, Any]:
        """Return the answer to each question: a truth for ANY, a number for COUNT."""
        if (made := self._made.get(connection.vendor)) is None:
            made = self._made[connection.vendor] = self._make()
        names, sql, values = made
        given = [moments[value.moment] + value.after if isinstance(value, _Time) else value for value in values]
        answers = plain_sql.one(sql, *given)
        assert answers is not None
        return dict(zip(names, map(bool, answers) if self._shape == self.ANY else answers, strict=True))

    def _make(self) -> tuple[list[str], str, list[Any]]:
        """Return the names, the statement and its values."""
        moments = [_AT] * self._moment_count
        names, sql, values = self._compiled(moments)
        for moment in range(self._moment_count):
            _, _, moved = self._compiled([_AT + _MOVED * (number == moment) for number in range(len(moments))])
            for index, (before, after) in enumerate(zip(values, moved, strict=True)):
                if not isinstance(before, _Time) and before != after:
                    values[index] = _Time(moment, _distance(before, after))
        return names, sql, values

    def _compiled(self, moments: list[datetime]) -> tuple[list[str], str, list[Any]]:
        texts: list[str] = []
        values: list[Any] = []
        questions = self._build(*moments)
        for rows in questions.values():
            query = rows.query.exists() if self._shape == self.ANY else rows.values("pk").query
            sql, needed = query.get_compiler(connection=connection).as_sql()
            texts.append(self._shape.format(sql))
            values += needed
        return list(questions), f"SELECT {', '.join(texts)}", values


def _distance(before: Any, after: Any) -> timedelta:
    """Return how far a time is from its moment; ValueError for what moves otherwise."""
    first, second = (
        plain_sql.moment(datetime.fromisoformat(value) if isinstance(value, str) else value)
        for value in (before, after)
    )
    if second - first != _MOVED:
        raise ValueError(f"{before!r} and {after!r} do not have the same distance from their moment")
    return first - _AT
