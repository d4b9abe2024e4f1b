"""What people and staff can do with jobs. Views, API and admin call these functions; the rules are here."""

from __future__ import annotations

import hashlib
import logging
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from jobs.estimates import eta
from jobs.queue import claims, queues

from . import consent, erasure_list, lifecycle, queue_order, receipts, signals, storage
from .audit import audit
from .models import ErasureCount, Job, JobEvent, Lane, Look, next_seq, plain_sql

logger = logging.getLogger(__name__)


class IdempotencyConflict(Exception):
    """The Idempotency-Key was used before with other content."""


class PhotoGone(Exception):
    """The photo is erased, or will be before it could be used; the message is for people."""


class NotPossible(Exception):
    """The job is not in a state that allows this; the message is for people."""


class TakenDown(NotPossible):
    """Staff have taken the film from the public, so it cannot be shared."""


@dataclass(frozen=True)
class JobInput:
    """The fields of a new job, checked by `jobs.intake.job_input`."""

    photo: bytes
    extension: str
    look: Look
    hero_name: str = ""
    email: str = ""
    locale: str = ""
    idempotency_key: str | None = None
    photo_cost: int = 1  # of opening it, see `jobs.photos.decode_cost`
    keeps_long: bool = False  # the film for settings.LONG_RETENTION
    face: str = ""  # "x,y" on the face that the film is about, in fractions of the photo


def create_job(given: JobInput, *, owner: str, now: datetime, newcomer_from: str = "") -> tuple[Job, bool]:
    """Accept a new job and return it, and whether it is new.

    The photo is stored before the row, and the row before the nudge, so every accepted job will end. The same owner,
    key and content give the same job, even when fifty requests come at once and when the job has ended since; the same
    key with other content raises IdempotencyConflict (decision 0053). Raise OSError when storage is (nearly) full.
    Whoever came without a cookie from the network `newcomer_from` shares their turns in the queue.
    """
    digest = hashlib.sha256(given.photo).hexdigest()
    if given.idempotency_key and (earlier := _earlier(given, owner)):
        return _same_or_conflict(earlier, given, digest), False
    storage.keep_room()
    turn: dict[str, Any] = {
        "turn_key": queue_order.turn_key(owner, newcomer_from=newcomer_from),
        "photo_cost": given.photo_cost,
    }
    # Before the photo is stored, so that without a database none is.
    promised = eta.promise(**turn, now=now)
    agreed = consent.fields_of(given.locale, now=now)
    key = storage.save(storage.new_key("raw", given.extension), given.photo)
    job = Job(
        id=uuid.uuid4(),
        owner=owner,
        **turn,
        look=given.look,
        hero_name=given.hero_name,
        lane=Lane.PREPARE,
        due_at=now,
        raw_key=key,
        photo_sha256=digest,
        photo_bytes=len(given.photo),
        face=given.face,
        idempotency_key=given.idempotency_key,
        **agreed,
        locale=given.locale,
        email=given.email,
        erase_at=now + (settings.LONG_RETENTION if given.keeps_long else settings.RETENTION),
    )
    try:
        job = _accept(job, key, promised, now=now)
    except IntegrityError:
        return _same_or_conflict(_accepted_meanwhile(given, owner), given, digest), False
    logger.info("job_accepted job=%s look=%s bytes=%d", job.id, given.look.slug, len(given.photo))
    return job, True


def _accept(
    job: Job, key: str, promised: eta.Promise, *, now: datetime, copied_from: Job | None = None, relation: str = ""
) -> Job:
    """Commit a new job with its promise, and return it with its queue position: the last step of every way to a job.

    Its photo is stored under `key` already, and removed when the job is not committed. A job with a copy of another
    job's photo names that one in its first event, as `relation`; with a clean photo it goes straight to dispatch. Raise
    PhotoGone when the other job was erased meanwhile, IntegrityError when the job's idempotency key was taken.
    """
    job.created_at, job.deadline_at = now, now + settings.JOB_DEADLINE
    job.promised_p50, job.promised_p90 = promised.p50, promised.p90
    data: dict[str, Any] = {"promised": [promised.p50, promised.p90]}
    try:
        with transaction.atomic():
            if copied_from is not None:
                _hold_unerased(copied_from)
                data[relation] = str(copied_from.id)
            lifecycle.accept(job, now=now, data=data)
            if copied_from is not None and copied_from.clean_key:
                lifecycle.mark_photo_ready(
                    job.id, lease_token=job.lease_token, clean_key=key, has_face=copied_from.has_face, now=now
                )
                queues.nudge_after_commit(Lane.DISPATCH)
            else:
                queues.nudge_after_commit(Lane.PREPARE)
    except IntegrityError:
        storage.discard([key])
        raise
    except BaseException:
        if _is_surely_absent(job.id):
            storage.discard([key])
        raise
    if copied_from is not None:
        job = Job.objects.select_related("look").get(id=job.id)
    job.position = promised.position
    return job


