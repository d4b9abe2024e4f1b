"""The cluster's load: measured by one reconcile process, read by all, overridden by staff."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import AuditEntry, Job, LoadState
from jobs.overload import state
from jobs.overload.levels import Level
from jobs.overload.state import LoadMeter
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A monotonic clock that goes on when the test says so."""
    present = [1000.0]

    def go_on(seconds: float) -> None:
        present[0] += seconds

    monkeypatch.setattr("time.monotonic", lambda: present[0])
    return go_on


class House:
    """Reconcile's meter, once a second, while people come and films are made."""

    def __init__(self, clock: Callable[[float], None]) -> None:
        self.clock, self.now, self.meter = clock, timezone.now(), LoadMeter()

    def spend(self, seconds: int, *, leave: int = 0) -> LoadState:
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.clock(1.0)
            ids = list(Job.objects.in_queue().values_list("id", flat=True)[:leave])
            Job.objects.filter(id__in=ids).update(lane="")
            self.meter.tick(now=self.now)
        return LoadState.objects.get()


def arrive(count: int) -> None:
    for _ in range(count):
        factories.make_waiting_job()


def test_a_backlog_beyond_its_limit_closes_the_door_and_its_end_opens_it(clock: Any, settings: Any) -> None:
    settings.ADMISSION_BACKLOG = timedelta(seconds=10)
    house = House(clock)
    house.spend(2)
    arrive(50)
    row = house.spend(25, leave=1)
    assert row.admitted_per_second == pytest.approx(0.75, rel=0.2)
    assert row.level > Level.FULL
    load = state.load_of(row, now=house.now)
    assert (load.level, load.admitted_per_second) == (row.level, row.admitted_per_second)
    row = house.spend(150, leave=5)
    assert (row.level, row.admitted_per_second, row.waiting) == (Level.FULL, None, 0)


def test_what_several_web_processes_let_in_together_is_the_share(clock: Any, settings: Any) -> None:
    settings.ADMISSION_BACKLOG = timedelta(seconds=10)
    house = House(clock)
    house.spend(2)
    arrive(50)
    house.spend(25, leave=1)
    for _ in range(8):  # three processes, each lets in what the row says
        for _ in range(3):
            factories.make_waiting_job(now=house.now + timedelta(seconds=0.5))
        row = house.spend(1, leave=1)
    assert row.admitted_per_second < 0.4


def test_a_row_that_nobody_writes_any_more_closes_no_door() -> None:
    now = timezone.now()
    row = LoadState(measured_at=now - timedelta(minutes=1), level=3, waiting=9, admitted_per_second=0.1)
    assert state.load_of(row, now=now) == state.OPEN


def test_one_reconcile_process_measures_and_another_takes_over(clock: Any) -> None:
    first, second = House(clock), House(clock)
    second.meter._name = "another-host-1"
    first.spend(2)
    second.now = first.now
    assert second.spend(5).measured_by == first.meter._name
    assert second.spend(20).measured_by == second.meter._name


def test_a_quiet_second_writes_nothing(clock: Any) -> None:
    house = House(clock)
    house.spend(3)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        house.spend(1)
    written = [query["sql"] for query in asked.captured_queries if query["sql"].startswith(("UPDATE", "INSERT"))]
    assert not [sql for sql in written if "loadstate" in sql]


def test_staff_set_a_level_for_a_while() -> None:
    said = StringIO()
    call_command("brownout", "short_films", "--for", "2h", "--by", "mia", stdout=said)
    assert said.getvalue().startswith("short_films by hand until ")
    assert state.current().shortens_films
    row = LoadState.objects.get()
    assert state.load_of(row, now=timezone.now() + timedelta(hours=2, seconds=1)).level == Level.FULL
    entry = AuditEntry.objects.get(action="brownout")
    assert (entry.subject, entry.data) == ("short_films", {"by": "mia", "seconds": 7200})
    call_command("brownout", "auto", stdout=said)
    assert state.read_now() == state.OPEN


def test_measuring_leaves_what_staff_set(clock: Any) -> None:
    call_command("brownout", "no_posters", stdout=StringIO())
    row = House(clock).spend(5)
    assert row.forced_level == Level.NO_POSTERS
    assert state.load_of(row, now=row.measured_at).skips_posters


@pytest.mark.parametrize("period", ["0m", "25h", "soon"])
def test_a_level_by_hand_ends(period: str) -> None:
    with pytest.raises(CommandError):
        call_command("brownout", "full", "--for", period)


@pytest.mark.database
def test_counting_what_waits_reads_indexes_alone() -> None:
    arrive(3)
    with CaptureQueriesContext(connection) as asked:
        LoadMeter().tick(now=timezone.now())
    (sql,) = [query["sql"] for query in asked.captured_queries if "COUNT" in query["sql"]]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            reads = [row[3] for row in cursor.fetchall() if "jobs_job" in row[3]]
        assert len(reads) == 4
        assert all("INDEX" in read for read in reads), reads
