import json
import random
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import services
from jobs.lanes import ingest
from jobs.models import Attempt, Job, Lane, WebhookDelivery
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(provider, stub, work):
    """A job whose prediction is under way (`stub.only`)."""
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    return job


def later(**ago):
    """Make all recorded deliveries due now."""
    WebhookDelivery.objects.exclude(due_at=None).update(due_at=timezone.now() - timedelta(seconds=1))


def test_news_move_stage_and_progress(job, stub, deliver, work):
    seen = []
    for change in (
        lambda: stub.only.warm_up(),
        lambda: stub.only.run(0.0),
        lambda: stub.only.run(0.25),
        lambda: stub.only.run(0.75),
        lambda: stub.only.complete(),
    ):
        change()
        deliver(stub.delivery(stub.only))
        ingest.apply_deliveries()
        row = factories.reload(job)
        seen.append((row.stage, round(row.progress, 2)))
    assert [stage for stage, _ in seen] == ["warming_up", "rendering", "rendering", "rendering", "collecting"]
    assert [progress for _, progress in seen] == sorted(progress for _, progress in seen)
    factories.is_consistent(job.id)


@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(3, 12))])
def test_any_order_and_any_number_of_times_end_the_same(seed, job, stub, deliver, work):
    prediction = stub.only
    recorded = [stub.delivery(prediction.warm_up())]
    recorded += [stub.delivery(prediction.run(progress)) for progress in (0.1, 0.4)]
    recorded += [stub.delivery(prediction.run(0.6, preview=True)), stub.delivery(prediction.complete())]
    shuffled = recorded * 3
    random.Random(seed).shuffle(shuffled)
    progress = 0.0
    for number, delivery in enumerate(shuffled):
        assert deliver(delivery) in (200, 202)
        if number % 3 == seed % 3:
            work(Lane.COLLECT)
        row = factories.reload(job)
        assert row.progress >= progress
        progress = row.progress
        factories.is_consistent(job.id)
    work(Lane.COLLECT)
    row = factories.reload(job)
    assert (row.status, row.stage) == ("succeeded", "ready")
    assert Attempt.objects.count() == 1
    factories.is_consistent(job.id)


def test_a_failure_after_the_success_changes_nothing(job, stub, deliver, work):
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    before = factories.reload(job).seq
    deliver(stub.delivery(stub.only.fail()))
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"
    assert factories.reload(job).seq == before


def test_a_face_that_the_provider_did_not_find_ends_the_job_with_a_sentence(job, stub, deliver, work):
    from jobs import messages

    deliver(stub.delivery(stub.only.fail("no_face")))
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert (job.status, job.failure_code) == ("failed", "no_face")
    assert messages.failure(job.failure_code)["next_step"]
    factories.is_consistent(job.id)


def test_a_failed_film_is_tried_again(job, stub, deliver, work):
    deliver(stub.delivery(stub.only.fail("render_failed")))
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert (job.status, job.lane, job.reason_code) == ("processing", Lane.DISPATCH, "provider_moved")
    Job.objects.update(due_at=timezone.now())
    work(Lane.DISPATCH)
    assert stub.submits() == 2
    factories.is_consistent(job.id)


def test_a_prediction_that_the_provider_canceled_is_tried_again(job, stub, deliver, work):
    stub.only.status = "canceled"
    deliver(stub.delivery(stub.only))
    work(Lane.COLLECT)
    assert factories.reload(job).lane == Lane.DISPATCH


def test_news_of_another_prediction_change_nothing(job, stub, deliver, work):
    path = stub.only.webhook_path
    stub.only.complete()
    stub.only.id = "pre_of_somebody_else"
    deliver(stub.delivery(stub.only, path=path))
    before = factories.reload(job).seq
    work(Lane.COLLECT)
    assert factories.reload(job).seq == before
    assert WebhookDelivery.objects.get().due_at is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"prediction": null}', b"[" * 60_000],
    ids=repr,
)
def test_a_genuine_delivery_in_no_words_of_ours_is_a_dead_letter(body, job, stub, deliver, work):
    assert deliver(stub.delivery(stub.only, body=body)) == 202
    before = factories.reload(job).seq
    work(Lane.COLLECT)
    row = WebhookDelivery.objects.get()
    assert (row.due_at, row.applied_at) == (None, None)
    assert row.error.startswith("not readable")
    assert factories.reload(job).seq == before


