"""Whatever happens in whatever order, a job keeps its promises.

Workers that are late, webhooks that come before the answer to the submit, twice, or after the end, look-ups, timeouts,
cancels and erasures, in every order Hypothesis thinks of; after each step all rows are held against the rules below.
How many orders are tried is the Hypothesis profile's to say (`tests/conftest.py`); `LIFECYCLE_RUNS=10000` in the
environment tries for twenty minutes.
"""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobs import ledger, lifecycle
from jobs.lanes import ingest
from jobs.models import Attempt, Job, JobEvent, Lane
from jobs.queue import claims
from providers.models import ProviderConfig
from providers.types import PredictionStatus, ProviderEvent
from tests import factories
from tests.jobs.lifecycle.promises import FINAL, holds_for_a_job, holds_for_an_attempt, holds_since

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SLOTS = 2


class Held(NamedTuple):
    """A job that a worker of a lane believes to have."""

    job_id: UUID
    token: str
    is_film: bool


class Report(NamedTuple):
    """Something a provider said, which it may say again."""

    attempt_id: int
    event: ProviderEvent


# Which of several, the newest first: small numbers are tried more often, and old ones hold the stale leases.
which = st.integers(0, 5)


def one_of(things: Sequence[Any], number: int) -> Any:
    return things[-1 - number % len(things)]


