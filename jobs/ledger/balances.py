"""Both sides of the conservation law, and the jobs on which they differ.

Everything is counted in the database, by one query in three steps:

    history    one line for each job that has events: how many, their numbers, the phase they say the job is in
    compared   the same beside the job's row and the phase that the row says
    flagged    the same with a column for each of _CHECKS: 1 where it fails, else 0
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Model, Q, QuerySet

from jobs.lifecycle.kinds import AFTER_THE_END, ENDS, PHASES, Phase
from jobs.models import Job

from .results import LISTED, Balance, Finding, Item

Row = TypeVar("Row", bound=Model)

# Phases are numbers in SQL, so that the newest event's phase can be had by one MAX over `seq * 10 + phase`.
_NUMBERS = {phase: number for number, phase in enumerate(Phase)}
_SHIFT = 10


def _sql_list(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_PHASE_OF_EVENT = "CASE kind {} END".format(
    " ".join(f"WHEN '{kind}' THEN {_NUMBERS[phase]}" for kind, phase in PHASES.items() if phase is not None)
)
_PHASE_OF_ROW = f"""CASE
        WHEN erased_at IS NOT NULL AND status IN ({_sql_list(ENDS)}) THEN {_NUMBERS[Phase.ERASED]}
        WHEN erased_at IS NOT NULL THEN NULL
        WHEN status = 'succeeded' THEN {_NUMBERS[Phase.SUCCEEDED]}
        WHEN status = 'failed' THEN {_NUMBERS[Phase.FAILED]}
        WHEN status = 'canceled' THEN {_NUMBERS[Phase.CANCELED]}
        WHEN status = 'processing' AND winner_id IS NOT NULL AND lane = 'collect' THEN {_NUMBERS[Phase.COLLECTING]}
        WHEN winner_id IS NOT NULL THEN NULL
        WHEN status IN ('queued', 'processing') AND lane IN ('prepare', 'dispatch') THEN {_NUMBERS[Phase.WAITING]}
        WHEN status = 'processing' THEN {_NUMBERS[Phase.IN_FLIGHT]}
    END"""


class _Check(NamedTuple):
    """Something that must not be true of a job's events beside its row: a condition on the columns of `compared`."""

    code: str
    sentence: str
    fails_if: str
    is_difference: bool = False


_CHECKS = (
    _Check("no_row", "Events of a job that has no row.", "row_id IS NULL", True),
    _Check(
        "phase_differs",
        "The events say that the job is in another phase than the row does.",
        "row_id IS NOT NULL AND COALESCE(event_phase, -1) <> COALESCE(row_phase, -2)",
        True,
    ),
    _Check("not_accepted_once", "A job that was not accepted exactly once.", "accepted <> 1", True),
    _Check("seq_differs", "The newest event is not the one that the row names.", "row_seq <> newest"),
    _Check("seq_gap", "The events are not numbered 1, 2, 3, and so on.", "oldest <> 1 OR events <> newest"),
    _Check("two_films", "A film was delivered more than once.", "films > 1"),
    _Check("after_the_end", "Something happened to a job that had ended.", "last_work > ended OR newest > erased"),
    _Check("kind_unknown", "Events of a kind that the table of kinds does not know.", "unknown > 0"),
)
_CODES = ", ".join(check.code for check in _CHECKS)

_STEPS = f"""
WITH history AS (
    SELECT job_id,
        COUNT(*) AS events,
        MIN(seq) AS oldest,
        MAX(seq) AS newest,
        MAX(CAST(seq AS BIGINT) * {_SHIFT} + {_PHASE_OF_EVENT}) %% {_SHIFT} AS event_phase,
        SUM(CASE WHEN kind = 'accepted' THEN 1 ELSE 0 END) AS accepted,
        SUM(CASE WHEN kind = 'succeeded' THEN 1 ELSE 0 END) AS films,
        SUM(CASE WHEN kind IN ({_sql_list(PHASES)}) THEN 0 ELSE 1 END) AS unknown,
        MIN(CASE WHEN kind IN ({_sql_list(ENDS)}) THEN seq END) AS ended,
        MIN(CASE WHEN kind = 'erased' THEN seq END) AS erased,
        MAX(CASE WHEN kind NOT IN ({_sql_list(AFTER_THE_END)}) THEN seq END) AS last_work
    FROM jobs_jobevent
    WHERE [of these jobs by job_id]
    GROUP BY job_id
),
compared AS (
    SELECT history.*, jobs_job.id AS row_id, jobs_job.seq AS row_seq,
        {_PHASE_OF_ROW} AS row_phase
    FROM history LEFT JOIN jobs_job ON jobs_job.id = history.job_id AND [of these jobs by jobs_job.id]
),
flagged AS (
    SELECT event_phase, accepted,
        {", ".join(f"CASE WHEN {check.fails_if} THEN 1 ELSE 0 END AS {check.code}" for check in _CHECKS)}
    FROM compared
)
"""  # noqa: S608 - constants of this file and of the table of kinds
_SUMMARY = f"""{_STEPS}
SELECT event_phase, SUM(accepted), COUNT(*), {_CODES} FROM flagged GROUP BY event_phase, {_CODES}
"""  # noqa: S608 - constants of this file
_ROW_COUNTS = f"""
SELECT {_PHASE_OF_ROW} AS phase, COUNT(*) FROM jobs_job WHERE [of these jobs by id] GROUP BY 1
"""  # noqa: S608 - constants of this file
_WITHOUT_EVENTS = (
    "FROM jobs_job WHERE [of these jobs by id]"
    " AND NOT EXISTS (SELECT 1 FROM jobs_jobevent WHERE job_id = jobs_job.id AND [of these jobs by job_id])"
)


