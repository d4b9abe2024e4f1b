"""One job on its clock: parts that add up to the whole, one sentence, folded waits, and notes of staff."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs import services
from jobs.admin import timeline
from jobs.admin.timeline import Part
from jobs.models import Attempt, Job, JobEvent, StaffNote, WebhookDelivery
from providers.models import ProviderConfig
from tests import factories
from tests.support.admin_pages import page_of, staff, text_of

T0 = datetime(2026, 11, 30, 21, 18, 24, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def job(**values: Any) -> Job:
    return Job(created_at=T0, promised_p50=40, promised_p90=75, **values)


def events(*listed: tuple[float, str]) -> list[JobEvent]:
    return [JobEvent(seq=seq, kind=kind, at=at(seconds)) for seq, (seconds, kind) in enumerate(listed, 1)]


def attempt(
    pk: int, start: float, end: float | None, status: str, *, title: str = "WaveSpeed", **values: Any
) -> Attempt:
    finished = None if end is None else at(end)
    provider = ProviderConfig(pk=1, title=title)
    return Attempt(
        pk=pk, number=pk, provider=provider, claimed_at=at(start), finished_at=finished, status=status, **values
    )


EVENING = (
    job(status="succeeded", finished_at=at(552), winner_id=3),
    [
        attempt(1, 1.5, 1.9, "failed", error_code="busy"),
        attempt(2, 9.9, 10.4, "failed", error_code="busy"),
        attempt(3, 520, 549, "succeeded", title="Replicate", submitted_at=at(522), first_frame_at=at(531)),
    ],
    events(
        *((0, "accepted"), (0.2, "preparing"), (1.4, "prepared"), (1.5, "dispatching"), (1.9, "waiting")),
        *((9.9, "dispatching"), (10.4, "waiting"), (520, "dispatching"), (520.6, "submitted"), (522, "progress")),
        *((531, "progress"), (540, "progress"), (549, "rendered"), (552, "succeeded")),
    ),
)


def story(parts: tuple, deliveries: tuple = (), *, now: datetime = T0, **how: Any) -> timeline.Timeline:
    return timeline.timeline_of(*parts, deliveries, now=now, **how)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_one_sentence_says_where_the_time_went():
    assert plain(story(EVENING).sentence) == "9 min 12 s: 8 min 38 s waiting for a slot, 29 s rendering."
    assert plain(story(EVENING).under) == "Promised 40 to 75 s, so 7 min 57 s late. 2 calls were refused."


@pytest.mark.parametrize("seconds", [0.344, 2.44, 2.449])
def test_the_last_mark_of_a_short_job_stands_within_its_axis(seconds):
    found = story((job(status="canceled", finished_at=at(seconds)), [], events((0, "accepted"), (seconds, "canceled"))))
    assert round(seconds, 2) <= found.end < seconds + 0.011


def test_a_job_under_way_says_so_far_and_what_is_expected():
    open_job = job(status="processing")
    parts = (
        open_job,
        [attempt(1, 681, None, "running", progress=0.5)],
        events((0, "accepted"), (0.2, "preparing"), (1.6, "prepared")),
    )
    found = story(parts, now=at(724), film_seconds=61.0)
    assert plain(found.sentence) == "12 min 4 s so far: 11 min 19 s waiting for a slot, 43 s rendering."
    assert (found.now, found.end) == (724, 742)
    assert [bar.kind for bar in found.lanes[2].bars] == ["work", "wait"]


def test_a_job_that_failed_says_when_and_why():
    parts = (
        job(status="failed", failure_code="no_provider", finished_at=at(100)),
        [attempt(1, 2, 62, "failed", error_code="provider_error"), attempt(2, 70, 99, "timed_out")],
        events((0, "accepted"), (0.2, "preparing"), (1, "prepared"), (100, "failed")),
    )
    found = story(parts)
    assert plain(found.sentence).startswith("Failed after 1 min 40 s: ")
    assert "1 min 29 s in attempts that came to nothing" in plain(found.sentence)
    assert "2 attempts failed." in found.under


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_add_up_to_the_whole(seed: int):
    chance = random.Random(seed)
    end = chance.uniform(1, 900)
    moments = sorted(chance.uniform(0, end * 1.1) for _ in range(8))
    winner = chance.choice([None, 1, 2])
    made = [
        attempt(1, moments[3], moments[4], "succeeded" if winner == 1 else "failed"),
        attempt(2, moments[5], moments[6], "succeeded" if winner == 2 else chance.choice(["running", "timed_out"])),
    ]
    listed = events((0, "accepted"), (moments[0], "preparing"), (moments[1], "prepared"))[: chance.randint(1, 3)]
    found = timeline.pieces_of(job(status="succeeded", finished_at=at(end), winner_id=winner), made, listed, end=end)
    assert (found[0].start, found[-1].end) == (0, end)
    assert all(first.end == second.start and first.part != second.part for first, second in pairwise(found))
    assert sum(piece.seconds for piece in found) == pytest.approx(end)


def test_long_waits_are_folded_and_named():
    found = story(EVENING)
    assert found.gaps == [(10.4, 520.0)]
    (line,) = [lane for lane in found.lanes if lane.title == "The line"]
    assert [plain(word.words) for word in line.words][-1] == "8 min 30 s for a slot"
    assert [lane.title for lane in found.lanes[2:]] == ["1 WaveSpeed", "2 WaveSpeed", "3 Replicate"]
    assert plain(found.lanes[2].words[0].words) == "429 after 0.4 s"
    assert plain(found.lanes[4].words[0].words) == "film in 29 s, warm"
    assert [bar.kind for bar in found.lanes[4].bars] == ["work", "good"]


def test_progress_is_folded_until_somebody_asks_for_all():
    assert [line.event.seq for line in story(EVENING).lines] == [*range(1, 11), 13, 14]
    assert story(EVENING).folded == 2
    assert story(EVENING, with_all=True).folded == 0


def test_deliveries_are_a_lane_and_bad_ones_are_named():
    deliveries = [
        WebhookDelivery(verdict="valid", received_at=at(549.4), applied_at=at(549.6), event_id="e1"),
        WebhookDelivery(verdict="forged", received_at=at(540)),
    ]
    lane = story(EVENING, deliveries).lanes[-1]
    assert (lane.title, lane.small) == ("Webhooks", "2, forged")
    assert [dot.kind for dot in lane.dots] == ["", "bad"]
    assert plain(lane.words[0].words) == "last applied in 0.2 s"


def test_prepared_in_no_time_and_at_no_time_is_no_error():
    assert [piece.part for piece in timeline.pieces_of(job(status="queued"), [], [], end=0.0)] == []
    assert plain(story((job(status="queued"), [], events((0, "accepted"))), now=T0).sentence) == "0 s so far."
    waiting = timeline.pieces_of(job(status="queued"), [], events((0, "accepted")), end=5.0)
    assert [piece.part for piece in waiting] == [Part.QUEUED]


@pytest.mark.django_db
def test_notes_are_kept_until_the_job_is_erased(admin_client: Client):
    one, other = factories.make_job(), factories.make_job()
    for noted in (one, other):
        admin_client.post(f"/admin/jobs/job/{noted.pk}/note/", {"text": " Told <her> why. "}, follow=True)
    admin_client.post(f"/admin/jobs/job/{one.pk}/note/", {"text": "  "})
    assert [(note.author_name, note.text) for note in StaffNote.objects.all()] == [("admin", "Told <her> why.")] * 2
    assert "Told &lt;her&gt; why." in text_of(admin_client.get(page_of(one)))
    services.erase_job(one.pk, now=timezone.now())
    assert [note.job_id for note in StaffNote.objects.all()] == [other.pk]
    assert admin_client.post(f"/admin/jobs/job/{one.pk}/note/", {"text": "late"}).status_code == 404


@pytest.mark.django_db
def test_who_only_sees_writes_no_note():
    noted = factories.make_job()
    viewer = staff("view")
    assert viewer.post(f"/admin/jobs/job/{noted.pk}/note/", {"text": "x"}).status_code == 403
    assert "Add note" not in text_of(viewer.get(page_of(noted)))
    assert not StaffNote.objects.exists()
