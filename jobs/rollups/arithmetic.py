"""The figures of one minute. What they count is read by the indexes over the times of accepting and ending."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from jobs import lifecycle, messages, queue_order
from jobs.models import Attempt, Job, Lane

from . import histograms

MINUTE = timedelta(minutes=1)
_MADE_A_FILM = (Attempt.Status.SUCCEEDED, Attempt.Status.SUPERSEDED)
_FAILED = (Attempt.Status.FAILED, Attempt.Status.TIMED_OUT)
_NOT_ITS_FAULT = (*Attempt.NOT_ITS_FAULT, queue_order.PHOTO_REFUSED)


def start_of(moment: datetime) -> datetime:
    """Return the beginning of the minute that a moment lies in."""
    return moment.replace(second=0, microsecond=0)


def of_jobs(minute: datetime) -> dict[str, Any]:
    """Return the columns of `JobMinute` for the jobs that were accepted or ended within this minute."""
    ended = Job.objects.filter(finished_at__gte=minute, finished_at__lt=minute + MINUTE)
    counts = dict.fromkeys(Job.FINAL, 0)
    promised = kept = 0
    first_frames, films = [], []
    listed = ended.values_list("status", "failure_code", "created_at", "first_frame_at", "finished_at", "promised_p90")
    for status, code, created_at, first_frame_at, finished_at, p90 in listed.order_by().iterator():
        assert finished_at is not None  # asked for above
        counts[Job.Status(status)] += 1
        took = (finished_at - created_at).total_seconds()
        if status == Job.Status.SUCCEEDED:
            films.append(took)
            if first_frame_at:
                first_frames.append((first_frame_at - created_at).total_seconds())
        if p90 is not None and _counts(status, code):
            promised += 1
            kept += status == Job.Status.SUCCEEDED and took <= p90
    return {
        "accepted": Job.objects.filter(created_at__gte=minute, created_at__lt=minute + MINUTE).count(),
        **{str(status): number for status, number in counts.items()},
        "promised": promised,
        "kept": kept,
        "first_frames": histograms.of(first_frames),
        "films": histograms.of(films),
    }


def _counts(status: str, failure_code: str) -> bool:
    """Whether the end of a job says something about its promise: not when its owner or its photo was the reason."""
    if status == Job.Status.CANCELED:
        return False
    return status == Job.Status.SUCCEEDED or not messages.is_about_photo(failure_code)


def of_providers(minute: datetime) -> Mapping[int, dict[str, Any]]:
    """Return the columns of `ProviderMinute` by provider id, for the attempts that ended within this minute."""
    ended = Attempt.objects.filter(finished_at__gte=minute, finished_at__lt=minute + MINUTE)
    found: dict[int, dict[str, Any]] = {}
    columns = ("provider_id", "kind", "status", "error_code", "was_cold", "cost")
    listed = ended.values_list(*columns, "claimed_at", "answered_at", "finished_at")
    for provider_id, kind, status, code, was_cold, cost, claimed_at, answered_at, finished_at in listed.order_by():
        its = found.setdefault(
            provider_id,
            {"refused": 0, "succeeded": 0, "failed": 0, "cold": 0, "cost": 0, "submits": [], "films": []},
        )
        its["cost"] += cost
        if kind == Attempt.Kind.KEEP_WARM:
            continue
        if answered_at is not None and status not in Attempt.GIVEN_UP and code != lifecycle.NEVER_SENT:
            its["submits"].append((answered_at - claimed_at).total_seconds())
        if status in _MADE_A_FILM:
            assert finished_at is not None  # asked for above
            its["succeeded"] += 1
            its["cold"] += was_cold
            its["films"].append((finished_at - claimed_at).total_seconds())
        elif code == "busy":
            its["refused"] += 1
        elif status in _FAILED and code not in _NOT_ITS_FAULT:
            its["failed"] += 1
    for its in found.values():
        its |= {name: histograms.of(its[name]) for name in ("submits", "films")}
    return found


def gauges() -> dict[str, int]:
    """Return how many jobs wait for a provider, are with one, and are being collected, now."""
    waiting = Job.objects.in_queue().count()
    collecting = Job.objects.in_lane(Lane.COLLECT).count()
    open_jobs = Job.objects.is_open().count()
    return {"waiting": waiting, "collecting": collecting, "in_flight": max(0, open_jobs - waiting - collecting)}
