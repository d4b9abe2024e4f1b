"""What a batch writes in a few statements is what the same steps write one by one, for whatever rows there are."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs import lifecycle
from jobs.lifecycle import attempts, jobs
from jobs.models import Attempt, Job, JobEvent, Lane
from jobs.signals import job_changed, job_ended
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NOW = timezone.now().replace(microsecond=123456)
# Every combination is one that some history of a job ends in.
STATES: dict[str, list[dict[str, Any]]] = {
    "prepare": [
        {"lane": Lane.PREPARE, "lease_token": "mine", "stage": "preparing"},
        {"lane": Lane.PREPARE, "lease_token": "mine", "stage": "accepted"},
        {"lane": Lane.PREPARE, "lease_token": "theirs", "stage": "preparing"},
        {"lane": Lane.DISPATCH, "lease_token": "", "stage": "waiting_for_slot", "progress": 0.5},
        {"lane": "", "lease_token": "", "status": "canceled", "finished_at": NOW},
    ],
    "dispatch": [
        {"lane": Lane.DISPATCH, "due_at": NOW, "stage": "waiting_for_slot"},
        {"lane": Lane.DISPATCH, "due_at": NOW - timedelta(seconds=1), "stage": "waiting_for_slot", "progress": 0.5},
        {"lane": Lane.DISPATCH, "due_at": NOW + timedelta(microseconds=1), "stage": "waiting_for_slot"},
        {"lane": Lane.PREPARE, "due_at": NOW, "stage": "accepted"},
        {"lane": "", "status": "processing", "stage": "waiting_for_slot"},
        {"lane": "", "status": "processing", "stage": "rendering", "progress": 0.6},
        {"lane": "", "status": "canceled", "finished_at": NOW},
    ],
    "collect": [
        {"lane": Lane.COLLECT, "lease_token": "mine", "stage": "collecting", "status": "processing"},
        {"lane": Lane.COLLECT, "lease_token": "theirs", "stage": "collecting", "status": "processing"},
        {"lane": "", "lease_token": "", "status": "failed", "failure_code": "deadline", "finished_at": NOW},
    ],
}


@pytest.fixture
def provider(provider):
    """One with room for every job of these tests."""
    type(provider).objects.filter(id=provider.id).update(max_concurrent=100, max_per_minute=1000)
    provider.refresh_from_db()
    return provider


@pytest.fixture
def heard():
    """The signals of the step under test."""
    seen: list[tuple[Any, ...]] = []

    def changed(job_ids: list[Any], **_: Any) -> None:
        seen.append(("changed", *sorted(map(str, job_ids))))

    def ended(job_id: Any, owner: str, email: str, status: str, by: str, **_: Any) -> None:
        seen.append(("ended", str(job_id), owner, email, status, by))

    job_changed.connect(changed)
    job_ended.connect(ended)
    yield seen
    job_changed.disconnect(changed)
    job_ended.disconnect(ended)


def outcome_of(step: Callable[[], set[Any]], heard: list[Any], capture: Any) -> Any:
    """Return what a step returns, leaves in the tables and announces; then take it all back."""
    heard.clear()
    try:
        with transaction.atomic():
            with capture(execute=True):
                returned = step()
            rows = list(Job.objects.order_by("id").values()), list(Attempt.objects.order_by("id").values())
            events = list(JobEvent.objects.order_by("job_id", "seq").values("job_id", "seq", "kind", "at", "data"))
            raise InterruptedError
    except InterruptedError:
        return returned, *rows, events, sorted(heard)


@pytest.fixture
def same(heard, django_capture_on_commit_callbacks):
    def check(batch: Callable[[], set[Any]], one_by_one: Callable[[], set[Any]]) -> set[Any]:
        expected = outcome_of(one_by_one, heard, django_capture_on_commit_callbacks)
        found = outcome_of(batch, heard, django_capture_on_commit_callbacks)
        for left, right in zip(found, expected, strict=True):
            assert left == right
        return found[0]

    return check


def jobs_in(states: list[dict[str, Any]], provider: Any = None, *, seed: int) -> list[Job]:
    chance = random.Random(seed)
    made = []
    for _ in range(12):
        job = factories.make_submitted_attempt(provider).job if provider else factories.make_job()
        values = dict(chance.choice(states))
        if provider and values.get("status") == "processing":
            values["winner"] = chance.choice([None, job.attempts.get()])
        values["first_frame_at"] = chance.choice([None, NOW - timedelta(seconds=3)])
        Job.objects.filter(id=job.id).update(**values)
        made.append(job)
    return made


@pytest.mark.parametrize("seed", range(4))
def test_photos_in_hand(seed, same):
    ids = [job.id for job in jobs_in(STATES["prepare"], seed=seed)]
    changed = same(
        lambda: lifecycle.start_preparing_all(ids, lease_token="mine", now=NOW),
        lambda: {id for id in ids if lifecycle.start_preparing(id, lease_token="mine", now=NOW)},
    )
    assert len(changed) < len(ids)


@pytest.mark.parametrize("seed", range(4))
def test_clean_photos(seed, same):
    photos = [
        lifecycle.CleanPhoto(job.id, "mine", f"clean/{number}.jpg", bool(number % 3))
        for number, job in enumerate(jobs_in(STATES["prepare"], seed=seed))
    ]
    same(
        lambda: lifecycle.mark_photos_ready(photos, now=NOW),
        lambda: {photo for photo in photos if lifecycle.mark_photo_ready(**photo._asdict(), now=NOW)},
    )


def test_a_job_that_is_there_twice_is_taken_once_under_the_lease_that_holds(same):
    job = factories.make_job()
    Job.objects.filter(id=job.id).update(lane=Lane.PREPARE, lease_token="new")
    photos = [lifecycle.CleanPhoto(job.id, token, f"clean/{token}.jpg", True) for token in ("old", "new")]
    taken = same(
        lambda: lifecycle.mark_photos_ready(photos, now=NOW),
        lambda: {photo for photo in photos if lifecycle.mark_photo_ready(**photo._asdict(), now=NOW)},
    )
    assert taken == {photos[1]}


@pytest.mark.parametrize("seed", range(4))
def test_jobs_that_leave_the_queue_for_their_attempts(seed, same, monkeypatch):
    events = {job.id: {"attempt": 1, "provider": "p"} for job in jobs_in(STATES["dispatch"], seed=seed)}
    same(lambda: jobs._take(events, now=NOW), readably(monkeypatch, jobs, lambda: jobs._take(events, now=NOW)))


@pytest.mark.parametrize("seed", range(4))
def test_jobs_whose_submit_was_answered(seed, same, monkeypatch):
    events = {job.id: {"attempt": 1, "provider": "p"} for job in jobs_in(STATES["dispatch"], seed=seed)}

    def say() -> Any:
        return attempts._say_submitted(events, now=NOW)

    same(say, readably(monkeypatch, attempts, say))


def readably(monkeypatch: pytest.MonkeyPatch, module: Any, step: Callable[[], Any]) -> Callable[[], Any]:
    """Return the step as a database does it that cannot return the rows of an UPDATE: by the ORM."""

    def do() -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(module, "is_supported", lambda: False)
            return step()

    return do


@pytest.mark.parametrize("seed", range(4))
def test_stored_films(seed, same, provider):
    films = [
        lifecycle.StoredFilm(
            job.id, "mine", f"video/{number}.mp4", f"poster/{number}.jpg", 1000 + number, 5.75, (720, 1280), (72, 128)
        )
        for number, job in enumerate(jobs_in(STATES["collect"], provider, seed=seed))
    ]
    same(
        lambda: lifecycle.succeed_all(films, now=NOW),
        lambda: {film for film in films if lifecycle.succeed(**film._asdict(), now=NOW)},
    )


@pytest.mark.parametrize("seed", range(6))
def test_finished_predictions(seed, same, provider):
    chance = random.Random(seed)
    by_id: dict[int, Attempt] = {}
    for _ in range(10):
        attempt = factories.make_submitted_attempt(provider)
        match chance.choice(["usual", "usual", "running", "canceled", "won already", "unconfirmed"]):
            case "running":
                lifecycle.record_progress(
                    attempt, stage="rendering", progress=0.5, prediction_id="", poll_at=NOW, now=NOW
                )
            case "canceled":
                lifecycle.cancel(attempt.job_id, now=NOW, by="owner")
            case "won already":
                lifecycle.mark_attempt_succeeded(attempt, prediction_id="", video_url="http://x/first", now=NOW)
            case "unconfirmed":
                Attempt.objects.filter(id=attempt.id).update(
                    status="unconfirmed", prediction_id=None, submitted_at=None, answered_at=None
                )
        by_id[attempt.id] = Attempt.objects.select_related("provider", "job").get(id=attempt.id)
    predictions = [
        lifecycle.FinishedPrediction(
            each.id,
            each.job_id,
            each.number,
            provider.slug,
            each.prediction_id or f"p{each.id}",
            "http://x/1",
            each.provider.price,
        )
        for each in by_id.values()
    ]
    same(
        lambda: lifecycle.mark_attempts_succeeded(predictions, by_id, now=NOW),
        lambda: {
            each.attempt_id
            for each in predictions
            if lifecycle.mark_attempt_succeeded(
                by_id[each.attempt_id], prediction_id=each.prediction_id, video_url=each.video_url, now=NOW
            )
        },
    )


def test_a_batch_takes_as_many_statements_as_one_job(django_assert_max_num_queries):
    ids = [factories.make_job().id for _ in range(30)]
    Job.objects.update(lane=Lane.PREPARE, lease_token="mine", stage="accepted")
    extra = connection.features.has_select_for_update
    with django_assert_max_num_queries(2 + extra):
        assert len(lifecycle.start_preparing_all(ids, lease_token="mine", now=NOW)) == 30
