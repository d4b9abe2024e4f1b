"""What reconcile asks before each tick is what its steps would find."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs.models import Attempt, Job, WebhookDelivery
from jobs.models.prepared import Prepared
from jobs.reconcile import due, erasures, retention
from jobs.reconcile.sweep import Reconciler
from providers.models import ProviderConfig
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NOW = timezone.now().replace(microsecond=1000)


def test_for_random_rows_each_question_is_answered_as_its_queryset_answers_it(provider: ProviderConfig) -> None:
    factories.make_submitted_attempt(provider)
    factories.make_finished_job(provider)
    prepared, dice = Prepared(due._questions, Prepared.ANY), random.Random(12)
    seen: set[tuple[str, bool]] = set()
    for _ in range(25):
        _disturb(dice)
        answers = prepared.ask(NOW)
        assert answers == {name: rows.exists() for name, rows in due._questions(NOW).items()}
        seen |= set(answers.items())
    assert {name for name, answer in seen if answer} >= {"late jobs", "silent", "unconfirmed", "erasures", "unwanted"}
    assert {name for name, answer in seen if not answer} >= {"late jobs", "silent", "unconfirmed", "erasures"}


def _disturb(dice: random.Random) -> None:
    def moment() -> Any:
        return NOW + timedelta(seconds=dice.choice([-90, -1.5, -1, -0.5, 0, 0.5, 90]))

    for job in Job.objects.all():
        ended = dice.random() < 0.5
        Job.objects.filter(id=job.id).update(
            status="failed" if ended else "processing",
            finished_at=NOW if ended else None,
            failure_code="deadline" if ended else "",
            lane="" if ended else dice.choice(["prepare", "dispatch", "collect"]),
            due_at=moment(),
            deadline_at=moment(),
            erase_at=moment(),
            lease_token=dice.choice(["", "theirs"]),
        )
    for attempt in Attempt.objects.all():
        Attempt.objects.filter(id=attempt.id).update(
            status=dice.choice(["submitting", "unconfirmed", "submitted", "running"]),
            slot_held=True,
            lease_until=moment(),
            deadline_at=moment(),
            poll_at=moment(),
            submitted_at=moment(),
            cleanup=dice.choice(["", "cancel"]),
            cleanup_at=moment(),
        )


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has statistics")
@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (erasures.ended(now=NOW).order_by("erase_at"), "job_erase"),
        (retention.still_open(now=NOW).order_by("erase_at"), "job_erase"),
        (erasures.with_photo(now=NOW).order_by("finished_at"), "job_photo"),
    ],
)
def test_what_is_to_be_erased_is_found_by_its_hour_and_not_among_all_that_ended(rows: Any, index: str) -> None:
    for sql, values in (rows[:9].query.sql_with_params(), rows.query.exists().sql_with_params()):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            (plan,) = [row[-1] for row in cursor.fetchall()]
        assert f"INDEX {index} (" in plan


def test_two_moments_are_told_apart() -> None:
    between = Prepared(
        lambda since, until: {"accepted": Job.objects.filter(created_at__gt=since, created_at__lte=until).order_by()},
        Prepared.COUNT,
        moment_count=2,
    )
    for seconds in (0, 1, 2, 3):
        factories.make_job(now=NOW + timedelta(seconds=seconds))
    assert between.ask(NOW, NOW + timedelta(seconds=2)) == {"accepted": 2}
    assert between.ask(NOW - timedelta(seconds=1), NOW) == {"accepted": 1}


def test_a_value_that_follows_a_moment_in_another_way_is_refused() -> None:
    def build(now: Any) -> Any:
        return {"odd": Job.objects.filter(created_at__gt=now - (now - NOW) / 2)}

    with pytest.raises(ValueError, match="distance"):
        Prepared(build, Prepared.ANY).ask(NOW)


def test_a_quiet_tick_takes_a_handful_of_statements(django_assert_max_num_queries: Any) -> None:
    reconciler = Reconciler()
    reconciler.tick()
    # What is due every few seconds has been done; the load is measured and the questions are asked.
    with django_assert_max_num_queries(5 if connection.vendor == "sqlite" else 8):
        reconciler.tick()
        reconciler.ask_providers()
    reconciler._threads.shutdown()


def test_when_the_questions_fail_every_step_looks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    reconciler = Reconciler()

    def broken(*_: Any) -> None:
        raise AttributeError("a bug")

    monkeypatch.setattr(reconciler._due._prepared, "ask", broken)
    monkeypatch.setattr(due.connection, "close", lambda: None)
    job = factories.make_job(deadline_at=timezone.now())
    reconciler.tick()
    assert factories.reload(job).failure_code == "deadline"
    reconciler._threads.shutdown()


def test_a_delivery_that_no_pump_applies_is_applied_within_a_second(provider: ProviderConfig) -> None:
    now = timezone.now()
    WebhookDelivery.objects.create(
        provider=provider.slug,
        attempt_token="x",
        event_id="1",
        verdict="valid",
        received_at=now,
        due_at=now,
        headers={},
    )
    questions = Prepared(due._questions, Prepared.ANY)
    assert not questions.ask(now)["deliveries"]
    assert questions.ask(now + due.OVERDUE)["deliveries"]
