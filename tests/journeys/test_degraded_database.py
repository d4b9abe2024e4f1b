"""The database stops, is full of connections, is locked: 503 at once, nothing half done, and back by itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import psycopg
import pytest
import requests

from jobs.models import Job
from tests.support.doors import Answers, Doors
from tests.support.postgres import Postgres, mortal_postgres
from tests.support.processes import wait_for
from tests.support.rig import Rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OFTEN = {"THROTTLE_UPLOADS": "100000/min", "THROTTLE_UPLOADS_ADDRESS": "100000/min", "THROTTLE_READS": "100000/min"}
NEED_NO_DATABASE = {"admin login"}


def prepared(rig: Rig) -> Rig:
    rig.collect_static()
    rig.add_provider("wavespeed", max_concurrent=10)
    rig.simulator.set("wavespeed", times={"answer": 0.05, "duration": 0.2})
    return rig


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with mortal_postgres("max_connections=40") as server:
        yield server


@pytest.fixture(scope="module")
def rig(postgres: Postgres, tmp_path_factory, django_db_blocker) -> Iterator[Rig]:
    """The whole product on a PostgreSQL that may be stopped."""
    folder = tmp_path_factory.mktemp("rig")
    with django_db_blocker.unblock(), Rig(folder, database_url=postgres.url, **OFTEN) as rig:
        prepared(rig).start_all()
        yield rig


def is_ready(rig: Rig) -> bool:
    return requests.get(f"{rig.url}/readyz", timeout=10).status_code == 200


def assert_all_say_later(answers: Answers) -> None:
    for door, found in answers.by_door.items():
        if door in NEED_NO_DATABASE:
            continue
        if door == "socket":
            assert {answer.status for answer in found} == {1013}
            continue
        assert {answer.status for answer in found} == {503}, door
        assert all(int(answer.retry_after) >= 1 for answer in found), door
        shows_page = door in ("start page", "job page", "my page", "admin list")
        assert {answer.content_type.split(";")[0] for answer in found} == {
            "text/html" if shows_page else "application/json" if door == "ready" else "application/problem+json"
        }, door
        if shows_page:
            assert all(b"data-busy" in answer.body for answer in found), door


def test_a_stopped_database_is_503_at_once_and_back_by_itself(rig: Rig, postgres: Postgres) -> None:
    doors = Doors(rig)
    known = doors.people_with_jobs(8)
    before = {path.name: len(path.read_text()) for path in rig.folder.glob("*.log")}
    rig.close_alias()
    postgres.stop()
    answers = doors.knock(people=8, known=known)
    answers.report("stopped")
    assert_all_say_later(answers)
    assert answers.longest < 10, "at once, and not when a time-out of twenty or thirty seconds is over"
    time.sleep(3)  # what the others say in a few seconds of an outage
    alive = {name: [process.pid for process in rig.alive(name)] for name in ("web", "dispatch", "collect", "reconcile")}
    postgres.start()
    started = time.monotonic()
    wait_for(lambda: is_ready(rig), "the web process to be ready again", seconds=30)
    print(f"ready again after {time.monotonic() - started:.1f} s")
    assert doors.knock(people=4).odd() == {}
    job_ids = rig.queue_jobs(20)
    wait_for(
        lambda: rig.jobs().filter(id__in=job_ids, status=Job.Status.SUCCEEDED).count() == 20,
        "the workers to go on",
        seconds=60,
        every=0.2,
    )
    assert {name: [process.pid for process in rig.alive(name)] for name in alive} == alive, "no process died"
    said = {path.name: path.read_text()[before.get(path.name, 0) :] for path in rig.folder.glob("*.log")}
    assert {name: text for name, text in said.items() if "Traceback" in text} == {}
    assert said["reconcile.log"].count("database_away") == 1


def test_a_film_that_was_answered_for_during_the_outage_is_not_asked_for_twice(rig: Rig, postgres: Postgres) -> None:
    """The POST is under way when the database goes: its answer is written when it is back."""
    rig.simulator.set("wavespeed", times={"answer": 1.5, "duration": 0.2})
    accepted, arrived = rig.simulator.accepted(), len(rig.simulator.arrivals("wavespeed"))
    (job_id,) = rig.queue_jobs(1)
    attempts = rig.attempts().filter(job_id=job_id)
    wait_for(lambda: len(rig.simulator.arrivals("wavespeed")) > arrived, "the POST to arrive", seconds=20, every=0.02)
    rig.close_alias()
    postgres.stop()
    time.sleep(2.5)  # the answer comes meanwhile
    postgres.start()
    wait_for(lambda: rig.jobs().get(id=job_id).status == Job.Status.SUCCEEDED, "the film", seconds=60, every=0.2)
    assert [attempt.status for attempt in attempts] == ["succeeded"]
    assert rig.simulator.accepted() == accepted + 1


def test_a_database_without_free_connections_is_503_and_back_by_itself(rig: Rig, postgres: Postgres) -> None:
    doors = Doors(rig)
    known = doors.people_with_jobs(4)
    rig.close_alias()
    others: list[psycopg.Connection] = []
    with contextlib.ExitStack() as taken:
        chief = taken.enter_context(psycopg.connect(postgres.url, autocommit=True))

        def take_all() -> None:
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    others.append(taken.enter_context(psycopg.connect(postgres.url, connect_timeout=5)))

        take_all()
        # The product's own connections end, and what becomes free is taken before it can have all of it again.
        chief.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND NOT pid = ANY(%s)",
            [[one.info.backend_pid for one in (chief, *others)]],
        )
        take_all()
        answers = doors.knock(people=4, known=known)
        answers.report("no connections")
        assert 503 in {answer.status for answer in answers}
        for door, found in answers.by_door.items():
            usual = {200, 202, 401, 101, 1013, 503}
            assert {answer.status for answer in found} <= usual, door
            assert all(answer.retry_after for answer in found if answer.status == 503), door
        assert answers.longest < 10, "at once, and not when a time-out of twenty or thirty seconds is over"
    wait_for(lambda: is_ready(rig), "the web process to be ready again", seconds=30)
    assert doors.knock(people=2).odd() == {}
