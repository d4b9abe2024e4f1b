"""A live drill: the first provider is parked, and what comes meanwhile has to go elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import timedelta

from jobs.audit import Shell, audit
from jobs.clock import database_now
from jobs.models import Attempt
from jobs.now import Facts
from providers import switches
from providers.models import ProviderConfig

from .evening import AREA
from .lines import AMBER, GREEN, RED, Line

logger = logging.getLogger(__name__)
_NAME = "Fallback drill"
# More than the drill, so that a process that is killed in it leaves nothing parked for long.
_SPARE = timedelta(seconds=30)


def drill(facts: Facts, *, seconds: int, by: str) -> Iterator[Line]:
    """Park the provider that staff put first for so many seconds, and count who gets the films meanwhile."""
    if not seconds:
        return
    first = next((one.row for one in facts.studios if one.row.enabled and one.row.is_open(now=facts.at)), None)
    if first is None:
        yield Line(AREA, _NAME, RED, "No provider is open, so there is none to park.", mend="Enable one.")
        return
    began = database_now()

    def record(row: ProviderConfig, data: dict[str, object]) -> None:
        audit(Shell(by or "readiness"), "provider_parked", row.slug, data | {"why": "drill"}, now=began)

    rows = ProviderConfig.objects.filter(pk=first.pk)
    switches.park(rows, until=began + timedelta(seconds=seconds) + _SPARE, record=record, now=began)
    parked_at = database_now()  # what was claimed before the commit is no fault
    try:
        time.sleep(seconds)
    finally:
        switches.end_parking(rows, now=database_now())
    claimed = Attempt.objects.filter(claimed_at__gt=parked_at).exclude(job=None)
    elsewhere = claimed.exclude(provider=first).count()
    there = claimed.filter(provider=first).count()
    measured = f"{seconds} s: {elsewhere} films went elsewhere, {there} to {first}"
    if there:
        yield Line(
            AREA, _NAME, RED, f"{first} got films while it was parked.", measured, "Look at the workers' versions."
        )
    elif elsewhere:
        yield Line(AREA, _NAME, GREEN, f"{first} was parked, and films went elsewhere.", measured)
    else:
        mend = "Drill again while somebody asks for films (`make surge`, or one selfie)."
        yield Line(
            AREA, _NAME, AMBER, "Nobody asked for a film meanwhile, or nobody else could make it.", measured, mend
        )
