"""What an owner may see of a job: the JSON body that the API, the socket and the page share."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.functional import lazy

from common.times import rfc3339
from jobs.estimates import eta

from . import messages, receipts, storage
from .models import Job, plain_sql

# Letters that Unicode does not decompose; casefold has turned ß into ss already.
_WITHOUT_MARKS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i"})


class JobRow(NamedTuple):
    """Of a job's row what its snapshot needs: a third of the columns, read without making a model of each."""

    id: UUID
    status: str
    stage: str
    progress: float
    look_slug: str
    hero_name: str
    lane: str
    priority: int
    turn_at: datetime
    reason_code: str
    reason_subject: str
    reason_target: str
    failure_code: str
    seq: int
    created_at: datetime
    finished_at: datetime | None
    deadline_at: datetime
    erase_at: datetime
    erased_at: datetime | None
    poster_key: str
    preview_key: str
    video_key: str
    share_slug: str | None
    taken_down_at: datetime | None
    owner: str

    @property
    def is_final(self) -> bool:
        return self.status in Job.FINAL


_COLUMNS = ", ".join("l.slug" if name == "look_slug" else f"j.{name}" for name in JobRow._fields)
_SELECT = f"SELECT {_COLUMNS} FROM jobs_job j JOIN jobs_look l ON l.id = j.look_id"  # noqa: S608 - names of ours
_TIMES = [index for index, name in enumerate(JobRow._fields) if name.endswith("_at")]


def snapshot(job: Job | JobRow, *, position: int, now: datetime) -> dict[str, Any]:
    """Return the job as the HTTP contract has it. It holds nothing of other people and no storage key.

    Its sentences are lazy: they take the language that is active when the body is rendered.
    """
    return {
        "id": str(job.id),
        "status": job.status,
        "stage": job.stage,
        "progress": round(job.progress, 4),
        "look": job.look_slug,
        "hero_name": job.hero_name,
        "queue": {
            "position": position,
            "eta_seconds": eta.remaining(job, position=position, now=now),
            "reason": _reason(job),
        },
        "failure": _failure(job),
        "seq": job.seq,
        "created_at": _iso(job.created_at),
        "finished_at": _iso(job.finished_at),
        "erase_at": _iso(job.erase_at),
        "erased_at": _iso(job.erased_at),
        "links": _links(job, now=now),
    }


_said_reason = lazy(messages.reason, str)
_said_failure = lazy(lambda code, part: (messages.failure(code) or {})[part], str)


def _reason(job: Job | JobRow) -> str | None:
    if job.is_final:
        return None
    if eta.waits_for_opening(job):
        return _said_reason("nobody_open", "")
    if job.reason_code not in messages.REASONS:
        return None
    return _said_reason(job.reason_code, job.reason_subject, job.reason_target)


def _failure(job: Job | JobRow) -> dict[str, str] | None:
    code = job.failure_code
    if not code:
        return None
    return {"code": code, "message": _said_failure(code, "message"), "next_step": _said_failure(code, "next_step")}


def snapshots_for(job_ids: Iterable[UUID]) -> list[dict[str, Any]]:
    """Return the present snapshots of these jobs; jobs that do not exist are left out."""
    ids = list(job_ids)
    jobs = _rows(f"WHERE j.id IN ({', '.join(['%s'] * len(ids))})", *ids) if ids else []
    positions, now = eta.positions(jobs), timezone.now()
    return [snapshot(job, position=positions[job.id], now=now) for job in jobs]


def of(job: Job, *, now: datetime) -> dict[str, Any]:
    """Return the snapshot of a job whose row was just read."""
    position = job.position if job.position is not None else eta.positions([job])[job.id]
    return snapshot(job, position=position, now=now)


def with_receipt(job: Job, *, now: datetime) -> dict[str, Any]:
    """Return the snapshot with the receipt of its acceptance, for the answer that accepts a job.

    A receipt never changes and would add a third to each message, so sockets, lists and polls do not have it.
    """
    return {**of(job, now=now), "receipt": receipts.for_accepted(job)}


