"""What staff may do to jobs, one at a time: from a job's page, from the list, and in bulk. Each is in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from jobs import moving, services
from jobs.audit import audit
from jobs.models import QUEUE_LANES, Job


def _cancel(job_id: UUID, *, now: datetime, actor: Any, address: str, once: str = "") -> Job | None:
    if not services.cancel_job(job_id, now=now, by="staff"):
        raise services.NotPossible("it had ended already")
    audit(actor, "job_canceled", str(job_id), {}, now=now, address=address)
    return None


def _retry(job_id: UUID, *, now: datetime, actor: Any, address: str, once: str = "") -> Job | None:
    return services.retry_job(job_id, now=now, actor=actor, address=address, once=once)


def _erase(job_id: UUID, *, now: datetime, actor: Any, address: str, once: str = "") -> Job | None:
    services.erase_job(job_id, now=now, by="staff")
    audit(actor, "job_erased", str(job_id), {}, now=now, address=address)
    return None


def _move(job_id: UUID, *, now: datetime, actor: Any, address: str, once: str = "") -> Job | None:
    left = moving.move_job(job_id, now=now)
    if not left:
        raise services.NotPossible("no provider has it any more")
    audit(actor, "job_moved", str(job_id), {"from": left}, now=now, address=address)
    return None


def _put_first(job_id: UUID, *, now: datetime, actor: Any, address: str, once: str = "") -> Job | None:
    return _set_priority(job_id, 10, now=now, actor=actor, address=address)


def _put_back(job_id: UUID, *, now: datetime, actor: Any, address: str, once: str = "") -> Job | None:
    return _set_priority(job_id, 0, now=now, actor=actor, address=address)


def _set_priority(
    job_id: UUID, priority: int, *, now: datetime, actor: Any, address: str, once: str = ""
) -> Job | None:
    services.set_priority(job_id, priority=priority, now=now)
    audit(actor, "job_priority", str(job_id), {"priority": priority}, now=now, address=address)
    return None


@dataclass(frozen=True)
class StaffAction:
    """One action. `possible` selects the jobs that allow it, `otherwise` says why the others do not.

    `act(job_id, now=, actor=, address=, once="")` does it, raises NotPossible when the job no longer allows it, and
    returns the job that was made, if any: with the idempotency key `once`.
    """

    name: str
    button: str
    question: str
    warning: str
    done: str
    possible: Q
    otherwise: str
    act: Callable[..., Job | None]


CANCEL = StaffAction(
    name="cancel_jobs",
    button="Cancel",
    question="cancel",
    warning="Their predictions are told to stop. A canceled job stays canceled.",
    done="canceled",
    possible=Q(status__in=Job.OPEN),
    otherwise="ended already",
    act=_cancel,
)
RETRY = StaffAction(
    name="retry_jobs",
    button="Try again",
    question="try again",
    warning="Each gets a new job with the same photo, consent, hour of erasure, look and name; the old one stays as it "
    "ended. Films cost again.",
    done="tried again",
    possible=Q(status__in=Job.FINAL, erased_at=None) & (~Q(clean_key="") | ~Q(raw_key="")),
    otherwise="still under way, or the photo is gone or about to be erased",
    act=_retry,
)
ERASE = StaffAction(
    name="erase_jobs",
    button="Erase",
    question="erase",
    warning="Photo, film, poster and name are removed here and at the providers, with those of every job that staff "
    "made of the same photo. This cannot be undone.",
    done="erased",
    possible=Q(erased_at=None),
    otherwise="erased already",
    act=_erase,
)
MOVE = StaffAction(
    name="move_jobs",
    button="Send to another provider",
    question="send to another provider",
    warning="The provider that has them is told to stop, and may still charge for its films. They go back to it only "
    "when no other open provider can have them.",
    done="sent to another provider",
    possible=Q(status__in=Job.OPEN, lane="", winner=None),
    otherwise="no provider has them now",
    act=_move,
)

PUT_FIRST = StaffAction(
    name="put_jobs_first",
    button="Put first",
    question="put before all others in the queue",
    warning="All jobs without such a priority wait a little longer.",
    done="put first",
    possible=Q(lane__in=QUEUE_LANES) & ~Q(priority=10),
    otherwise="not waiting, or first already",
    act=_put_first,
)
PUT_BACK = StaffAction(
    name="put_jobs_back",
    button="Put back in the queue",
    question="put back to their own position in the queue",
    warning="They wait as if they had never been put first.",
    done="put back in the queue",
    possible=Q(lane__in=QUEUE_LANES) & ~Q(priority=0),
    otherwise="not waiting, or without a priority",
    act=_put_back,
)
