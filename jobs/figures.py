"""What people got, in numbers: how soon they saw themselves."""

from __future__ import annotations

from dataclasses import dataclass

from providers.models import ProviderConfig

from . import warmth
from .models import Attempt, Job

NEWEST = 500


@dataclass(frozen=True)
class Spread:
    """Seconds: the median, and what 90 % stayed within."""

    count: int
    median: float
    slow: float


def first_frames(*, provider: ProviderConfig | None = None) -> Spread | None:
    """Return how long after their 202 the newest jobs had their first picture; None before there was one.

    With a provider, of the jobs whose film it made.
    """
    if provider is None:
        rows = Job.objects.filter(status=Job.Status.SUCCEEDED, first_frame_at__isnull=False).order_by("-created_at")
        moments = rows.values_list("created_at", "first_frame_at")
    else:
        won = Attempt.objects.filter(provider=provider, status=Attempt.Status.SUCCEEDED)
        won = won.filter(job__first_frame_at__isnull=False).order_by("-claimed_at")
        moments = won.values_list("job__created_at", "job__first_frame_at")
    seconds = [(first - created).total_seconds() for created, first in moments[:NEWEST] if created and first]
    if not seconds:
        return None
    return Spread(len(seconds), warmth.percentile(seconds, 0.5) or 0.0, warmth.percentile(seconds, 0.9) or 0.0)