def read(job_id: UUID, owner: str, opened: Collection[UUID] = ()) -> dict[str, Any] | None:
    """Return the snapshot of a job that this owner may see; None when there is no such job."""
    row = next(iter(_rows("WHERE j.id = %s", job_id)), None)
    if row is None or not (row.id in opened or (owner and row.owner == owner)):
        return None
    return snapshot(row, position=eta.positions([row])[row.id], now=timezone.now())


def _rows(condition: str, *values: Any) -> list[JobRow]:
    """Return the rows that a condition written out describes: `j` is the job, `%s` stands for each of `values`."""
    found = []
    for row in plain_sql.every(f"{_SELECT} {condition}", *values):
        read = list(row)
        read[0] = read[0] if isinstance(read[0], UUID) else UUID(read[0])  # SQLite keeps its digits
        for index in _TIMES:
            read[index] = read[index] and plain_sql.moment(read[index])
        found.append(JobRow(*read))
    return found


_SOME_ID = str(UUID(int=0))


@lru_cache(maxsize=4)
def _addresses(prefix: str) -> tuple[str, str]:
    """Return the addresses of a job in the API and of its page, with _SOME_ID in place of its own."""
    return reverse("api:job", args=[_SOME_ID]), reverse("job", args=[_SOME_ID])


def _links(job: Job | JobRow, *, now: datetime) -> dict[str, str | None]:
    itself, page = (address.replace(_SOME_ID, str(job.id)) for address in _addresses(get_script_prefix()))
    poster_key = job.poster_key or job.preview_key
    return {
        "self": itself,
        "events": f"{itself}events/",
        "cancel": f"{itself}cancel/",
        "page": page,
        "socket": f"/ws/jobs/{job.id}/",
        "stream": f"{itself}stream/",
        "poster": storage.signed_url(poster_key, filename="poster.jpg", now=now) or None,
        "video": storage.signed_url(job.video_key, filename=film_name(job), now=now) or None,
        "share": reverse("share", args=[job.share_slug]) if job.share_slug and not job.taken_down_at else None,
    }


def film_name(job: Job | JobRow) -> str:
    """Return the file name for a downloaded film: letters and digits of any script, with dashes between."""
    name = unicodedata.normalize("NFC", job.hero_name.casefold())
    return f"{_dashed(name, _is_letter) or 'selfie-hero'}-{job.look_slug}.mp4"


def plain_name(filename: str) -> str:
    """Return a file name in ASCII, for clients that read no other: zoë-neon-noir.mp4 becomes zoe-neon-noir.mp4."""
    stem, dot, extension = filename.rpartition(".")
    apart = unicodedata.normalize("NFKD", stem.casefold().translate(_WITHOUT_MARKS))
    bare = "".join(char for char in apart if not unicodedata.combining(char))
    return f"{_dashed(bare, lambda char: char.isascii() and char.isalnum()) or 'selfie-hero'}{dot}{extension}"


def _dashed(text: str, is_kept: Callable[[str], bool]) -> str:
    kept = "".join(char if is_kept(char) else "-" for char in text)
    return "-".join(part for part in kept.split("-") if part)


def _is_letter(char: str) -> bool:
    # Combining marks belong to a letter; scripts with vowel signs are unreadable without them.
    return char.isalnum() or unicodedata.category(char)[0] == "M"


def receipt_status(receipt: receipts.Receipt) -> dict[str, Any]:
    """Return what a receipt states and the present state of its job, for anyone who holds the receipt.

    It has no name, no look and no address of photo or film.
    """
    job = Job.objects.filter(id=receipt.job_id).first()
    outcome = _outcome(job)
    return {
        "genuine": True,
        "did": receipt.did,
        "job": str(receipt.job_id),
        "photo_sha256": receipt.photo_sha256,
        "at": _iso(receipt.at),
        "key_id": receipt.key_id,
        "outcome": outcome,
        "message": messages.outcome(outcome),
        "status": job.status if job else None,
        "stage": job.stage if job else None,
        "failure": messages.failure(job.failure_code) if job else None,
        "finished_at": _iso(job.finished_at) if job else None,
        "erase_at": _iso(job.erase_at) if job else None,
        "erased_at": _iso(job.erased_at) if job else None,
    }


def _outcome(job: Job | None) -> str:
    if job is None:
        return "forgotten"
    if job.erased_at:
        return "erased"
    return job.status if job.is_final else "open"


def _iso(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
