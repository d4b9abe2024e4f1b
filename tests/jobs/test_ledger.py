"""The conservation law, and what else the ledger finds. Each finding is provoked by damaging a row or a file."""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from jobs import claims, ledger, lifecycle, retention, services, storage
from jobs.ledger import files
from jobs.lifecycle.kinds import AFTER_THE_END, ENDS, STANDINGS, Standing
from jobs.models import Attempt, Job, JobEvent, Lane, WebhookDelivery
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.threads import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.database]
MINUTES = timedelta(minutes=2)


def look(**options: Any) -> ledger.Ledger:
    return ledger.look(now=timezone.now(), pause=lambda seconds: None, **options)


def found_in(seen: ledger.Ledger) -> dict[str, ledger.Finding]:
    return {finding.code: finding for finding in (*seen.differences, *seen.findings)}


def standing(seen: ledger.Ledger) -> dict[str, int]:
    return {name.value: count for name, count in seen.rows.standing.items() if count}


def ids_of(finding: ledger.Finding) -> set[str]:
    assert finding.count == len(finding.items)
    return {item.id for item in finding.items}


def damage(row: Any, **values: Any) -> None:
    assert type(row).objects.filter(pk=row.pk).update(**values) == 1


def add_event(job: Job, kind: str, *, seq: int | None = None) -> None:
    """Write an event that nobody of the product would write, so that the row still names the newest."""
    seq = seq or factories.reload(job).seq + 1
    JobEvent.objects.create(job=job, seq=seq, kind=kind, at=timezone.now())
    damage(job, seq=seq)


# --- The law --------------------------------------------------------------------------------------


def test_of_nothing_it_is_balanced() -> None:
    seen = look(settled=True)
    assert seen.is_clean
    assert seen.rows.accepted == 0


