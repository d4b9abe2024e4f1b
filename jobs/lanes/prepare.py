"""The prepare lane: from the photo as it came to a clean one, or to a reason why not.

The decoding happens in processes of their own with limits (`jobs.photos.sandbox`), PREPARE_CHILDREN of them, over
which a batch is spread; this worker only moves bytes. The raw photo is deleted as soon as the clean one is stored.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from jobs import lifecycle, queue_order, storage
from jobs.clock import database_now
from jobs.models import Lane
from jobs.photos.outcomes import BadPhoto, read_point
from jobs.photos.sandbox import CleansPhotos, Sandboxes, SandboxUnavailable
from jobs.queue import claims, queues
from jobs.queue.engine import LaneWork

from .unreferenced_files import unreferenced

logger = logging.getLogger(__name__)

# Not for the longest decoding (a new sandbox and its time limit, 22 s) but for a few renewals that fail to come in
# time: whoever sent a photo just before its worker died waits this long, and not half a minute.
LEASE = timedelta(seconds=5)
# Photos claimed at a time for each sandbox: enough that none of them waits for the lane's next look (0.2 s under load)
# while there are photos; a small photo takes 8 ms. Costly ones count for more (`Job.photo_cost`, 0.1 s of CPU each):
# whoever comes first in the queue next waits three seconds at most for those that are under way.
PHOTOS_A_SANDBOX = 32
# Of these so many are in memory: one is opened, one is ready. A photo may have 12 MB.
READ_A_SANDBOX = 2
# After a trouble of ours; doubled with each, so that a photo which meets one every time leaves the lane to others.
RETRY_AFTER, MOST_RETRY_AFTER = timedelta(seconds=2), timedelta(minutes=1)


@dataclass(frozen=True)
class _Photo:
    job_id: UUID
    raw_key: str
    lease_token: str
    tries: int = 0
    cost: int = 1
    allow_no_face: bool = False
    face: str = ""

    @property
    def key(self) -> str:
        """What tells this claim of the photo from any other."""
        return f"{self.job_id} {self.lease_token}"


@dataclass(frozen=True)
class _Outcome:
    photo: _Photo
    clean_key: str = ""
    has_face: bool = True
    failure_code: str = ""
    retry: bool = False


class PrepareLane(LaneWork):
    lane = Lane.PREPARE

    def __init__(self, sandbox: CleansPhotos | None = None) -> None:
        """`sandbox` is for tests; else there are PREPARE_CHILDREN sandboxes, started by `warm_up` or when needed."""
        self.sandbox = sandbox or Sandboxes(settings.PREPARE_CHILDREN)
        self.threads = PHOTOS_A_SANDBOX * settings.PREPARE_CHILDREN
        self._in_memory = threading.BoundedSemaphore(READ_A_SANDBOX * settings.PREPARE_CHILDREN)
        self._sandbox_count = settings.PREPARE_CHILDREN
        self._under_way: dict[str, _Photo] = {}

    def warm_up(self) -> None:
        try:
            self.sandbox.start()
        except SandboxUnavailable as error:
            logger.error("sandbox_unavailable error=%s", error)

    def claim(self, room: int) -> list[_Photo]:
        cost_limit = self.threads - sum(photo.cost for photo in self._under_way.values())
        idle = max(0, self._sandbox_count - len(self._under_way))
        if cost_limit <= 0 and not idle:
            return []
        if not claims.has_due(Lane.PREPARE, now=database_now()):
            return []
        with transaction.atomic():  # one commit for the claim and the news of it
            claim = claims.claim_lane(Lane.PREPARE, limit=room, lease=LEASE, cost_limit=cost_limit, at_least=idle)
            now = claim.until - LEASE
            lifecycle.start_preparing_all([job.id for job in claim.jobs], lease_token=claim.lease_token, now=now)
        allowed = bool(claim.jobs) and queue_order.any_takes_no_face()
        photos = [
            _Photo(job.id, job.raw_key, claim.lease_token, job.lane_tries, job.photo_cost, allowed, job.face)
            for job in claim.jobs
        ]
        self._under_way |= {photo.key: photo for photo in photos}
        return photos

    def keep(self, items: list[_Photo]) -> None:
        claims.renew([(photo.job_id, photo.lease_token) for photo in items], lane=self.lane, lease=LEASE)

    def give_back(self, items: list[_Photo]) -> None:
        with transaction.atomic():
            claims.give_back([(photo.job_id, photo.lease_token) for photo in items], lane=self.lane)
            queues.nudge_after_commit(self.lane)

    def work(self, photo: _Photo) -> _Outcome:
        with self._in_memory:
            return self._clean(photo)

    def _clean(self, photo: _Photo) -> _Outcome:
        try:
            raw = storage.read(photo.raw_key)
        except FileNotFoundError:
            return _Outcome(photo, failure_code="photo_unreadable")
        except OSError:
            return _Outcome(photo, retry=True)
        try:
            clean = self.sandbox.clean(raw, allow_no_face=photo.allow_no_face, at=read_point(photo.face))
        except BadPhoto as bad:
            return _Outcome(photo, failure_code=bad.code)
        except SandboxUnavailable as error:
            logger.error("sandbox_unavailable error=%s", error)
            return _Outcome(photo, retry=True)
        try:
            key = storage.save(storage.new_key("clean", "jpg"), clean.jpeg)
            return _Outcome(photo, clean_key=key, has_face=clean.face is not None)
        except OSError:
            return _Outcome(photo, retry=True)

    def record(self, outcomes: list[_Outcome]) -> None:
        for outcome in outcomes:
            self._under_way.pop(outcome.photo.key, None)
        unwanted: list[str] = []
        refused: list[str] = []
        now = database_now()
        with transaction.atomic():
            clean = {
                lifecycle.CleanPhoto(
                    outcome.photo.job_id, outcome.photo.lease_token, outcome.clean_key, outcome.has_face
                ): outcome.photo.raw_key
                for outcome in outcomes
                if outcome.clean_key
            }
            taken = lifecycle.mark_photos_ready(list(clean), now=now)
            # Canceled, erased or claimed by another worker meanwhile: what was brought goes.
            unwanted += [raw_key for photo, raw_key in clean.items() if photo in taken]
            refused += [photo.clean_key for photo in clean if photo not in taken]
            for outcome in outcomes:
                photo = outcome.photo
                if outcome.clean_key:
                    continue
                if outcome.retry:
                    self._retry(photo)
                else:
                    if lifecycle.fail_photo(
                        photo.job_id, lease_token=photo.lease_token, code=outcome.failure_code, now=now
                    ):
                        unwanted.append(photo.raw_key)
            queues.nudge_after_commit(Lane.DISPATCH)
        of = [outcome.photo.job_id for outcome in outcomes]
        storage.discard([*unwanted, *unreferenced(refused, brought_for=of)])

    def record_crash(self, item: _Photo, error: BaseException) -> None:
        self._under_way.pop(item.key, None)
        self._retry(item)

    def _retry(self, photo: _Photo) -> None:
        """Our own trouble, not the photo's: try again until the job's deadline."""
        pause = min(RETRY_AFTER * 2 ** min(photo.tries, 10), MOST_RETRY_AFTER)
        claims.release(photo.job_id, lease_token=photo.lease_token, due_at=database_now() + pause)
