"""A provider that gives one person's film for another's job."""

import pytest
from django.utils import timezone

from jobs import lifecycle, services
from jobs.ledger import inspection
from jobs.models import Attempt, AuditEntry, Job, Lane
from tests import factories

pytestmark = pytest.mark.django_db

ADA, BOB = "v:" + "a" * 64, "v:" + "b" * 64


@pytest.fixture
def collect(provider, stub, work, film):
    """Have this owner's job rendered and its film collected from this path."""
    stub.files["other.mp4"] = film
    stub.files["own.mp4"] = film + b"\x00\x00\x00\x08free"

    def run(owner, path):
        provider.refresh_from_db()
        type(provider).objects.filter(id=provider.id).update(breaker_until=None, breaker_reason="")
        attempt = factories.make_submitted_attempt(provider, job=factories.make_waiting_job(owner=owner))
        url = f"{stub.url}/files/{path}"
        lifecycle.mark_attempt_succeeded(
            attempt, prediction_id=attempt.prediction_id, video_url=url, now=timezone.now()
        )
        work(Lane.COLLECT)
        return factories.reload(attempt.job)

    yield run
    del stub.files["other.mp4"], stub.files["own.mp4"]


@pytest.mark.parametrize("path", ["film.mp4", "other.mp4"], ids=["same address", "same bytes"])
def test_somebody_else_s_film_is_refused_and_staff_are_told(path, collect, provider, caplog):
    first, second = collect(ADA, "film.mp4"), collect(BOB, path)
    assert first.status == "succeeded"
    assert (second.lane, second.video_key, second.winner) == (Lane.DISPATCH, "", None), "it is made anew"
    files = [key for key in factories.stored_files() if key.startswith(("video/", "poster/"))]
    assert sorted(files) == sorted([first.video_key, first.poster_key]), "nothing of it stays"
    provider.refresh_from_db()
    assert (provider.breaker_until - timezone.now()).total_seconds() > 500
    assert str(first.id) in provider.last_error
    entry = AuditEntry.objects.get(action="film_mixed_up")
    assert (entry.subject, entry.data["other_job"]) == (str(second.id), str(first.id))
    assert [record.levelname for record in caplog.records if "film_mixed_up" in record.message] == ["ERROR"]
    factories.is_consistent(second.id)


def test_the_ledger_has_a_finding_for_a_day(collect):
    collect(ADA, "film.mp4")
    assert "film_mixed_up" not in {finding.code for finding in findings()}
    second = collect(BOB, "film.mp4")
    (found,) = [finding for finding in findings() if finding.code == "film_mixed_up"]
    assert found.items[0].job_id == str(second.id)


def findings():
    return inspection.inspect(now=timezone.now()).findings


def test_films_of_their_own_are_nobody_else_s(collect):
    assert [collect(ADA, "film.mp4").status, collect(BOB, "own.mp4").status] == ["succeeded", "succeeded"]


def test_one_person_may_have_the_same_film_twice(collect):
    assert [collect(ADA, "film.mp4").status, collect(ADA, "other.mp4").status] == ["succeeded", "succeeded"]


def test_a_film_that_is_erased_leaves_no_digest(collect):
    job = collect(ADA, "film.mp4")
    assert Attempt.objects.get(job=job).film_sha256
    services.erase_job(job.id, now=timezone.now())
    attempt = Attempt.objects.get(job=job)
    assert (attempt.film_sha256, attempt.film_url_sha256) == ("", "")
    assert Job.objects.get(id=job.id).erased_at