def _hold_unerased(job: Job) -> None:
    """Lock a job and the first one of its photo against erasure until the transaction ends. PhotoGone if one was."""
    ids = {job.id, job.retry_of_id or job.id}
    held = Job.objects.select_for_update().filter(id__in=ids, erased_at=None).order_by("id")
    if len(held.values_list("id", flat=True)) < len(ids):
        raise PhotoGone(_("The photo of this film is gone."))


def _is_surely_absent(job_id: UUID) -> bool:
    """Return whether a job whose transaction ended in an error certainly does not exist.

    When a connection breaks during COMMIT, that is unknown, and the photo stays: retention removes it if need be.
    """
    try:
        return not Job.objects.filter(id=job_id).exists()
    except Error:
        return False


def _earlier(given: JobInput, owner: str) -> Job | None:
    return plain_sql.first(Job, "owner = %s AND idempotency_key = %s", owner, given.idempotency_key)


def _accepted_meanwhile(given: JobInput, owner: str) -> Job:
    """Return the job that took the idempotency key first; raise the present IntegrityError when there is none."""
    earlier = _earlier(given, owner) if given.idempotency_key else None
    if earlier is None:
        raise
    return earlier


def _same_or_conflict(job: Job, given: JobInput, digest: str) -> Job:
    is_same = (job.photo_sha256, job.hero_name, job.face) == (digest, given.hero_name, given.face)
    if job.look_id != given.look.id or not (job.erased_at or is_same):
        changed = JobEvent.objects.filter(job=job, kind="changed")  # look or name, while it waited in line
        if job.photo_sha256 != digest or not changed.exists():
            raise IdempotencyConflict
    return job


def remix_job(
    job_id: UUID,
    *,
    look: Look,
    now: datetime,
    hero_name: str | None = None,
    idempotency_key: str | None = None,
) -> tuple[Job, bool]:
    """Make another film of an ended job's photo; return the new job, and whether it is new.

    The photo is copied, so that erasing one job leaves the other alone. The consent was given for this photo and this
    purpose, so it is copied too, and so is the time of erasure: no photo is kept longer than promised at its upload.
    Raise NotPossible while the first film is being made, PhotoGone when the photo is gone or about to be erased.
    """
    old = Job.objects.get(id=job_id)
    name = old.hero_name if hero_name is None else hero_name
    given = JobInput(b"", "", look, name, old.email, old.locale, idempotency_key)
    if idempotency_key and (earlier := _earlier(given, old.owner)):
        return _same_remix(earlier, given, old, hero_name), False
    if not old.is_final:
        raise NotPossible(
            _("This film is still being made. When it is finished, another can be made of the same photo.")
        )
    if not old.clean_key:
        raise PhotoGone(_("The photo of this film is gone, or is about to be erased."))
    try:
        job = _copy_job(old, given, relation="remix_of", now=now)
    except FileNotFoundError:
        raise PhotoGone(_("The photo of this film is gone.")) from None
    except IntegrityError:
        return _same_remix(_accepted_meanwhile(given, old.owner), given, old, hero_name), False
    logger.info("job_remixed job=%s of=%s look=%s", job.id, old.id, look.slug)
    return job, True


