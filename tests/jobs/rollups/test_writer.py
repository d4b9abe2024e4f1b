"""The figures of minutes are those of the rows; each minute is written once per cluster, and none is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from jobs import rollups
from jobs.models import Attempt, Job, JobMinute, ProviderMinute
from jobs.rollups import histograms, windows, writer
from providers.models import ProviderConfig
from tests import factories
from tests.support import big_tables
from tests.support.evening import make_evening

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NOW = datetime(2026, 11, 30, 21, 32, 40, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def providers() -> list[ProviderConfig]:
    return [factories.make_provider(slug=slug) for slug in ("wavespeed", "fal")]


def within(rows: Sequence, name: str, minute: datetime) -> list:
    return [row for row in rows if getattr(row, name) and minute <= getattr(row, name) < minute + MINUTE]


def seconds(rows: Sequence, start: str, end: str) -> list[float]:
    return [(getattr(row, end) - getattr(row, start)).total_seconds() for row in rows]


def test_the_figures_of_each_minute_are_those_of_its_rows(providers: list[ProviderConfig]) -> None:
    make_evening(providers, now=NOW, minutes=6)
    jobs, attempts = list(Job.objects.all()), list(Attempt.objects.all())
    rollups.Writer().write_due(now=NOW)
    for minute in JobMinute.objects.filter(minute__gt=NOW - 8 * MINUTE):
        ended = within(jobs, "finished_at", minute.minute)
        films = [job for job in ended if job.status == "succeeded"]
        states = Counter(job.status for job in ended)
        assert minute.accepted == len(within(jobs, "created_at", minute.minute))
        assert (minute.succeeded, minute.failed, minute.canceled) == (
            *(states["succeeded"], states["failed"], states["canceled"]),
        )
        assert minute.films == histograms.of(seconds(films, "created_at", "finished_at"))
        pictures = [job for job in films if job.first_frame_at]
        assert minute.first_frames == histograms.of(seconds(pictures, "created_at", "first_frame_at"))
        theirs = [job for job in ended if job.failure_code in ("no_face", "photo_refused") or job.status == "canceled"]
        promised = [job for job in ended if job.promised_p90 is not None and job not in theirs]
        assert minute.promised == len(promised)
        assert minute.kept == sum(
            job.status == "succeeded" and (job.finished_at - job.created_at).total_seconds() <= 60 for job in promised
        )
        for provider in providers:
            its = [one for one in within(attempts, "finished_at", minute.minute) if one.provider_id == provider.id]
            row = ProviderMinute.objects.filter(minute=minute.minute, provider=provider).first()
            assert (row is None) == (not its)
            if row is None:
                continue
            films = [one for one in its if one.status in ("succeeded", "superseded")]
            assert row.succeeded == len(films)
            assert row.refused == sum(one.error_code == "busy" for one in its)
            assert row.failed == sum(
                one.status in ("failed", "timed_out") and one.error_code not in ("busy", "never_sent", "photo_refused")
                for one in its
            )
            assert row.cold == sum(one.was_cold for one in films)
            assert row.cost == sum((one.cost for one in its), Decimal(0))
            assert row.films == histograms.of(seconds(films, "claimed_at", "finished_at"))
            answered = [
                one for one in its if one.status not in ("timed_out", "canceled") and one.error_code != "never_sent"
            ]
            assert row.submits == histograms.of(seconds(answered, "claimed_at", "answered_at"))
    newest = JobMinute.objects.get(minute=NOW.replace(second=0))
    waiting = sum(job.status == "queued" for job in jobs)
    assert (newest.waiting, newest.collecting, newest.in_flight) == (waiting, 0, 0)


def test_a_minute_is_written_by_one_process_and_again_when_it_is_due(providers: list[ProviderConfig]) -> None:
    make_evening(providers, now=NOW)
    first, second = rollups.Writer(), rollups.Writer()
    assert first.write_due(now=NOW) > 1
    assert second.write_due(now=NOW + timedelta(seconds=4)) == 0
    # The other takes over, and has nothing but the present minute to write.
    assert second.write_due(now=NOW + timedelta(seconds=5)) == 1
    assert first.write_due(now=NOW + timedelta(seconds=9)) == 0
    assert first.write_due(now=NOW + timedelta(seconds=10)) == 1


def test_writing_again_changes_nothing(providers: list[ProviderConfig]) -> None:
    make_evening(providers, now=NOW)

    def written() -> list:
        rows = [
            *JobMinute.objects.order_by("minute").values(),
            *ProviderMinute.objects.order_by("minute", "provider").values(),
        ]
        return [{name: value for name, value in row.items() if name not in ("id", "written_at")} for row in rows]

    rollups.Writer().write_due(now=NOW)
    before = written()
    JobMinute.objects.update(is_complete=False, written_at=NOW - MINUTE)
    rollups.Writer().write_due(now=NOW)
    assert written() == before


def test_missed_minutes_are_written_afterwards_without_what_nobody_measured(
    monkeypatch: pytest.MonkeyPatch, providers: list[ProviderConfig]
) -> None:
    monkeypatch.setattr(writer, "MOST_MISSED", 4)
    make_evening(providers, now=NOW, minutes=9)
    work = rollups.Writer()
    assert [work.write_due(now=NOW + timedelta(seconds=5 * number)) for number in range(4)] == [5, 5, 2, 1]
    rows = list(JobMinute.objects.order_by("minute"))
    assert [row.minute for row in rows] == [NOW.replace(second=0) - MINUTE * back for back in range(9, -1, -1)]
    assert sum(row.accepted for row in rows) == Job.objects.count()
    assert [row.waiting is None for row in rows] == [True] * 9 + [False]
    assert [row.is_complete for row in rows] == [True] * 9 + [False]


def test_what_commits_late_is_counted_until_a_minute_is_complete(providers: list[ProviderConfig]) -> None:
    work, minute = rollups.Writer(), NOW.replace(second=0)
    work.write_due(now=minute + timedelta(seconds=58))
    make_evening(providers, now=minute + timedelta(seconds=59), minutes=1, jobs=20)
    work.write_due(now=minute + MINUTE + timedelta(seconds=4))
    assert JobMinute.objects.get(minute=minute).accepted + JobMinute.objects.get(minute=minute - MINUTE).accepted == 20
    assert not JobMinute.objects.get(minute=minute).is_complete
    # What was measured within it stays.
    assert JobMinute.objects.get(minute=minute).waiting == 0
    work.write_due(now=minute + MINUTE + timedelta(seconds=11))
    assert JobMinute.objects.get(minute=minute).is_complete


def test_a_clock_that_was_set_back_does_not_stop_it(providers: list[ProviderConfig]) -> None:
    work = rollups.Writer()
    work.write_due(now=NOW + timedelta(seconds=19))
    assert work.write_due(now=NOW + timedelta(seconds=9)) > 0


def test_old_minutes_are_deleted(providers: list[ProviderConfig]) -> None:
    old = NOW.replace(second=0) - writer.KEEP - MINUTE
    JobMinute.objects.create(minute=old, written_at=old)
    ProviderMinute.objects.create(minute=old, provider=providers[0])
    rollups.Writer().write_due(now=NOW)
    assert not JobMinute.objects.filter(minute=old).exists()
    assert not ProviderMinute.objects.filter(minute=old).exists()


def test_no_big_table_is_read_whole(providers: list[ProviderConfig]) -> None:
    make_evening(providers, now=NOW, jobs=400)
    with big_tables.watching() as watch:
        rollups.Writer().write_due(now=NOW)
    assert watch.whole_reads() == []


def test_a_rate_is_that_of_the_minute_that_ends_now() -> None:
    minute = NOW.replace(second=0)
    before = JobMinute(minute=minute - MINUTE, written_at=minute, accepted=60, succeeded=30, waiting=7)
    present = JobMinute(minute=minute, written_at=NOW, accepted=20, succeeded=40, failed=3, waiting=9, in_flight=2)
    found = rollups.flow([before, present], now=NOW)
    # 40 seconds of the present minute, and a third of the one before.
    assert (found.accepted, found.succeeded, found.failed) == pytest.approx((40, 50, 3))
    assert (found.waiting, found.in_flight, found.at) == (9, 2, NOW)
    assert found.left == pytest.approx(53)
    assert rollups.flow([], now=NOW) == rollups.Flow()


def test_a_provider_s_trouble_began_with_the_first_of_a_series(providers: list[ProviderConfig]) -> None:
    minute = NOW.replace(second=0)
    for back, refused in ((0, 4), (1, 6), (2, 0), (4, 1), (30, 9)):
        ProviderMinute.objects.create(minute=minute - MINUTE * back, provider=providers[0], refused=refused)
    found = rollups.over([one.id for one in providers], at=NOW, length=timedelta(hours=1))
    its, other = (found[one.id] for one in providers)
    assert its.refused_since == minute - 4 * MINUTE
    assert its.refused == pytest.approx(4 + 6 / 3)
    assert (other.refused, other.refused_since, other.success) == (0, None, None)


def test_a_provider_s_films_a_minute_are_those_of_a_minute_that_ends_now(providers: list[ProviderConfig]) -> None:
    minute = NOW.replace(second=0)
    # It had nothing to do until two minutes ago, as before a spike.
    for back, succeeded in ((0, 30), (1, 45), (2, 6)):
        ProviderMinute.objects.create(minute=minute - MINUTE * back, provider=providers[0], succeeded=succeeded)
    found = rollups.over([providers[0].id], at=NOW, length=timedelta(hours=1))[providers[0].id]
    # 40 seconds of the present minute, and a third of the one before.
    assert found.finished == pytest.approx(30 + 45 / 3)


def test_sums_of_a_window_are_those_of_its_minutes(providers: list[ProviderConfig]) -> None:
    make_evening(providers, now=NOW, minutes=8)
    rollups.Writer().write_due(now=NOW)
    for provider in providers:
        found = rollups.over([provider.id], at=NOW, length=windows.WINDOW)[provider.id]
        ended = Attempt.objects.filter(provider=provider, finished_at__isnull=False)
        films = ended.filter(status__in=["succeeded", "superseded"])
        assert found.succeeded == films.count()
        # SQLite adds amounts up as floating point numbers.
        assert found.cost == round(ended.aggregate(total=Sum("cost"))["total"], 4)
        assert histograms.count(found.films) == films.count()
