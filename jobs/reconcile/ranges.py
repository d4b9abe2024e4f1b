"""Saying why a film takes longer than was told: no range grows without a word, and the job's history keeps both.

A job's event `range` has the range that was told last, the one that holds now, both in seconds from the upload, and the
reason. The next one is written when the range has grown as much again.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from jobs import lifecycle
from jobs.estimates import eta
from jobs.models import Attempt, Job, JobEvent

GROWS_BY, AT_LEAST = 1.3, 10  # times what was told, and seconds beyond it
MOST = 200  # jobs looked at in a step, those that have waited longest


def explain_grown(*, now: datetime, limit: int = MOST) -> int:
    """Give a reason to open jobs whose films come later than was told; return to how many."""
    jobs = list(Job.objects.is_open().select_related("look").order_by("deadline_at")[:limit])
    if not jobs:
        return 0
    told = {job.id: (job.promised_p50, job.promised_p90) for job in jobs if job.promised_p90}
    events = JobEvent.objects.filter(job__in=list(told), kind="range").order_by("seq")
    told |= {job_id: (data["now"][0], data["now"][1]) for job_id, data in events.values_list("job_id", "data")}
    positions, grown = eta.positions(jobs), {}
    for job in jobs:
        if job.id not in told:
            continue
        waited = (now - job.created_at).total_seconds()
        left = eta.remaining(job, position=positions[job.id], now=now)
        present = [round(waited + left[name]) for name in ("p50", "p90")]
        if present[1] > told[job.id][1] * GROWS_BY + AT_LEAST:
            grown[job.id] = {"told": list(told[job.id]), "now": present}
    if not grown:
        return 0
    slow = dict(
        Attempt.objects.filter(job__in=list(grown), status__in=Attempt.OPEN).values_list("job_id", "provider__title")
    )
    explained = 0
    for job in jobs:
        if job.id not in grown:
            continue
        title = slow.get(job.id, "")
        code = job.reason_code or ("provider_slow" if title else "films_slower")
        with transaction.atomic():
            explained += lifecycle.explain_range(
                job.id,
                lifecycle.Reason(code, job.reason_subject or title, job.reason_target),
                data=grown[job.id],
                now=now,
            )
    return explained