def _copy_job(old: Job, given: JobInput, *, relation: str, now: datetime) -> Job:
    """Return a new job with a copy of the photo of an ended one.

    Consent and the time of erasure belong to the photo and are copied. Raise PhotoGone when it is erased, or will be
    before the new job's deadline; FileNotFoundError when its file is missing; IntegrityError when the idempotency key
    is taken.
    """
    if old.erased_at or not (old.clean_key or old.raw_key) or old.erase_at - now < settings.JOB_DEADLINE:
        raise PhotoGone(_("The photo of this film is gone, or is about to be erased."))
    storage.keep_room()
    source = old.clean_key or old.raw_key
    promised = eta.promise(old.owner, now=now)
    kind, extension = ("clean", "jpg") if old.clean_key else ("raw", source.rpartition(".")[2])
    key = storage.save(storage.new_key(kind, extension), storage.read(source))
    job = Job(
        id=uuid.uuid4(),
        owner=old.owner,
        look=given.look,
        hero_name=given.hero_name,
        lane=Lane.PREPARE,
        due_at=now,
        lease_token=claims.new_token() if old.clean_key else "",
        raw_key="" if old.clean_key else key,
        photo_sha256=old.photo_sha256,
        photo_bytes=old.photo_bytes,
        photo_cost=old.photo_cost,
        face="" if old.clean_key else old.face,
        idempotency_key=given.idempotency_key,
        consent_version=old.consent_version,
        consent_sha256=old.consent_sha256,
        consent_language=old.consent_language,
        consent_age=old.consent_age,
        consent_at=old.consent_at,
        locale=old.locale,
        email=old.email,
        erase_at=old.erase_at,
        retry_of_id=(old.retry_of_id or old.id) if relation == "retry_of" else None,
    )
    return _accept(job, key, promised, now=now, copied_from=old, relation=relation)


def _same_remix(job: Job, given: JobInput, old: Job, hero_name: str | None) -> Job:
    """Return the job made with this key before, if it is the same remix; otherwise raise IdempotencyConflict."""
    accepted = JobEvent.objects.filter(job=job, seq=1).values_list("data", flat=True).first() or {}
    same_name = job.erased_at is not None or hero_name is None or job.hero_name == hero_name
    if accepted.get("remix_of") != str(old.id) or job.look_id != given.look.id or not same_name:
        raise IdempotencyConflict
    return job


def cancel_job(job_id: UUID, *, now: datetime, by: str = "owner") -> bool:
    """Cancel a job, its predictions and delete its photo. Return False when it had ended already."""
    with transaction.atomic():
        changed = lifecycle.cancel(job_id, now=now, by=by)
        if changed:
            queues.nudge_after_commit(Lane.DISPATCH)
    if changed:
        logger.info("job_canceled job=%s by=%s", job_id, by)
        _delete_photo(job_id)
    return changed


def _delete_photo(job_id: UUID) -> None:
    """Delete the photo of a job that has ended."""
    keys = Job.objects.values_list("raw_key", "clean_key", "preview_key").get(id=job_id)
    try:
        storage.delete(keys)
    except OSError as error:
        logger.error("photo_not_deleted job=%s error=%s", job_id, type(error).__name__)
        return  # the row still names it, and retention deletes it
    Job.objects.filter(id=job_id).update(raw_key="", clean_key="", preview_key="")


def erase_job(job_id: UUID, *, now: datetime, by: str = "owner") -> dict[str, Any]:
    """Erase photo, film and everything about the person, here and at the providers; return a receipt.

    A job under way is canceled first. Erasing twice gives the same receipt. Staff's retries of a job have copies of a
    photo that its owner gave once, so all of them are erased with any one of them; a remix is another film its owner
    asked for, and has an erasure of its own.
    """
    _erase_one(job_id, now=now, by=by)
    # Again until none is left: a retry may have been committed before the first job of the photo was marked.
    while retries := _not_erased_of_the_same_photo(job_id):
        for retry_id in retries:
            _erase_one(retry_id, now=now, by=by)
    return receipts.statement(Job.objects.get(id=job_id))


def _not_erased_of_the_same_photo(job_id: UUID) -> list[UUID]:
    """Return the jobs that have the photo of this one by retry, the first of them first."""
    first = Job.objects.values_list("retry_of_id", flat=True).get(id=job_id) or job_id
    jobs = Job.objects.filter(Q(id=first) | Q(retry_of_id=first), erased_at=None).order_by("created_at")
    return list(jobs.values_list("id", flat=True))


