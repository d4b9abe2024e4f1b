"""Both sides of the law, and the jobs on which they differ.

Everything is counted in the database. The events of each job become one line (`_TOLD`), in a single walk over
them: how many they are, the numbers they bear, and where the newest telling one says that the job stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from jobs.lifecycle.kinds import AFTER_THE_END, ENDS, STANDINGS, Standing

from .results import LISTED, Balance, Finding, Item

_NUMBERS = {standing: number for number, standing in enumerate(Standing)}
# The newest of several: the standing in the last digit below the event's number.
_DIGIT = 10


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _if_any(condition: str, value: str) -> str:
    return f"CASE WHEN {condition} THEN {value} END"


_NEWEST_STANDING = " ".join(
    f"WHEN '{kind}' THEN {_NUMBERS[standing]}" for kind, standing in STANDINGS.items() if standing is not None
)
_IS_KNOWN = f"kind IN ({_listed(STANDINGS)})"
_TOLD = f"""
SELECT job_id, COUNT(*) AS events, MIN(seq) AS oldest, MAX(seq) AS newest,
    MAX(CAST(seq AS BIGINT) * {_DIGIT} + CASE kind {_NEWEST_STANDING} END) % {_DIGIT} AS standing,
    SUM(CASE WHEN kind = 'accepted' THEN 1 ELSE 0 END) AS accepted,
    SUM(CASE WHEN kind = 'succeeded' THEN 1 ELSE 0 END) AS films,
    SUM(CASE WHEN {_IS_KNOWN} THEN 0 ELSE 1 END) AS unknown,
    MIN({_if_any(f"kind IN ({_listed(ENDS)})", "seq")}) AS ended,
    MIN({_if_any("kind = 'erased'", "seq")}) AS erased,
    MAX({_if_any(f"kind NOT IN ({_listed(AFTER_THE_END)})", "seq")}) AS worked
FROM jobs_jobevent
GROUP BY job_id
"""  # noqa: S608 - texts of this file and of the table of kinds
_ROW_STANDING = f"""CASE
    WHEN erased_at IS NOT NULL AND status IN ({_listed(ENDS)}) THEN {_NUMBERS[Standing.ERASED]}
    WHEN erased_at IS NOT NULL THEN NULL
    WHEN status = 'succeeded' THEN {_NUMBERS[Standing.SUCCEEDED]}
    WHEN status = 'failed' THEN {_NUMBERS[Standing.FAILED]}
    WHEN status = 'canceled' THEN {_NUMBERS[Standing.CANCELED]}
    WHEN status = 'processing' AND winner_id IS NOT NULL AND lane = 'collect' THEN {_NUMBERS[Standing.COLLECTING]}
    WHEN winner_id IS NOT NULL THEN NULL
    WHEN status IN ('queued', 'processing') AND lane IN ('prepare', 'dispatch') THEN {_NUMBERS[Standing.WAITING]}
    WHEN status = 'processing' THEN {_NUMBERS[Standing.IN_FLIGHT]}
END"""
_BESIDE = f"FROM ({_TOLD}) AS told LEFT JOIN jobs_job ON jobs_job.id = told.job_id"
_NO_EVENTS = "FROM jobs_job WHERE NOT EXISTS (SELECT 1 FROM jobs_jobevent WHERE jobs_jobevent.job_id = jobs_job.id)"


class _Wrong(NamedTuple):
    """Something wrong with the events of a job, beside its row."""

    code: str
    sentence: str
    condition: str
    is_difference: bool = False


_WRONG = (
    _Wrong("no_row", "Events of a job that has no row.", "jobs_job.id IS NULL", True),
    _Wrong(
        "standing_differs",
        "The events say that the job stands elsewhere than the row does.",
        f"jobs_job.id IS NOT NULL AND COALESCE(told.standing, -1) <> COALESCE(({_ROW_STANDING}), -2)",
        True,
    ),
    _Wrong("not_accepted_once", "A job that was not accepted exactly once.", "accepted <> 1", True),
    _Wrong("seq_differs", "The newest event is not the one that the row names.", "jobs_job.seq <> newest"),
    _Wrong("seq_gap", "The events are not numbered 1, 2, 3, and so on.", "oldest <> 1 OR events <> newest"),
    _Wrong("two_films", "A film was delivered more than once.", "films > 1"),
    _Wrong("after_the_end", "Something happened to a job that had ended.", "worked > ended OR newest > erased"),
    _Wrong("kind_unknown", "Events of a kind that the table of kinds does not know.", "unknown > 0"),
)
_FLAGS = ", ".join(f"CASE WHEN {wrong.condition} THEN 1 ELSE 0 END AS {wrong.code}" for wrong in _WRONG)
_SUMMARY = f"""
SELECT standing, SUM(accepted), COUNT(*), {", ".join(wrong.code for wrong in _WRONG)}
FROM (SELECT told.standing AS standing, accepted, {_FLAGS} {_BESIDE}) AS compared
GROUP BY standing, {", ".join(wrong.code for wrong in _WRONG)}
"""  # noqa: S608


class Sides(NamedTuple):
    """Both balances, the jobs on which they differ, and what else is wrong with events."""

    events: Balance
    rows: Balance
    differences: tuple[Finding, ...]
    findings: tuple[Finding, ...]


def read_sides() -> Sides:
    """Return both sides of the law. Call it inside a snapshot."""
    accepted, standings, counts = 0, Counter[int](), Counter[str]()
    for standing, accepted_here, jobs, *flags in _rows(_SUMMARY):
        accepted += int(accepted_here)
        if standing is not None:
            standings[standing] += jobs
        for wrong, is_so in zip(_WRONG, flags, strict=True):
            counts[wrong.code] += jobs * is_so
    found = {
        wrong: _finding(wrong.code, wrong.sentence, counts[wrong.code], _BESIDE, wrong.condition)
        for wrong in _WRONG
        if counts[wrong.code]
    }
    differences = [finding for wrong, finding in found.items() if wrong.is_difference]
    if silent := _count(_NO_EVENTS):
        rows = _rows(f"SELECT id {_NO_EVENTS} ORDER BY id LIMIT {LISTED}")
        differences.append(Finding("no_events", "A row that has no events.", silent, _jobs(rows)))
    return Sides(
        Balance(accepted, _all(standings)),
        _rows_side(),
        tuple(differences),
        tuple(finding for wrong, finding in found.items() if not wrong.is_difference),
    )


def _rows_side() -> Balance:
    counts = dict(_rows(f"SELECT {_ROW_STANDING} AS standing, COUNT(*) FROM jobs_job GROUP BY 1"))  # noqa: S608
    return Balance(sum(counts.values()), _all(counts))


def _all(counts: Any) -> dict[Standing, int]:
    return {standing: counts.get(number, 0) for standing, number in _NUMBERS.items()}


def _finding(code: str, sentence: str, count: int, source: str, condition: str) -> Finding:
    rows = _rows(f"SELECT told.job_id {source} WHERE {condition} ORDER BY told.job_id LIMIT {LISTED}")
    return Finding(code, sentence, count, _jobs(rows))


def _jobs(rows: Collection[tuple[Any, ...]]) -> tuple[Item, ...]:
    ids = [str(UUID(str(row[0]))) for row in rows]
    return tuple(Item(job_id, job_id) for job_id in ids)


def _count(source: str) -> int:
    return _rows(f"SELECT COUNT(*) {source}")[0][0]


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