def test_a_job_is_in_one_place_on_its_whole_way(provider: ProviderConfig, stub: Any, work: Callable[..., None]) -> None:
    """What the lanes write is in the books at every step, and both sides tell it the same."""

    def assert_is(place: str) -> None:
        seen = look()
        assert seen.is_clean, seen
        assert standing(seen) == {place: 1}
        assert seen.events == seen.rows
        assert seen.events.accepted == 1

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
    assert lifecycle.attempt_news(attempt, progress=0.5, **news)
    assert lifecycle.preview_announced(job.id, now=timezone.now())
    assert_is("in_flight")
    assert lifecycle.attempt_succeeded(
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


def test_all_places_together(provider: ProviderConfig) -> None:
    damage(provider, max_concurrent=20)
    factories.make_job()
    factories.make_rendered_job(provider)
    factories.make_submitted_attempt(provider)
    factories.make_finished_job(provider)
    lost = factories.make_submitted_attempt(provider)
    assert lifecycle.attempt_failed(lost, code="provider_failed", raw_error="", now=timezone.now())
    assert lifecycle.return_to_line(lost.job_id, due_at=timezone.now(), now=timezone.now())
    services.cancel_job(factories.make_submitted_attempt(provider).job_id, now=timezone.now())
    assert lifecycle.fail(factories.make_job().id, code="deadline", now=timezone.now())
    services.erase_job(factories.make_job().id, now=timezone.now())
    seen = look()
    assert seen.is_clean, seen
    assert standing(seen) == {
        "waiting": 2,
        **dict.fromkeys(["in_flight", "collecting", "succeeded", "failed", "canceled", "erased"], 1),
    }
    assert seen.rows.accepted == 8


def test_every_kind_that_is_written_is_in_the_table() -> None:
    """Read off the source: a new kind needs a line in the table before its first event."""
    place = {"change": 2, "change_all": 2, "_note": 1}
    written = set()
    for path in Path(services.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in place:
                kind = node.args[place[node.func.id]]
                assert isinstance(kind, ast.Constant), f"{path.name}:{node.lineno}: the kind is not written out"
                written.add(kind.value)
    assert written | {"accepted"} == set(STANDINGS)
    assert set(ENDS) | {"erased"} == set(Job.Status.values) - set(Job.OPEN) | {"erased"}
    assert {*ENDS, *AFTER_THE_END} <= set(STANDINGS)
    assert {place for place in STANDINGS.values() if place} == set(Standing)


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
    seen = look()
    assert not seen.balances
    assert ids_of(found_in(seen)["standing_differs"]) == {str(job.id)}
    assert seen.difference_count == 1
    assert seen.events.standing[Standing.WAITING] == 2
    assert standing(seen) == {"waiting": 1} | ({rows_say: 1} if rows_say else {})
    assert seen.rows.holds == (rows_say is not None)


def test_an_event_without_its_row_s_move() -> None:
    job = factories.make_job()
    add_event(job, "canceled")
    seen = look()
    assert ids_of(found_in(seen)["standing_differs"]) == {str(job.id)}
    assert (seen.events.standing[Standing.CANCELED], seen.rows.standing[Standing.WAITING]) == (1, 1)


def test_two_wrongs_that_make_the_sums_right_are_told() -> None:
    first, second = factories.make_job(), factories.make_job()
    damage(first, status="canceled", finished_at=timezone.now(), lane="")
    add_event(second, "canceled")
    seen = look()
    assert seen.events == seen.rows
    assert not seen.balances
    assert ids_of(found_in(seen)["standing_differs"]) == {str(first.id), str(second.id)}


def test_a_row_without_events() -> None:
    job, _ = factories.make_job(), factories.make_job()
    JobEvent.objects.filter(job=job).delete()
    seen = look()
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
        seen = look()
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
    seen = look()
    assert ids_of(found_in(seen)["not_accepted_once"]) == {str(job.id)}
    assert not seen.events.holds
    assert not seen.balances


# --- What else is wrong with events ---------------------------------------------------------------


def only(seen: ledger.Ledger, code: str, *things: Any) -> None:
    """Exactly this was found, of exactly these, and the law holds."""
    assert set(found_in(seen)) == {code}, seen
    assert ids_of(found_in(seen)[code]) == {str(getattr(thing, "pk", thing)) for thing in things}
    assert seen.balances
    assert not seen.is_clean


def test_a_row_that_does_not_name_its_newest_event() -> None:
    job, _ = factories.make_waiting_job(), factories.make_waiting_job()
    damage(job, seq=5)
    only(look(), "seq_differs", job)


@pytest.mark.parametrize("numbers", [(1, 7), (2, 3), (0, 2)])
def test_events_that_are_not_numbered_through(numbers: tuple[int, int]) -> None:
    job, _ = factories.make_waiting_job(), factories.make_waiting_job()
    for kind, seq in zip(("prepared", "accepted"), reversed(numbers), strict=True):
        assert JobEvent.objects.filter(job=job, kind=kind).update(seq=seq) == 1
    damage(job, seq=max(numbers))
    only(look(), "seq_gap", job)


def test_a_film_that_was_delivered_twice(provider: ProviderConfig) -> None:
    job, _ = factories.make_finished_job(provider), factories.make_finished_job(provider)
    add_event(job, "succeeded")
    seen = look()
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
    only(look(), "after_the_end", job)


def test_a_kind_nobody_knows() -> None:
    job, _ = factories.make_job(), factories.make_job()
    add_event(job, "abducted")
    only(look(), "kind_unknown", job)


# --- What the rows tell ---------------------------------------------------------------------------


def test_a_job_in_nobody_s_hands(provider: ProviderConfig) -> None:
    attempt = factories.make_submitted_attempt(provider)
    factories.make_submitted_attempt(provider)
    damage(attempt, status="failed", slot_held=False)
    only(look(), "job_unowned", attempt.job_id)


@pytest.mark.parametrize("late", [timedelta(seconds=30), MINUTES])
def test_a_job_past_its_deadline(late: timedelta) -> None:
    job, _ = factories.make_job(), factories.make_job()
    damage(job, deadline_at=timezone.now() - late)
    if late < ledger.LATE:
        assert look().is_clean
    else:
        only(look(), "job_late", job)


def test_a_lapsed_lease_in_a_lane() -> None:
    job, waiting = factories.make_job(), factories.make_job()
    damage(job, lease_token="gone", due_at=timezone.now() - MINUTES)
    damage(waiting, due_at=timezone.now() - MINUTES)  # a queue may be long
    only(look(), "lane_lease_lapsed", job)


def test_a_lease_of_a_job_in_no_lane(provider: ProviderConfig) -> None:
    job, _ = factories.make_finished_job(provider), factories.make_finished_job(provider)
    damage(job, lease_token="gone")
    only(look(), "lease_without_lane", job)


def test_a_lapsed_lease_of_a_submit(provider: ProviderConfig) -> None:
    attempt, unconfirmed = factories.make_attempt(provider), factories.make_attempt(provider)
    damage(attempt, lease_until=timezone.now() - MINUTES)
    assert lifecycle.unconfirmed(unconfirmed.id, lease_token=unconfirmed.lease_token)
    damage(unconfirmed, lease_until=timezone.now() - MINUTES)  # waits for its deadline where nobody can be asked
    seen = look()
    only(seen, "attempt_lease_lapsed", attempt)
    assert seen.findings[0].items[0].job_id == str(attempt.job_id)


def test_an_attempt_past_its_deadline(provider: ProviderConfig) -> None:
    attempt, _ = factories.make_submitted_attempt(provider), factories.make_submitted_attempt(provider)
    damage(attempt, deadline_at=timezone.now() - MINUTES)
    only(look(), "attempt_late", attempt)


def test_an_open_attempt_of_a_job_that_has_ended(provider: ProviderConfig) -> None:
    attempt, _ = factories.make_submitted_attempt(provider), factories.make_submitted_attempt(provider)
    services.cancel_job(attempt.job_id, now=timezone.now())
    damage(attempt, status="running", finished_at=None)
    only(look(), "attempt_after_the_end", attempt)


def test_a_slot_that_nobody_gives_back(provider: ProviderConfig) -> None:
    attempt, owed = factories.make_submitted_attempt(provider), factories.make_submitted_attempt(provider)
    for one in (attempt, owed):
        services.cancel_job(one.job_id, now=timezone.now())
    damage(attempt, errand="")
    only(look(), "slot_kept", attempt)


def test_an_open_attempt_without_a_slot(provider: ProviderConfig) -> None:
    attempt, _ = factories.make_submitted_attempt(provider), factories.make_submitted_attempt(provider)
    damage(attempt, slot_held=False)
    only(look(), "slot_missing", attempt)


def test_a_delivery_that_waits(provider: ProviderConfig) -> None:
    attempt = factories.make_submitted_attempt(provider)
    fields = {"provider": provider.slug, "attempt_token": attempt.token, "received_at": timezone.now()}
    now = timezone.now()
    late, _, _ = (
        WebhookDelivery.objects.create(event_id=str(due_at), verdict="valid", due_at=due_at, **fields)
        for due_at in (now - MINUTES, now, None)
    )
    seen = look()
    only(seen, "delivery_late", late)
    assert seen.findings[0].items[0].job_id == str(attempt.job_id)


def test_the_ids_are_capped_and_the_count_is_not() -> None:
    for _ in range(ledger.LISTED + 3):
        damage(factories.make_job(photo=b"photo"), deadline_at=timezone.now() - MINUTES)
    (finding,) = look().findings
    assert (finding.count, len(finding.items)) == (ledger.LISTED + 3, ledger.LISTED)


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", storage.KINDS)
def test_a_file_that_no_job_names(kind: str, provider: ProviderConfig) -> None:
    factories.make_finished_job(provider)
    key = storage.save(storage.new_key(kind, "bin"), b"loose")
    assert look().is_clean, "it may be one whose row is being written"
    only(look(grace=timedelta(0)), "file_loose", key)
    then = time.time() - retention.LOOSE_AFTER.total_seconds() - 5
    os.utime(Path(settings.MEDIA_ROOT, key), (then, then))
    only(look(), "file_loose", key)
    assert look(with_files=False).is_clean


@pytest.mark.parametrize("kind", storage.KINDS)
def test_a_job_whose_file_is_gone(kind: str, provider: ProviderConfig) -> None:
    job, _ = factories.make_finished_job(provider), factories.make_finished_job(provider)
    key = storage.save(storage.new_key(kind, "bin"), b"file")
    storage.delete([getattr(job, f"{kind}_key")])
    damage(job, **{f"{kind}_key": key})
    assert look(grace=timedelta(0)).is_clean
    storage.delete([key])
    seen = look(grace=timedelta(0))
    only(seen, "file_missing", key)
    assert seen.findings[0].items[0].job_id == str(job.id)


def test_files_that_are_being_removed_are_no_finding(provider: ProviderConfig) -> None:
    """The one whose row is written first and the one whose file goes first, caught in between."""
    job, _ = factories.make_finished_job(provider), factories.make_finished_job(provider)
    key = storage.save(storage.new_key("raw", "bin"), b"just let go of")
    storage.delete([job.clean_key])
    waited = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        storage.delete([key])
        damage(job, clean_key="")

    assert ledger.look(now=timezone.now(), grace=timedelta(0), pause=pause).is_clean
    assert waited == [files.CONFIRM_SECONDS]


def test_files_in_a_bucket_are_not_looked_at(settings: Any) -> None:
    job = factories.make_job()
    storage.delete([job.raw_key])
    settings.S3_BUCKET = "bucket"
    seen = look()
    assert (seen.is_clean, seen.files_seen) == (True, False)


# --- At rest --------------------------------------------------------------------------------------


def test_what_has_not_come_to_its_end(provider: ProviderConfig) -> None:
    waiting = factories.make_job()
    stopped = factories.make_submitted_attempt(provider)
    services.cancel_job(stopped.job_id, now=timezone.now())
    factories.make_finished_job(provider)
    delivery = WebhookDelivery.objects.create(
        provider="studio", attempt_token="t", verdict="unknown", received_at=timezone.now(), due_at=timezone.now()
    )
    assert look().is_clean
    found = found_in(look(settled=True))
    assert {code: ids_of(finding) for code, finding in found.items()} == {
        "job_unsettled": {str(waiting.id)},
        "slot_unsettled": {str(stopped.id)},
        "errand_unsettled": {str(stopped.id)},
        "delivery_unsettled": {str(delivery.id)},
    }
    services.cancel_job(waiting.id, now=timezone.now())
    lifecycle.errand_done([stopped.id], errand="cancel")
    damage(delivery, due_at=None)
    assert look(settled=True, grace=timedelta(0)).is_clean


# --- Under load -----------------------------------------------------------------------------------


def live(provider: ProviderConfig, number: int) -> None:
    """Bring a job from its 202 to an end by the product's own calls, in transactions as the lanes make them."""
    order = services.Order(os.urandom(16), "jpg", factories.make_look())
    job, _ = services.create_job(order, owner=f"v:{number}", now=timezone.now())
    if number % 7 == 6:
        services.cancel_job(job.id, now=timezone.now())
        return
    claim = claims.claim_lane(Lane.PREPARE, limit=5, lease=timedelta(minutes=1))
    for mine in claim.jobs:
        write(lifecycle.photo_ready, mine.id, lease_token=claim.lease_token, clean_key="")
    for attempt in claims.claim_slots(provider.id, want=5):
        taken = {"prediction_id": f"pre_{attempt.id}", "lease_token": attempt.lease_token, "poll_at": timezone.now()}
        write(lifecycle.submitted, attempt, **taken)
        if attempt.id % 5 == 4:
            with transaction.atomic():
                write(lifecycle.attempt_failed, attempt, code="provider_failed", raw_error="")
                write(lifecycle.fail, attempt.job_id, code="provider_failed")
        else:
            write(lifecycle.attempt_succeeded, attempt, prediction_id="", video_url="http://x/f.mp4")
    claim = claims.claim_lane(Lane.COLLECT, limit=5, lease=timedelta(minutes=1))
    film = {"video_key": "video/none.mp4", "poster_key": "", "video_bytes": 1, "video_seconds": 5.0}
    for mine in claim.jobs:
        write(lifecycle.succeed, mine.id, lease_token=claim.lease_token, **film)
        if number % 3 == 0:
            services.erase_job(mine.id, now=timezone.now())


def write(step: Callable[..., Any], *args: Any, **values: Any) -> None:
    with transaction.atomic():
        step(*args, now=timezone.now(), **values)


@pytest.mark.django_db(transaction=True)
def test_read_in_the_middle_of_everything_it_tells_no_difference_that_is_not_there() -> None:
    provider = factories.make_provider(max_concurrent=1000, max_per_minute=100_000)
    factories.make_look()
    writers, each = 3, 25
    done: list[int] = []
    seen: list[ledger.Ledger] = []

    def run(index: int) -> None:
        if index < writers:
            for number in range(each):
                live(provider, index * each + number)
            done.append(index)
            return
        while len(done) < writers:
            seen.append(ledger.look(now=timezone.now(), with_files=False))

    in_threads(writers + 1, run)
    assert [list(found_in(one).values()) for one in seen if not one.is_clean] == []
    moments = {tuple(one.rows.standing.values()) for one in seen}
    assert len(moments) > 10, "it has to be read while jobs move"
    after = look(with_files=False)
    assert after.is_clean
    assert after.rows.accepted == writers * each
