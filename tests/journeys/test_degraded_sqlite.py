"""SQLite's write lock is held for long: reads go on, writes get a 503 after a bound, then all succeed again."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from jobs.models import Job
from selfiehero.server.database import LOCK_SECONDS
from tests.journeys.test_degraded_database import OFTEN, is_ready, prepared
from tests.support.doors import Answers, Doors
from tests.support.processes import wait_for
from tests.support.rig import Rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_locked_sqlite_is_503_after_a_bound_and_reading_goes_on(tmp_path, django_db_blocker) -> None:
    with django_db_blocker.unblock(), Rig(tmp_path, **OFTEN) as rig:
        prepared(rig).start_all()
        doors = Doors(rig)
        session, job_id = doors.people_with_jobs(1)[0]
        rig.queue_jobs(5)
        other = sqlite3.connect(rig.var_dir / "db.sqlite3", isolation_level=None, timeout=10)
        other.execute("BEGIN EXCLUSIVE")
        try:
            answers = Answers()
            writers = [
                threading.Thread(target=lambda: answers.add("upload", doors.upload(doors.session()))) for _ in range(3)
            ]
            for writer in writers:
                writer.start()
            read = doors.ask(session, "GET", f"/api/v1/jobs/{job_id}/")
            for writer in writers:
                writer.join()
            ready = doors.ask(session, "GET", "/readyz")
        finally:
            other.execute("ROLLBACK")
            other.close()
        answers.report("locked")
        assert read.status == 200
        assert answers.statuses("upload") == {503}
        assert all(answer.retry_after for answer in answers)
        assert answers.longest < LOCK_SECONDS + 3
        assert ready.status == 503
        raw = [path for path in (rig.var_dir / "media" / "raw").rglob("*") if path.is_file()]
        assert len(raw) <= 1, "what was not accepted left no photo"
        wait_for(lambda: is_ready(rig), "the web process to be ready again", seconds=30)
        assert doors.upload(doors.session()).status == 202
        wait_for(
            lambda: rig.jobs().filter(status=Job.Status.SUCCEEDED).count() >= 5, "the workers to go on", seconds=60
        )
        assert all(len(rig.alive(name)) == 1 for name in ("web", "dispatch", "collect", "reconcile"))
        assert rig.tracebacks() == []
