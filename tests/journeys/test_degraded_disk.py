"""Full disks: no new photos, films under way finish, nothing half written, and all is well when there is room again."""

from __future__ import annotations

import json
import shutil

import pytest
import requests

from jobs.models import Attempt, Job
from tests.journeys.test_degraded_redis import OFTEN
from tests.support.disks import filled, small_disk
from tests.support.doors import Doors
from tests.support.processes import wait_for
from tests.support.rig import Rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def files_in(rig: Rig, kind: str) -> set[str]:
    media = rig.var_dir / "media"
    return {path.relative_to(media).as_posix() for path in (media / kind).rglob("*") if path.is_file()}


def test_a_full_disk_takes_no_photos_and_the_films_under_way_finish(tmp_path, django_db_blocker) -> None:
    with django_db_blocker.unblock(), Rig(tmp_path, **OFTEN) as rig:
        media = rig.var_dir / "media"
        with small_disk(media, megabytes=64):
            (media / "clean").mkdir()
            rig.simulator.set("wavespeed", times={"answer": 0.05, "duration": 12})
            rig.add_provider("wavespeed", max_concurrent=10)
            doors = Doors(rig)
            rig.start_all()
            rig.queue_jobs(3)
            running = rig.attempts().filter(status__in=[Attempt.Status.SUBMITTED, Attempt.Status.RUNNING])
            wait_for(lambda: running.count() == 3, lambda: f"three films to be under way\n{rig.describe()}", seconds=30)
            with filled(media, leave=2 * 2**20):
                session = doors.session()
                refused = wait_for(
                    lambda: (answer := doors.upload(session)).status == 507 and answer, "a refusal", seconds=10
                )
                assert refused.content_type == "application/problem+json"
                assert json.loads(refused.body)["code"] == "storage_full"
                assert int(refused.retry_after) > 0
                ready = requests.get(f"{rig.url}/readyz", timeout=10)
                assert (ready.status_code, ready.json()["database"]) == (503, "ok")
                assert ready.json()["disk"].startswith("full")
                films = rig.jobs().filter(status=Job.Status.SUCCEEDED)
                wait_for(lambda: films.count() == 3, lambda: f"the films to finish\n{rig.describe()}", seconds=60)
            before = rig.jobs().count()
            rig.simulator.set("wavespeed", times={"answer": 0.05, "duration": 0.2})
            rig.queue_jobs(1)
            with filled(media):
                assert doors.upload(session).status == 507
                wait_for(lambda: "film_not_collected" in rig.log("collect"), "a film without room", seconds=30)
                assert rig.counts()[Job.Status.SUCCEEDED] == 3
            wait_for(lambda: doors.upload(session).status == 202, "room for photos again", seconds=10)
            wait_for(lambda: films.count() == 4, lambda: f"the film that waited\n{rig.describe()}", seconds=60)
            assert rig.attempts().count() == 4, "trouble of ours costs no second film"
            assert before == 3
            assert files_in(rig, "video") == set(films.values_list("video_key", flat=True))
            assert files_in(rig, "raw") == set(rig.jobs().filter(raw_key__gt="").values_list("raw_key", flat=True))
            assert rig.tracebacks() == []


def test_a_full_disk_under_the_database_gives_no_receipt_without_a_row(tmp_path, django_db_blocker) -> None:
    with django_db_blocker.unblock(), Rig(tmp_path, **OFTEN) as rig:
        if rig.database_url:
            pytest.skip("SQLite's own file")
        rig.close_alias()
        database = rig.var_dir / "db.sqlite3"
        with small_disk(tmp_path / "disk", megabytes=6) as disk:
            for suffix in ("-wal", "-shm"):
                database.with_name(database.name + suffix).unlink(missing_ok=True)
            shutil.move(database, disk / database.name)
            database.symlink_to(disk / database.name)
            doors = Doors(rig)
            rig.start("web")
            wait_for(rig.answers, "the web process to answer", seconds=60)
            session = doors.session()
            assert doors.upload(session).status == 202
            with filled(disk):
                accepted = 1
                for _ in range(2000):  # what is left of the journal's file is used up first
                    answer = doors.upload(session)
                    if answer.status != 202:
                        break
                    accepted += 1
                assert answer.status in (503, 507)
                assert int(answer.retry_after) > 0
                assert doors.upload(session).status in (503, 507)
                assert doors.ask(session, "GET", "/api/v1/jobs/").status == 200, "what is there can be read"
                rig.close_alias()
                assert rig.jobs().count() == accepted
                assert len(files_in(rig, "raw")) == accepted, "a refused photo is not kept"
            wait_for(lambda: doors.upload(session).status == 202, "uploads to be taken again", seconds=15)
            rig.close_alias()
            rig.stop_all()
            assert rig.tracebacks() == []