class Life(RuleBasedStateMachine):
    """A few jobs, two providers, workers that are slow."""

    def __init__(self) -> None:
        super().__init__()
        self.rollback = transaction.atomic()
        self.rollback.__enter__()
        # All that happens lies a little back, so that waits that the product chose are over.
        self.now = timezone.now() - timedelta(minutes=20)
        self.providers = [
            factories.make_provider(slug=f"{name}-studio", order=order, max_concurrent=SLOTS, max_per_minute=10_000)
            for order, name in enumerate(("first", "second"), start=1)
        ]
        self.jobs: list[UUID] = []
        self.held: list[Held] = []
        self.claimed: list[Attempt] = []
        self.reports: list[Report] = []
        self.known: dict[UUID, Job] = {}
        self.known_attempts: dict[int, Attempt] = {}

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # what was found first is what there is to say
                self.finish()
        finally:
            transaction.set_rollback(True)
            self.rollback.__exit__(None, None, None)

    def later(self) -> datetime:
        self.now += timedelta(milliseconds=50)
        return self.now

    # --- People ----------------------------------------------------------------------------------------

    @initialize(steps=st.integers(0, 12))
    def the_evening_begins(self, steps: int) -> None:
        """Two jobs, and an ordinary evening for a while."""
        self.a_job_is_accepted()
        self.a_job_is_accepted()
        for number in range(steps):
            self.a_job_goes_on(number, provider=0, end="done")
            self.everything_holds()

    @rule()
    @precondition(lambda self: len(self.jobs) < 4)
    def a_job_is_accepted(self) -> None:
        job = factories.make_job(now=self.later(), photo=b"photo", hero_name="NOVA-7", email="nova@example.org")
        self.jobs.append(job.id)

    @rule(number=which, how=st.sampled_from(["wait", "wait", "wait", "cancel", "deadline", "erase"]))
    @precondition(lambda self: self.claimed)
    def a_job_is_canceled_or_erased(self, number: int, how: str) -> None:
        job_id = one_of(self.jobs, number)
        if how == "wait":
            return
        if how == "cancel":
            lifecycle.cancel(job_id, now=self.later(), by="owner")
        elif how == "deadline":
            lifecycle.fail(job_id, code="deadline", now=self.later())
        elif lifecycle.mark_erased(job_id, now=self.later()):
            lifecycle.forget_attempts([job_id], now=self.now)

    # --- An ordinary evening ---------------------------------------------------------------------------

    @rule(number=which, provider=st.integers(0, 1), end=st.sampled_from(["done", "done", "done", "lost", "useless"]))
    def a_job_goes_on(self, number: int, provider: int, end: str) -> None:
        """Whatever is the next step of this job is done; without this, few would ever come to their film."""
        job = Job.objects.get(id=one_of(self.jobs, number))
        attempt = job.attempts.filter(status__in=Attempt.OPEN).first()
        if job.lane in (Lane.PREPARE, Lane.COLLECT):
            held = [one for one in self.held if one.token == job.lease_token] or self.claim(job.lane, is_lapsed=False)
            for one in held:
                self.work_on(one, end)
        elif job.lane == Lane.DISPATCH:
            self.claim_slots(provider, want=2)
        elif attempt and attempt.status in ("submitting", "unconfirmed"):
            self.answer(attempt)
        elif attempt and attempt.status == "submitted":
            self.tell(attempt.id, PredictionStatus.RUNNING, progress=0.3, preview_url="http://x/poster.jpg")
        elif attempt:
            self.tell(attempt.id, PredictionStatus.SUCCEEDED, video_url="http://x/film.mp4")

    # --- Photos and films ------------------------------------------------------------------------------

    def claim(self, lane: str, *, is_lapsed: bool) -> list[Held]:
        claim = claims.claim_lane(lane, limit=2, lease=timedelta(seconds=-1 if is_lapsed else 60))
        held = [Held(job.id, claim.lease_token, job.winner_id is not None) for job in claim.jobs]
        self.held += held
        return held

    @rule(lane=st.sampled_from([Lane.PREPARE, Lane.COLLECT]), is_lapsed=st.booleans())
    @precondition(lambda self: any(job.lane in ("prepare", "collect") for job in self.known.values()))
    def a_lane_is_claimed(self, lane: str, is_lapsed: bool) -> None:
        self.claim(lane, is_lapsed=is_lapsed)

    @rule(number=which, end=st.sampled_from(["begin", "done", "lost", "useless", "give back"]))
    @precondition(lambda self: self.held)
    def a_worker_comes_to_an_end(self, number: int, end: str) -> None:
        self.work_on(one_of(self.held, number), end)

    def work_on(self, held: Held, end: str) -> None:
        """Write what a worker would; one whose lease is not the present one any more writes nothing."""
        before = Job.objects.filter(id=held.job_id).values().get()
        self.write(held, end)
        if before["lease_token"] != held.token:
            assert Job.objects.filter(id=held.job_id).values().get() == before

    def write(self, held: Held, end: str) -> None:
        """Try what a worker of prepare and one of collect may do: a lease is good in its own lane only."""
        job_id, token, now = held.job_id, held.token, self.later()
        if end == "give back":
            claims.release(job_id, lease_token=token, due_at=now)
        elif end == "begin":
            lifecycle.start_preparing(job_id, lease_token=token, now=now)
        elif end == "done":
            lifecycle.mark_photo_ready(job_id, lease_token=token, clean_key="clean/a.jpg", now=now)
            if held.is_film:
                film = {
                    "video_key": "video/a.mp4",
                    "poster_key": "poster/a.jpg",
                    "video_bytes": 4,
                    "video_seconds": 5.0,
                }
                lifecycle.succeed(job_id, lease_token=token, now=now, **film)
            else:
                lifecycle.record_preview(job_id, lease_token=token, preview_key="preview/a.jpg", now=now)
        elif not held.is_film:
            lifecycle.give_up_preview(job_id, lease_token=token)
            if end == "useless":
                lifecycle.fail_photo(job_id, lease_token=token, code="no_face", now=now)
        elif claims.holds(job_id, lane=Lane.COLLECT, lease_token=token):
            winner = Job.objects.select_related("winner").get(id=job_id).winner
            if lifecycle.mark_result_lost(winner, raw_error="gone", now=now):
                self.next_try_or_end(job_id, "film_unusable" if end == "useless" else "")

    @rule(number=which)
    @precondition(lambda self: any(job.status in FINAL for job in self.known.values()))
    def a_worker_does_not_know_that_it_has_ended(self, number: int) -> None:
        job_id = one_of([job.id for job in self.known.values() if job.status in FINAL], number)
        assert not lifecycle.return_to_queue(job_id, due_at=self.now, now=self.later())
        assert not lifecycle.mark_preview_announced(job_id, now=self.now)

    def next_try_or_end(self, job_id: UUID, failure: str) -> None:
        if failure:
            lifecycle.fail(job_id, code=failure, now=self.now)
        else:
            lifecycle.return_to_queue(job_id, due_at=self.now, now=self.now)

    # --- Attempts --------------------------------------------------------------------------------------

    @rule(provider=st.integers(0, 1), want=st.integers(1, 3))
    @precondition(lambda self: any(job.lane == "dispatch" for job in self.known.values()))
    def claim_slots(self, provider: int, want: int) -> None:
        self.claimed += claims.claim_slots(self.providers[provider].id, want=want)

    def answer(self, attempt: Attempt) -> None:
        name, token = prediction_of(attempt.id), attempt.lease_token
        lifecycle.record_submission(attempt, prediction_id=name, lease_token=token, poll_at=self.later(), now=self.now)

    @rule(number=which, how=st.sampled_from(["answered", "lost", "busy", "never_sent", "provider_failed"]))
    @precondition(lambda self: self.claimed)
    def a_submit_comes_to_an_end(self, number: int, how: str) -> None:
        attempt = one_of(self.claimed, number)
        if how == "answered":
            self.answer(attempt)
        elif how == "lost":
            lifecycle.mark_unconfirmed(attempt.id, lease_token=attempt.lease_token)
        elif lifecycle.mark_attempt_failed(
            attempt, code=how, raw_error="no", now=self.later(), lease_token=attempt.lease_token
        ):
            self.next_try_or_end(attempt.job_id, "")

    @rule()
    @precondition(lambda self: any(row.status == "unconfirmed" for row in self.known_attempts.values()))
    def a_look_up_finds_nothing(self) -> None:
        attempt = Attempt.objects.filter(status="unconfirmed").first()
        assert lifecycle.mark_attempt_failed(attempt, code="never_sent", raw_error="", now=self.later())
        self.next_try_or_end(attempt.job_id, "")

    @rule(number=which, failure=st.sampled_from(["", "no_provider"]))
    @precondition(lambda self: self.claimed)
    def an_attempt_is_given_up(self, number: int, failure: str) -> None:
        attempt = one_of(self.claimed, number)
        if lifecycle.mark_attempt_timed_out(attempt, now=self.later()):
            self.next_try_or_end(attempt.job_id, failure)

    @rule(cleanup=st.sampled_from(Attempt.ProviderCleanup))
    @precondition(lambda self: any(row.cleanup for row in self.known_attempts.values()))
    def cleanups_are_done(self, cleanup: str) -> None:
        lifecycle.mark_cleanup_done(list(self.known_attempts), cleanup=cleanup)

    # --- Providers -------------------------------------------------------------------------------------

    def tell(self, attempt_id: int, status: PredictionStatus, **values: Any) -> None:
        report = Report(attempt_id, ProviderEvent(prediction_of(attempt_id), status, **values))
        self.reports.append(report)
        self.apply(report)

    def apply(self, report: Report) -> None:
        """Do what the collect pump and reconcile do with a webhook or a poll's answer."""
        attempt = Attempt.objects.select_related("provider", "job").get(id=report.attempt_id)
        with transaction.atomic():
            ingest.apply_event(attempt, report.event, now=self.later())

    @rule(
        number=which,
        status=st.sampled_from([PredictionStatus.QUEUED, PredictionStatus.WARMING_UP, PredictionStatus.RUNNING]),
        progress=st.one_of(st.none(), st.floats(0, 1)),
        preview_url=st.sampled_from(["", "http://x/poster.jpg"]),
    )
    @precondition(lambda self: self.claimed)
    def news_come(self, number: int, status: PredictionStatus, progress: float | None, preview_url: str) -> None:
        self.tell(one_of(self.claimed, number).id, status, progress=progress, preview_url=preview_url)

    @rule(
        number=which,
        status=st.sampled_from([PredictionStatus.SUCCEEDED, PredictionStatus.FAILED, PredictionStatus.CANCELED]),
        code=st.sampled_from(["", "provider_failed", "photo_refused"]),
    )
    @precondition(lambda self: self.claimed)
    def the_end_is_told(self, number: int, status: PredictionStatus, code: str) -> None:
        self.tell(one_of(self.claimed, number).id, status, video_url="http://x/film.mp4", error_code=code)

    @rule(number=which)
    @precondition(lambda self: self.reports)
    def something_is_said_again(self, number: int) -> None:
        self.apply(one_of(self.reports, number))

    @rule(number=which, status=st.sampled_from(PredictionStatus))
    @precondition(lambda self: self.claimed)
    def something_strange_is_said(self, number: int, status: PredictionStatus) -> None:
        """Of a prediction that is not this attempt's, if that is known; or in words we do not know."""
        attempt = self.known_attempts[one_of(self.claimed, number).id]
        status = status if attempt.prediction_id else PredictionStatus.UNKNOWN
        before = list(Job.objects.order_by("id").values())
        self.apply(Report(attempt.id, ProviderEvent("another", status, 0.9, video_url="http://x/other.mp4")))
        assert list(Job.objects.order_by("id").values()) == before

    # --- What holds after every step -------------------------------------------------------------------

    @invariant()
    def everything_holds(self) -> None:
        jobs = {job.id: job for job in Job.objects.all()}
        attempts = {attempt.id: attempt for attempt in Attempt.objects.all()}
        events: dict[UUID, list[JobEvent]] = defaultdict(list)
        for event in JobEvent.objects.order_by("seq"):
            events[event.job_id].append(event)
        of_job: dict[UUID, list[Attempt]] = defaultdict(list)
        for attempt in attempts.values():
            of_job[attempt.job_id].append(attempt)
            holds_for_an_attempt(attempt, self.known_attempts.get(attempt.id))
        for job in jobs.values():
            holds_for_a_job(job, of_job[job.id], events[job.id])
            if job.id in self.known:
                holds_since(self.known[job.id], job)
        held = Counter(attempt.provider_id for attempt in attempts.values() if attempt.slot_held)
        assert all(count <= SLOTS for count in held.values()), "more slots are held than there are"
        assert ledger.inspect_balances(now=self.now).is_clean, "events and rows tell the same"
        self.known, self.known_attempts = jobs, attempts

    def finish(self) -> None:
        """Bring everything to its end: nothing may stay behind."""
        for job in Job.objects.filter(status__in=Job.OPEN):
            assert lifecycle.cancel(job.id, now=self.later(), by="owner")
        for attempt in Attempt.objects.exclude(cleanup=""):
            assert lifecycle.mark_cleanup_done([attempt.id], cleanup=attempt.cleanup) == 1
        self.everything_holds()
        assert ledger.inspect(now=self.now, settled=True, with_files=False).is_clean, "everything came to its end"
        assert not Attempt.objects.holding_a_slot().exists(), "a slot is never given back"
        assert not Attempt.objects.is_open().exists()
        assert ProviderConfig.objects.count() == len(self.providers)


def prediction_of(attempt_id: int) -> str:
    return f"pre_{attempt_id}"


RUNS = int(os.environ.get("LIFECYCLE_RUNS") or settings.default.max_examples)


@pytest.mark.slow
@pytest.mark.timeout(420 + RUNS)  # finding the shortest story that breaks a promise may take Hypothesis five minutes
def test_whatever_happens_in_whatever_order(db: None) -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