def test_an_unknown_status_changes_nothing(job, stub, deliver, work):
    stub.only.status = "contemplating"
    deliver(stub.delivery(stub.only))
    before = factories.reload(job).seq
    work(Lane.COLLECT)
    assert factories.reload(job).seq == before
    assert WebhookDelivery.objects.get().applied_at


def test_a_delivery_for_an_unknown_attempt_waits_an_hour(provider, stub, work, deliver):
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    deliver(stub.delivery(stub.only, path="/webhooks/studio/early/"))
    for _ in range(15):
        later()
        ingest.apply_deliveries()
    row = WebhookDelivery.objects.get()
    assert row.due_at
    WebhookDelivery.objects.update(received_at=timezone.now() - timedelta(hours=2))
    later()
    ingest.apply_deliveries()
    row.refresh_from_db()
    assert (row.due_at, row.error) == (None, "no such attempt")


def test_a_delivery_that_cannot_be_applied_does_not_hold_up_others(job, stub, deliver, work, monkeypatch):
    broken = stub.delivery(stub.only.run(0.5))
    deliver(broken)
    original = ingest.apply_event

    def apply(attempt, event, **others):
        if event.progress == 0.5:
            Job.objects.filter(id=attempt.job_id).update(progress=7)  # the database refuses it
        original(attempt, event, **others)

    monkeypatch.setattr(ingest, "apply_event", apply)
    deliver(stub.delivery(stub.only.complete()))
    assert ingest.apply_deliveries() == 2
    assert factories.reload(job).stage == "collecting"
    row = WebhookDelivery.objects.order_by("id").first()
    assert (row.apply_tries, row.applied_at) == (1, None)
    assert "IntegrityError" in row.error
    for _ in range(20):
        later()
        ingest.apply_deliveries()
    row.refresh_from_db()
    assert (row.due_at, row.apply_tries) == (None, ingest.MAX_APPLY_TRIES)


def test_progress_that_makes_no_sense_is_cut(job, stub, deliver, work):
    for progress in (-5, 7, 1e308):
        deliver(stub.delivery(stub.only.run(progress)))
        work(Lane.COLLECT)
        assert 0 <= factories.reload(job).progress <= 1
    body = stub.delivery(stub.only.run(0.5)).body.replace(b"0.5", b"NaN")
    deliver(stub.delivery(stub.only, body=body))
    work(Lane.COLLECT)
    assert 0 <= factories.reload(job).progress <= 1
    assert not WebhookDelivery.objects.filter(applied_at=None).exists()


def test_nothing_about_the_person_is_kept_of_a_delivery_after_the_erasure(job, stub, deliver, work):
    deliver(stub.delivery(stub.only.run(0.5, preview=True)))
    work(Lane.COLLECT)
    deliver(stub.delivery(stub.only.run(0.7)))  # recorded, not yet applied
    services.erase_job(job.id, now=timezone.now())
    deliver(stub.delivery(stub.only.complete()))  # late
    work(Lane.COLLECT)
    assert not [row for row in WebhookDelivery.objects.all() if bytes(row.body)]
    assert not Attempt.objects.exclude(video_url="", preview_url="").exists()
    assert factories.stored_files() == []
    factories.is_consistent(job.id)


def test_the_raw_error_of_a_provider_is_for_staff_and_not_endless(job, stub, deliver, work):
    prediction = stub.only.fail("x")
    body = json.dumps({"prediction": prediction.body() | {"error": {"code": "x", "message": "y" * 50_000}}}).encode()
    deliver(stub.delivery(prediction, body=body))
    work(Lane.COLLECT)
    assert len(Attempt.objects.first().raw_error) <= 4000
