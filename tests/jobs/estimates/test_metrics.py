"""Promise metrics, and the forecast given at the upload."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import lifecycle
from jobs.estimates import metrics
from jobs.models import Attempt, Job, JobEvent
from tests import factories
from tests.jobs.orders import order

pytestmark = pytest.mark.django_db


def ended(provider, *, took, promised=(20, 40), ago=60.0, now=None, **values):
    """A film that took so many seconds, and was there so long ago."""
    now = now or timezone.now()
    job = factories.make_finished_job(provider)
    finished_at = now - timedelta(seconds=ago)
    Job.objects.filter(id=job.id).update(
        created_at=finished_at - timedelta(seconds=took),
        finished_at=finished_at,
        promised_p50=promised[0] if promised else None,
        promised_p90=promised[1] if promised else None,
        **values,
    )
    return factories.reload(job)


def test_what_is_told_at_the_door_is_kept_with_the_job(api, provider):
    body = api.post("/api/v1/jobs/", order()).json()
    job = Job.objects.get()
    assert body["queue"]["eta_seconds"] == {"p50": job.promised_p50, "p90": job.promised_p90}
    assert 0 < job.promised_p50 < job.promised_p90
    accepted = JobEvent.objects.get(job=job, seq=1)
    assert accepted.data["promised"] == [job.promised_p50, job.promised_p90]


def test_a_promise_counts_those_ahead(api, provider):
    for number in range(12):
        factories.make_waiting_job(owner=f"v:{number:064}")
    body = api.post("/api/v1/jobs/", order()).json()
    assert body["queue"]["position"] == 12
    assert body["queue"]["eta_seconds"]["p50"] == Job.objects.get(id=body["id"]).promised_p50 > 30


def test_a_card_tells_sooner_in_the_range_and_later_apart(provider):
    now = timezone.now()
    for took in (10, 20, 30, 40, 41, 55):
        ended(provider, took=took, now=now)
    ended(provider, took=999, ago=3700, now=now)  # not of this hour
    ended(provider, took=999, promised=None, now=now)  # nothing was promised
    card = metrics.promises(now=now)
    assert (card.count, card.sooner, card.inside, card.later) == (6, 1, 3, 2)
    assert card.seconds_late == pytest.approx(8.0)
    assert card.kept == pytest.approx(4 / 6)
    assert metrics.promises(now=now, window=metrics.DAY).count == 7


def test_a_film_that_never_came_is_a_promise_broken_unless_it_was_the_photos_fault(provider):
    for code in ("deadline", "no_provider", "no_face", "photo_refused"):
        job = factories.make_waiting_job(promised_p50=20, promised_p90=40)
        assert lifecycle.fail(job.id, code=code, now=timezone.now())
    canceled = factories.make_waiting_job(promised_p50=20, promised_p90=40)
    lifecycle.cancel(canceled.id, now=timezone.now(), by="owner")
    card = metrics.promises(now=timezone.now())
    assert (card.count, card.later, card.kept, card.seconds_late) == (2, 2, 0.0, 0.0)


def test_without_films_there_is_nothing_to_say(provider):
    assert (metrics.promises(now=timezone.now()).count, metrics.stages(now=timezone.now())) == (0, {})


def test_each_part_of_the_way_is_measured_at_each_provider(provider):
    now, other = timezone.now(), factories.make_provider(slug="other")
    for where, rendering in ((provider, 10), (provider, 20), (other, 90)):
        job = ended(where, took=200, ago=0, now=now)
        start = job.created_at
        JobEvent.objects.filter(job=job, kind="prepared").update(at=start + timedelta(seconds=2))
        claimed = start + timedelta(seconds=7)
        Attempt.objects.filter(id=job.winner_id).update(
            claimed_at=claimed,
            first_sign_at=claimed + timedelta(seconds=3),
            finished_at=claimed + timedelta(seconds=rendering),
        )
    found = metrics.stages(now=now)
    assert {stage: (spread.p50, spread.p90) for stage, spread in found["studio"].items()} == {
        "preparing": (2.0, 2.0),
        "waiting": (5.0, 5.0),
        "starting": (3.0, 3.0),
        "rendering": (20.0, 20.0),
        "collecting": (183.0, 183.0),
    }
    assert found["other"]["rendering"] == metrics.Spread(1, 90.0, 90.0)