class Scope(NamedTuple):
    """Which jobs are read: all of them, those between two ids, or those of a list."""

    after: UUID | None = None
    until: UUID | None = None
    ids: Sequence[UUID] | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing comes after it, so that what belongs to no job is checked with it."""
        return self.until is None and self.ids is None

    def condition(self, column: str) -> tuple[str, list[Any]]:
        """Return the SQL condition on a column of job ids, and its parameters."""
        if self.ids is not None:
            return f"{column} IN ({', '.join(['%s'] * len(self.ids)) or 'NULL'})", _stored(self.ids)
        bounds = [(sign, id_) for sign, id_ in ((">", self.after), ("<=", self.until)) if id_ is not None]
        condition = " AND ".join(f"{column} {sign} %s" for sign, _ in bounds) or "1 = 1"
        return condition, _stored([id_ for _, id_ in bounds])

    def of(self, rows: QuerySet[Row], column: str) -> QuerySet[Row]:
        """Return those of the rows whose column has such a job's id, or none where that is checked with the last."""
        if self.ids is not None:
            return rows.filter(**{f"{column}__in": list(self.ids)})
        bounds = {f"{column}__gt": self.after, f"{column}__lte": self.until}
        inside = Q(**{name: id_ for name, id_ in bounds.items() if id_ is not None})
        return rows.filter(inside | Q(**{column: None}) if self.is_last and inside and column != "id" else inside)


ALL_JOBS = Scope()


class Sides(NamedTuple):
    """Both balances, the jobs on which they differ, and what else is wrong with events."""

    events: Balance
    rows: Balance
    differences: tuple[Finding, ...]
    findings: tuple[Finding, ...]


def read_sides(scope: Scope = ALL_JOBS) -> Sides:
    """Return both sides of the law, of all jobs or of some. Call it inside a snapshot."""
    accepted, phases, counts = 0, Counter[int](), Counter[str]()
    for phase, accepted_here, jobs, *flags in _query(_SUMMARY, scope):
        accepted += int(accepted_here)
        if phase is not None:
            phases[phase] += jobs
        for check, fails in zip(_CHECKS, flags, strict=True):
            counts[check.code] += jobs * fails
    failed = {check: _finding(check, counts[check.code], scope) for check in _CHECKS if counts[check.code]}
    differences = [finding for check, finding in failed.items() if check.is_difference]
    if without_events := _query(f"SELECT COUNT(*) {_WITHOUT_EVENTS}", scope)[0][0]:
        rows = _query(f"SELECT id {_WITHOUT_EVENTS} ORDER BY id LIMIT {LISTED}", scope)
        differences.append(Finding("no_events", "A row that has no events.", without_events, _items(rows)))
    return Sides(
        Balance(accepted, _all_phases(phases)),
        _rows_side(scope),
        tuple(differences),
        tuple(finding for check, finding in failed.items() if not check.is_difference),
    )


def _rows_side(scope: Scope) -> Balance:
    counts = dict(_query(_ROW_COUNTS, scope))
    return Balance(sum(counts.values()), _all_phases(counts))


def _all_phases(counts: Any) -> dict[Phase, int]:
    return {phase: counts.get(number, 0) for phase, number in _NUMBERS.items()}


def _finding(check: _Check, count: int, scope: Scope) -> Finding:
    """Return what a check found, with the first jobs by name."""
    failing = f"{_STEPS} SELECT job_id FROM compared WHERE {check.fails_if}"  # noqa: S608 - constants of this file
    rows = _query(f"{failing} ORDER BY job_id LIMIT {LISTED}", scope)
    return Finding(check.code, check.sentence, count, _items(rows))


def _items(rows: Collection[tuple[Any, ...]]) -> tuple[Item, ...]:
    ids = [str(UUID(str(row[0]))) for row in rows]
    return tuple(Item(job_id, job_id) for job_id in ids)


def _query(sql: str, scope: Scope) -> list[tuple[Any, ...]]:
    """Run a query of this file for these jobs; it names the columns of job ids."""
    parameters: list[Any] = []

    def condition(match: re.Match[str]) -> str:
        words, values = scope.condition(match[1])
        parameters.extend(values)
        return words

    with connection.cursor() as cursor:
        cursor.execute(re.sub(r"\[of these jobs by ([\w.]+)\]", condition, sql), parameters)
        return cursor.fetchall()


def _stored(ids: Collection[UUID]) -> list[Any]:
    """Return job ids as the database stores them."""
    field = Job._meta.get_field("id")
    return [field.get_db_prep_value(id_, connection) for id_ in ids]
