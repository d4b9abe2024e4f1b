"""What the page of one job tells: its time axis, attempts, deliveries, events and notes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs import notes, rollups
from jobs.models import Attempt, Job, WebhookDelivery
from jobs.rollups import histograms

from . import parts, timeline

_EVENTS_SHOWN = 1000
_DELIVERIES_SHOWN = 200
_MAILS = {"confirm": "asked to confirm it", "email": "mail about the end"}
_ATTEMPT_COLOURS = {
    Attempt.Status.SUCCEEDED: "succeeded",
    Attempt.Status.FAILED: "failed",
    Attempt.Status.TIMED_OUT: "failed",
    Attempt.Status.CANCELED: "canceled",
    Attempt.Status.SUPERSEDED: "canceled",
    Attempt.Status.UNCONFIRMED: "queued",
}


def story_of(job: Job, *, now: datetime, with_all: bool = False) -> dict[str, Any]:
    """Return what the template prints of a job; all its progress events only when asked. Seven queries."""
    attempts = list(job.attempts.select_related("provider"))
    hooks = WebhookDelivery.objects.filter(attempt__job=job).select_related("attempt").defer("body", "headers")
    deliveries = list(hooks.order_by("id")[:_DELIVERIES_SHOWN])
    events = list(job.events.order_by("seq")[:_EVENTS_SHOWN])
    for attempt in attempts:
        attempt.job = job
    return {
        "timeline": timeline.timeline_of(
            job,
            attempts,
            events,
            deliveries,
            now=now,
            film_seconds=_film_seconds(attempts, now=now),
            with_all=with_all,
        ),
        "attempts": [_attempt_facts(attempt, job, now=now) for attempt in attempts],
        "cost": sum(attempt.cost for attempt in attempts),
        "deliveries": deliveries,
        "notes": notes.of(job.pk),
        "mails": _mails(job),
    }


def _mails(job: Job) -> list[str]:
    """Say what was mailed to the job's address, and why not. Empty without an address."""
    if not job.email:
        return []
    # `notifications` writes these rows; what it sends to browsers has a subscription.
    rows = list(job.notifications.filter(subscription=None).order_by("created_at", "id"))
    told = [f"{_MAILS.get(row.channel, row.channel)}: {_what_became_of(row)}" for row in rows]
    if job.status in (Job.Status.SUCCEEDED, Job.Status.FAILED) and all(row.channel != "email" for row in rows):
        told.append("the address is not confirmed, so nothing was mailed about the end")
    return told


def _what_became_of(row: Any) -> str:
    if row.sent_at:
        return f"sent {parts.moment(row.sent_at)}"
    tries = parts.counted(row.tries, "try", "tries") if row.tries else "not tried yet"
    if row.given_up_at:
        return f"given up after {tries}: {row.error}"
    return f"waits, {tries}" + (f": {row.error}" if row.error else "")


def _film_seconds(attempts: list[Attempt], *, now: datetime) -> float | None:
    """Return how long films take at the provider that has the job now, None while none has or none was measured."""
    under_way = [attempt.provider_id for attempt in attempts if attempt.status in Attempt.OPEN]
    if not under_way:
        return None
    flow = rollups.over(under_way[-1:], at=now, length=rollups.WINDOW)[under_way[-1]]
    return histograms.percentile(flow.films, 0.5)


def _attempt_facts(attempt: Attempt, job: Job, *, now: datetime) -> dict[str, Any]:
    """Return one attempt as (name, value) pairs, empty ones left out."""
    was_called = attempt.answered_at is not None and attempt.answered_at >= attempt.claimed_at
    answered_at = attempt.answered_at if was_called else None
    steps = [("claimed", attempt.claimed_at), ("answered", answered_at), ("submitted", attempt.submitted_at)]
    steps += [("first sign", attempt.first_sign_at), ("first picture", attempt.first_frame_at)]
    steps += [("ended", attempt.finished_at)]
    path_of_times = ", ".join(f"{name} +{parts.span(at - job.created_at)}" for name, at in steps if at)
    end = attempt.finished_at or now
    cleanup = (
        f"{attempt.cleanup} at {parts.moment(attempt.cleanup_at)}, tried {attempt.cleanup_tries} times"
        if (attempt.cleanup and attempt.cleanup_at)
        else attempt.cleanup
    )
    facts = [
        ("Started", parts.moment(attempt.claimed_at) + (", model asleep" if attempt.was_cold else "")),
        ("Kind", "" if attempt.kind == Attempt.Kind.FIRST else attempt.kind),
        ("Steps", path_of_times),
        ("Took", parts.span(end - attempt.claimed_at) + ("" if attempt.finished_at else " so far")),
        ("Prediction", attempt.prediction_id or "not known"),
        ("Progress", f"{attempt.progress:.0%}"),
        ("Last news", parts.age(attempt.heard_at, now=now) + " ago" if attempt.heard_at else ""),
        ("Error", attempt.error_code),
        ("Cost", f"{attempt.cost.normalize():f} USD" if attempt.cost else "0"),
        ("Cleanup", cleanup),
        ("Slot", "held" if attempt.slot_held else "free"),
        ("Given up after", parts.moment(attempt.deadline_at)),
    ]
    return {
        "attempt": attempt,
        "colour": _ATTEMPT_COLOURS.get(Attempt.Status(attempt.status), "processing"),
        "facts": [(name, value) for name, value in facts if value],
        "is_winner": attempt.pk == job.winner_id,
    }