def _erase_one(job_id: UUID, *, now: datetime, by: str) -> None:
    cancel_job(job_id, now=now, by=by)
    job = Job.objects.get(id=job_id)
    if job.erased_at is None:
        # Files go first: a crash in between leaves a row without files, never a file without a row.
        # Nothing is added meanwhile: the job is final, and late writers delete the files that they stored.
        storage.delete([job.raw_key, job.clean_key, job.preview_key, job.poster_key, job.video_key])
        if job.erase_at > now:
            erasure_list.record([job_id], at=now)
        with transaction.atomic():
            if lifecycle.mark_erased(job_id, now=now):
                lifecycle.forget_attempts([job_id], now=now)
                ErasureCount.objects.add(ErasureCount.FILMS, by=by, promised=[job.erase_at], now=now)
        logger.info("job_erased job=%s by=%s", job_id, by)


def erase_everything(owner: str, *, now: datetime) -> list[dict[str, Any]]:
    """Erase all jobs of an owner, and return a receipt for each that was not erased before, the newest first."""
    jobs = Job.objects.visible_to(owner).filter(erased_at=None).order_by("-created_at")
    return [erase_job(job_id, now=now) for job_id in list(jobs.values_list("id", flat=True))]


def share_job(job_id: UUID, *, now: datetime) -> Job:
    """Give a finished film a public address. Doing it twice keeps the first one."""
    with transaction.atomic():
        job = Job.objects.select_for_update().select_related("look").get(id=job_id)
        if job.status != Job.Status.SUCCEEDED or job.erased_at:
            raise NotPossible(_("Only a finished film can be shared."))
        if job.taken_down_at:
            raise TakenDown(_("We took this film down after a report, so it cannot be shared."))
        if not job.share_slug:
            job.share_slug = secrets.token_urlsafe(9)
            note_change(job, "shared", now, share_slug=job.share_slug)
    return job


def unshare_job(job_id: UUID, *, now: datetime) -> Job:
    """Take a film's public address away."""
    with transaction.atomic():
        job = Job.objects.select_for_update().select_related("look").get(id=job_id)
        if job.share_slug:
            job.share_slug = None
            note_change(job, "unshared", now, share_slug=None)
    return job


def retry_job(job_id: UUID, *, now: datetime, actor: Any, address: str = "", once: str | None = None) -> Job:
    """Make a new job from an ended one, with the same photo, consent and time of erasure; staff only.

    Terminal is terminal, so the old job stays as it ended. NotPossible without a photo, and when it will be erased
    before the new job could end, IntegrityError when the owner has a job with the idempotency key `once` already.
    """
    old = Job.objects.select_related("look").get(id=job_id)
    if not old.is_final:
        raise NotPossible("Only an ended job can be tried again.")
    given = JobInput(b"", "", old.look, old.hero_name, old.email, old.locale, once or None)
    try:
        job = _copy_job(old, given, relation="retry_of", now=now)
    except PhotoGone as gone:
        raise NotPossible("Only a job whose photo is kept for long enough can be tried again.") from gone
    audit(actor, "job_retried", str(old.id), {"new_job": str(job.id)}, now=now, address=address)
    return job


def set_priority(job_id: UUID, *, priority: int, now: datetime) -> None:
    """Set the priority of a waiting job. Raise NotPossible when it no longer waits."""
    with transaction.atomic():
        job = Job.objects.in_queue().select_for_update().filter(id=job_id).first()
        if job is None:
            raise NotPossible("Only a job that waits in the queue has a position in it.")
        if job.priority != priority:
            note_change(job, "priority", now, priority=priority)


def note_change(job: Job, kind: str, now: datetime, **values: Any) -> None:
    """Change something other than the status of a job, with an event."""
    Job.objects.filter(id=job.id).update(seq=next_seq(), **values)
    job.seq = Job.objects.values_list("seq", flat=True).get(id=job.id)
    JobEvent.objects.create(job_id=job.id, seq=job.seq, kind=kind, at=now)
    signals.announce(job.id)
