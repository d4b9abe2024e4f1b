"""One submit, from reading the photo to the result. Runs in a thread, without the database.

    photo ─► upload (where the vendor wants one) ─► POST, once ─► answered | refused | lost
                                                                               │ looked up at once
                                                            found: adopted ◄───┴───► not created

**When the answer is lost**, the vendor is asked LISTING_DELAY after the call whether a prediction was created. One
that is found is adopted. That there is *none* is believed only when the whole `submit_timeout` has passed since the
POST, the longest that a vendor is ever given. Then the job goes to the next provider, within a second of the time-out,
and this vendor is asked again a minute later (`polling.SWEEP_AFTER`), to stop a prediction that it created after all.
This is the one case in which two films may be paid for; the second one is superseded. When the connection broke off
earlier, the attempt stays unconfirmed, and `jobs.lanes.polling` asks again after the lease. The same happens when the
worker died, because then only the lease tells when the POST can no longer arrive.

At a vendor without look-up the attempt is kept until its deadline; where staff accept the risk of paying twice, the job
goes on at once.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone

from jobs import storage
from jobs.labels import watermarks
from jobs.models import Attempt, Look
from jobs.overload import state
from jobs.queue import claims
from jobs.queue.engine import stopping
from providers import registry
from providers.errors import ProviderError, Unavailable, Unconfirmed, UnreadableSecret
from providers.types import Account, PhotoTransport, ProviderEvent, SubmitRequest

logger = logging.getLogger(__name__)

LISTING_DELAY = 0.4
# A look-up here keeps a thread busy; one that takes longer is left to `jobs.lanes.polling`.
LOOK_UP_SECONDS = 3.0
# A call counts as timed out from this share of its time-out on, because the measured times differ a little.
TIMED_OUT_SHARE = 0.95
SAMPLE_PHOTO = "img/before.jpg"


class NotSent(Unavailable):
    """The submit failed on our side before the POST: the provider is not at fault."""


class Resolution(StrEnum):
    """What is known of a submit whose answer was lost."""

    UNKNOWN = "unknown"  # ask again later
    NOT_CREATED = "not created"  # the look-up found nothing and the time-out has passed
    RISK_ACCEPTED = "risk accepted"  # unknown, and staff accept the risk of paying twice


@dataclass(frozen=True)
class Submission:
    """An attempt, its look, and the monotonic moment after which its POST may no longer start."""

    attempt: Attempt
    look: Look
    start_by: float
    is_sample: bool = False  # without a job, and yet a film as people get it
    # Set when the POST starts: until then the provider knows nothing of it.
    is_sent: threading.Event = field(default_factory=threading.Event, compare=False)

    @classmethod
    def of(cls, attempt: Attempt, look: Look, *, is_sample: bool = False) -> Submission:
        """Return a submission of an attempt that was claimed just now."""
        start_by = time.monotonic() + claims.may_start_for(attempt.provider).total_seconds()
        return cls(attempt, look, start_by, is_sample)


@dataclass(frozen=True)
class SubmitResult:
    """The result of a submission: an event, or an error and, for a lost answer, its resolution."""

    attempt: Attempt
    event: ProviderEvent | None = None
    error: ProviderError | None = None
    resolution: Resolution = Resolution.UNKNOWN


def warm_up() -> None:
    """Load what the first requests are built with: all of the URL configuration, and the storage's client.

    It takes seconds, in which the first calls would become too late for their leases.
    """
    reverse("webhook", args=["provider", "token"])
    try:
        storage.signed_url("warm-up", filename="warm-up.jpg", now=timezone.now())
    except Exception as error:  # noqa: BLE001 - the jobs' own errors say more, and the storage may be back by then
        logger.warning("warm_up_failed error=%s", type(error).__name__)


def submit(submission: Submission) -> SubmitResult:
    """Send an attempt to its provider, once, and return the result; look it up when the answer is lost."""
    attempt = submission.attempt
    try:
        account = attempt.provider.account()
        adapter = registry.adapter_for(attempt.provider.adapter)
        _check_time(submission, "the submit")
        request = _request_for(attempt, submission.look)
        if attempt.provider.photo_transport == PhotoTransport.UPLOAD:
            request = _upload(adapter, account, request)
            if stopping.is_set():  # the POST may take longer than there is time; nothing is lost yet
                raise NotSent("this process is told to end")
        if state.known().shortens_films:
            account = adapter.shortened(account)
        if attempt.job_id is None and not submission.is_sample:
            account, request = adapter.keep_warm_request(account, request)
        _check_time(submission, "the photo")
        submission.is_sent.set()
    except UnreadableSecret as error:
        return SubmitResult(attempt, error=NotSent(error.detail))
    except KeyError:
        return SubmitResult(attempt, error=NotSent(f"there is no adapter {attempt.provider.adapter}"))
    except (OSError, ValueError) as error:
        return SubmitResult(attempt, error=NotSent(f"photo not readable: {type(error).__name__}"))
    except ProviderError as error:
        return SubmitResult(attempt, error=error)
    started = time.monotonic()
    try:
        return SubmitResult(attempt, event=adapter.submit(account, request))
    except Unconfirmed as error:
        timed_out = time.monotonic() - started >= TIMED_OUT_SHARE * account.read_seconds
        return _look_up(adapter, account, SubmitResult(attempt, error=error), timed_out=timed_out)
    except ProviderError as error:
        return SubmitResult(attempt, error=error)


def _look_up(adapter: registry.Adapter, account: Account, lost: SubmitResult, *, timed_out: bool) -> SubmitResult:
    if not adapter.can_look_up:
        risks = timed_out and lost.attempt.provider.accepts_double_payment_risk
        return dataclasses.replace(lost, resolution=Resolution.RISK_ACCEPTED) if risks else lost
    time.sleep(LISTING_DELAY)
    quick = dataclasses.replace(account, read_seconds=min(account.read_seconds, LOOK_UP_SECONDS))
    try:
        found = adapter.find(quick, lost.attempt.token, since=lost.attempt.claimed_at)
    except ProviderError:
        return lost
    if found is not None:
        return dataclasses.replace(lost, event=found)
    return dataclasses.replace(lost, resolution=Resolution.NOT_CREATED) if timed_out else lost


def _check_time(submission: Submission, what: str) -> None:
    if time.monotonic() > submission.start_by:
        raise NotSent(f"{what} came too late for its lease")


def _upload(adapter: registry.Adapter, account: Account, request: SubmitRequest) -> SubmitRequest:
    """Upload the photo to the vendor. An upload creates no prediction, so its failure is never Unconfirmed."""
    seconds = min(account.read_seconds, claims.UPLOAD_ALLOWANCE.total_seconds())
    try:
        return adapter.upload(dataclasses.replace(account, read_seconds=seconds), request)
    except Unconfirmed as error:
        raise Unavailable(f"the upload broke off: {error.detail}") from error


def _request_for(attempt: Attempt, look: Look) -> SubmitRequest:
    """Build the adapter's request; with the photo's bytes when it is not sent by address."""
    job, by_address = attempt.job, attempt.provider.photo_transport == PhotoTransport.URL
    return SubmitRequest(
        reference=attempt.token,
        look=look.slug,
        prompt=look.prompt,
        negative_prompt=look.negative_prompt,
        hero_name=job.hero_name if job else "",
        seed=str(job.id) if job else attempt.token,
        webhook_url=settings.CALLBACK_URL + reverse("webhook", args=[attempt.provider.slug, attempt.token]),
        photo_url=_photo_url(attempt) if by_address else "",
        photo_bytes=b"" if by_address else _photo(attempt),
        watermark=watermarks.of_job(job.id) if job and attempt.provider.capabilities.is_ours else None,
    )


def _photo_url(attempt: Attempt) -> str:
    if attempt.job is None:
        return settings.CALLBACK_URL + static(SAMPLE_PHOTO)
    key = attempt.job.clean_key
    # The token in the address lets an adapter find this attempt in a vendor's listing by its input.
    return storage.signed_url(key, filename=f"{attempt.token}.jpg", now=timezone.now(), base=settings.CALLBACK_URL)


def _photo(attempt: Attempt) -> bytes:
    if attempt.job is not None:
        return storage.read(attempt.job.clean_key)
    path = finders.find(SAMPLE_PHOTO)
    if not path:
        raise FileNotFoundError(SAMPLE_PHOTO)
    return Path(path).read_bytes()
