"""The conservation law: by the events and by the rows. Each difference is provoked by damaging one of them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs import lifecycle, services
from jobs.lifecycle.kinds import AFTER_THE_END, ENDS, PHASES, Phase
from jobs.models import Attempt, Job, JobEvent, Lane
from jobs.reconcile import retention
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.ledgers import damage, found_in, ids_of, inspect, only, phases

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def add_event(job: Job, kind: str, *, seq: int | None = None) -> None:
    """Write an event that the product would not write, so that the row still names the newest."""
    seq = seq or factories.reload(job).seq + 1
    JobEvent.objects.create(job=job, seq=seq, kind=kind, at=timezone.now())
    damage(job, seq=seq)


# --- The law --------------------------------------------------------------------------------------


def test_of_nothing_it_is_balanced() -> None:
    seen = inspect(settled=True)
    assert seen.is_clean
    assert seen.rows.accepted == 0


def test_a_job_is_in_one_phase_on_its_whole_way(provider: ProviderConfig, stub: Any, work: Callable[..., None]) -> None:
    """What the lanes write is in the found at every step, and both sides tell it the same."""

    def assert_is(place: str) -> None:
        seen = inspect()
        assert seen.is_clean, seen
        assert phases(seen) == {place: 1}
        assert seen.events == seen.rows
        assert seen.events.accepted == 1

    # However busy the machine, the submit is answered in time.
    damage(provider, connect_timeout=timedelta(seconds=20), submit_timeout=timedelta(seconds=20))
    job = factories.make_job()
    assert_is("waiting")
    work(Lane.PREPARE)
    assert_is("waiting")
    services.set_priority(job.id, priority=5, now=timezone.now())
    assert_is("waiting")
    work(Lane.DISPATCH)
    assert_is("in_flight")
    attempt = Attempt.objects.select_related("provider").get()
    news = {"stage": Job.Stage.RENDERING, "prediction_id": "", "poll_at": timezone.now(), "now": timezone.now()}
    assert lifecycle.record_progress(attempt, progress=0.5, **news)
    assert lifecycle.mark_preview_announced(job.id, now=timezone.now())
    assert_is("in_flight")
    assert lifecycle.mark_attempt_succeeded(
        attempt, prediction_id="", video_url=f"{stub.url}/files/film.mp4", now=timezone.now()
    )
    assert_is("collecting")
    work(Lane.COLLECT)
    assert_is("succeeded")
    services.share_job(job.id, now=timezone.now())
    services.unshare_job(job.id, now=timezone.now())
    assert_is("succeeded")
    services.erase_job(job.id, now=timezone.now())
    assert_is("erased")


def test_a_job_in_every_phase(provider: ProviderConfig) -> None:
    damage(provider, max_concurrent=20)
    factories.make_job()
    factories.make_rendered_job(provider)
    factories.make_submitted_attempt(provider)
    factories.make_finished_job(provider)
    lost = factories.make_submitted_attempt(provider)
    assert lifecycle.mark_attempt_failed(lost, code="provider_failed", raw_error="", now=timezone.now())
    assert lifecycle.return_to_queue(lost.job_id, due_at=timezone.now(), now=timezone.now())
    services.cancel_job(factories.make_submitted_attempt(provider).job_id, now=timezone.now())
    assert lifecycle.fail(factories.make_job().id, code="deadline", now=timezone.now())
    services.erase_job(factories.make_job().id, now=timezone.now())
    seen = inspect()
    assert seen.is_clean, seen
    assert phases(seen) == {
        "waiting": 2,
        **dict.fromkeys(["in_flight", "collecting", "succeeded", "failed", "canceled", "erased"], 1),
    }
    assert seen.rows.accepted == 8


def test_every_kind_that_is_written_is_in_the_table() -> None:
    """Read off the source: a new kind needs a line in the table before its first event."""
    place = {"change": 2, "change_all": 2, "note_change": 1}
    written = set()
    for path in Path(services.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in place:
                kind = node.args[place[node.func.id]]
                assert isinstance(kind, ast.Constant), f"{path.name}:{node.lineno}: the kind is not written out"
                written.add(kind.value)
    assert written | {"accepted"} == set(PHASES)
    assert set(ENDS) | {"erased"} == set(Job.Status.values) - set(Job.OPEN) | {"erased"}
    assert {*ENDS, *AFTER_THE_END} <= set(PHASES)
    assert {place for place in PHASES.values() if place} == set(Phase)


# --- Differences ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "rows_say"),
    [
        ({"status": "canceled", "finished_at": timezone.now(), "lane": ""}, "canceled"),
        ({"status": "processing", "lane": ""}, "in_flight"),
        ({"status": "queued", "lane": ""}, None),
        ({"erased_at": timezone.now()}, None),
    ],
)
def test_a_row_that_moved_without_its_event(values: dict[str, Any], rows_say: str | None) -> None:
    job, _ = factories.make_job(), factories.make_job(owner="v:another")
    damage(job, **values)
    seen = inspect()
    assert not seen.balances
    assert ids_of(found_in(seen)["phase_differs"]) == {str(job.id)}
    assert seen.difference_count == 1
    assert seen.events.by_phase[Phase.WAITING] == 2
    assert phases(seen) == {"waiting": 1} | ({rows_say: 1} if rows_say else {})
    assert seen.rows.holds == (rows_say is not None)


def test_an_event_without_its_row_s_move() -> None:
    job = factories.make_job()
    add_event(job, "canceled")
    seen = inspect()
    assert ids_of(found_in(seen)["phase_differs"]) == {str(job.id)}
    assert (seen.events.by_phase[Phase.CANCELED], seen.rows.by_phase[Phase.WAITING]) == (1, 1)


def test_two_wrongs_that_make_the_sums_right_are_told() -> None:
    first, second = factories.make_job(), factories.make_job()
    damage(first, status="canceled", finished_at=timezone.now(), lane="")
    add_event(second, "canceled")
    seen = inspect()
    assert seen.events == seen.rows
    assert not seen.balances
    assert ids_of(found_in(seen)["phase_differs"]) == {str(first.id), str(second.id)}


def test_a_row_without_events() -> None:
    job, _ = factories.make_job(), factories.make_job()
    JobEvent.objects.filter(job=job).delete()
    seen = inspect()
    assert set(found_in(seen)) == {"no_events"}
    assert ids_of(found_in(seen)["no_events"]) == {str(job.id)}
    assert (seen.events.accepted, seen.rows.accepted) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_events_without_a_row() -> None:
    job = factories.make_job()
    retention.storage.delete([job.raw_key])
    with without_foreign_keys():
        Job.objects.filter(id=job.id)._raw_delete(connection.alias)
    try:
        seen = inspect()
        assert set(found_in(seen)) == {"no_row"}
        assert ids_of(found_in(seen)["no_row"]) == {str(job.id)}
        assert (seen.events.accepted, seen.rows.accepted) == (1, 0)
    finally:
        JobEvent.objects.all()._raw_delete(connection.alias)


class without_foreign_keys:
    def __enter__(self) -> None:
        self.switch("PRAGMA foreign_keys = OFF", "SET session_replication_role = replica")

    def __exit__(self, *_: object) -> None:
        self.switch("PRAGMA foreign_keys = ON", "SET session_replication_role = DEFAULT")

    def switch(self, sqlite: str, postgresql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sqlite if connection.vendor == "sqlite" else postgresql)


def test_a_job_accepted_twice() -> None:
    job = factories.make_job()
    add_event(job, "accepted")
    seen = inspect()
    assert ids_of(found_in(seen)["not_accepted_once"]) == {str(job.id)}
    assert not seen.events.holds
    assert not seen.balances


# --- What else is wrong with events ---------------------------------------------------------------


def test_a_row_that_does_not_name_its_newest_event() -> None:
    job, _ = factories.make_waiting_job(), factories.make_waiting_job()
    damage(job, seq=5)
    only(inspect(), "seq_differs", job)


@pytest.mark.parametrize("numbers", [(1, 7), (2, 3), (0, 2)])
def test_events_that_are_not_numbered_through(numbers: tuple[int, int]) -> None:
    job, _ = factories.make_waiting_job(), factories.make_waiting_job()
    for kind, seq in zip(("prepared", "accepted"), reversed(numbers), strict=True):
        assert JobEvent.objects.filter(job=job, kind=kind).update(seq=seq) == 1
    damage(job, seq=max(numbers))
    only(inspect(), "seq_gap", job)


def test_a_film_that_was_delivered_twice(provider: ProviderConfig) -> None:
    job, _ = factories.make_finished_job(provider), factories.make_finished_job(provider)
    add_event(job, "succeeded")
    seen = inspect()
    assert set(found_in(seen)) == {"two_films", "after_the_end"}
    assert ids_of(found_in(seen)["two_films"]) == ids_of(found_in(seen)["after_the_end"]) == {str(job.id)}


@pytest.mark.parametrize("kinds", [["priority"], ["shared", "priority"], ["erased", "unshared"], ["erased", "erased"]])
def test_something_that_happened_after_the_end(provider: ProviderConfig, kinds: list[str]) -> None:
    job, _ = factories.make_finished_job(provider), factories.make_finished_job(provider)
    for kind in kinds:
        if kind == "erased" and factories.reload(job).erased_at is None:
            services.erase_job(job.id, now=timezone.now())
        else:
            add_event(job, kind)
    only(inspect(), "after_the_end", job)


def test_an_unknown_kind() -> None:
    job, _ = factories.make_job(), factories.make_job()
    add_event(job, "abducted")
    only(inspect(), "kind_unknown", job)
