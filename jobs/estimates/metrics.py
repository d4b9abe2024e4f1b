"""Metrics of finished jobs: whether films came when we said, and how long each stage takes at each provider.

A promise is the time range given at the upload. It is kept by a film that came no later than the end of that range;
films that came before its beginning are counted apart. A job that ended without a film, for a reason other than its
photo or its owner, is a broken promise and counts as later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from jobs import messages
from jobs.models import Attempt, Job, JobEvent
from jobs.routing import cold_starts
from providers.models import ProviderConfig

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# At most this many rows are read; under load they are those of the last minutes, which is what people ask about.
NEWEST = 2000
NEWEST_OF_STAGES = 500
STAGES = ("preparing", "waiting", "starting", "rendering", "collecting")


@dataclass(frozen=True)
class Promises:
    """How many films came before, within and after the promised range, and how late the last were on average."""

    window: timedelta
    count: int
    sooner: int
    inside: int
    later: int
    seconds_late: float

    @property
    def kept(self) -> float:
        """The share of films that came by the end of the promised range."""
        return (self.sooner + self.inside) / self.count if self.count else 0.0

    def share(self, number: int) -> float:
        return number / self.count if self.count else 0.0


@dataclass(frozen=True)
class Spread:
    """The median and the 90th percentile of so many samples, in seconds."""

    count: int
    p50: float
    p90: float


def promises(*, now: datetime, window: timedelta = HOUR) -> Promises:
    """Compare promises with real waits, for the newest jobs that ended within the window."""
    ended = Job.objects.filter(finished_at__gt=now - window, finished_at__lte=now, promised_p90__isnull=False)
    rows = ended.exclude(status=Job.Status.CANCELED).order_by("-finished_at")
    sooner = inside = later = 0
    late: list[float] = []
    listed = rows.values_list("status", "failure_code", "created_at", "finished_at", "promised_p50", "promised_p90")
    for status, code, created_at, finished_at, p50, p90 in listed[:NEWEST]:
        assert finished_at is not None and p50 is not None and p90 is not None  # a promise has both; see the filters
        took = (finished_at - created_at).total_seconds()
        if status != Job.Status.SUCCEEDED:
            later += not messages.is_about_photo(code)
        elif took > p90:
            later += 1
            late.append(took - p90)
        elif took < p50:
            sooner += 1
        else:
            inside += 1
    seconds_late = sum(late) / len(late) if late else 0.0
    return Promises(window, sooner + inside + later, sooner, inside, later, seconds_late)


def stages(*, now: datetime, window: timedelta = HOUR) -> dict[str, dict[str, Spread]]:
    """Return how long each stage took for the newest films: `{provider: {stage: spread}}`.

    Stages before a provider was chosen count for the provider that made the film in the end.
    """
    ended = Job.objects.filter(finished_at__gt=now - window, finished_at__lte=now, status=Job.Status.SUCCEEDED)
    jobs = list(
        ended.filter(winner__isnull=False)
        .select_related("winner__provider")
        .order_by("-finished_at")[:NEWEST_OF_STAGES]
    )
    prepared = _prepared([job.id for job in jobs])
    seconds: dict[str, dict[str, list[float]]] = {}
    for job in jobs:
        attempt = job.winner
        assert attempt is not None  # asked for above
        ready = prepared.get(job.id)
        ways = {
            "preparing": (job.created_at, ready),
            "waiting": (ready, attempt.claimed_at),
            "starting": (attempt.claimed_at, attempt.first_sign_at),
            "rendering": (attempt.claimed_at, attempt.finished_at),
            "collecting": (attempt.finished_at, job.finished_at),
        }
        its = seconds.setdefault(attempt.provider.slug, {})
        for stage, (start, end) in ways.items():
            if start and end:
                its.setdefault(stage, []).append(max(0.0, (end - start).total_seconds()))
    return {slug: {stage: _spread(its[stage]) for stage in STAGES if stage in its} for slug, its in seconds.items()}


def first_frames(*, provider: ProviderConfig | None = None) -> Spread | None:
    """Return how long after their 202 the newest jobs had their first picture; None when none had one yet.

    With a provider, only of the jobs whose film it made.
    """
    if provider is None:
        rows = Job.objects.filter(status=Job.Status.SUCCEEDED, first_frame_at__isnull=False).order_by("-created_at")
        moments = list(rows.values_list("created_at", "first_frame_at")[:NEWEST_OF_STAGES])
    else:
        won = Attempt.objects.filter(provider=provider, status=Attempt.Status.SUCCEEDED)
        won = won.filter(job__first_frame_at__isnull=False).order_by("-claimed_at")
        moments = list(won.values_list("job__created_at", "job__first_frame_at")[:NEWEST_OF_STAGES])
    seconds = [(first - created).total_seconds() for created, first in moments if created and first]
    return _spread(seconds) if seconds else None


def _prepared(job_ids: Iterable[UUID]) -> Mapping[UUID, datetime]:
    rows = JobEvent.objects.filter(job_id__in=list(job_ids), kind="prepared").order_by()
    return dict(rows.values_list("job_id", "at"))


def _spread(seconds: list[float]) -> Spread:
    return Spread(
        len(seconds), cold_starts.percentile(seconds, 0.5) or 0.0, cold_starts.percentile(seconds, 0.9) or 0.0
    )
