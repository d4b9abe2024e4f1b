"""Connection tests of providers: a film of the sample photo, from the submit to the signed webhook.

    staff press the button ─► test_asked_at ─► one attempt without a job (test_token) ─► test_result, tested_at

A provider can be enabled when its test has passed. Then it makes one film at a time, until the first one was delivered
(`proven_at`). The test's own film counts for slots, calls and money like a keep-warm call, and is not kept.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils.text import Truncator

from jobs.lanes import dispatch, submitting
from jobs.models import Attempt, Look, WebhookDelivery
from jobs.queue import claims
from jobs.routing import hosts
from providers import registry
from providers.callbacks import webhook_problem
from providers.errors import ProviderError, UnreadableSecret
from providers.http.hosts import ResultHosts
from providers.models import ProviderConfig, ProviderQuerySet

from . import maintenance

logger = logging.getLogger(__name__)

# So long a test waits for a free slot, and an ended one for the webhook that should have told of it.
ROOM_WITHIN = timedelta(minutes=2)
WEBHOOK_WITHIN = timedelta(seconds=10)
_MADE = (Attempt.Status.SUCCEEDED, Attempt.Status.SUPERSEDED)
_Verdict = WebhookDelivery.Verdict


def waiting() -> ProviderQuerySet:
    """Return the providers that are to be tested, or are on probation."""
    return ProviderConfig.objects.filter(
        Q(test_asked_at__isnull=False) | Q(proven_at=None, is_managed=False, enabled=True)
    )


def advance(threads: ThreadPoolExecutor, *, now: datetime) -> int:
    """Begin the tests that staff asked for, judge those that have ended, and end probations; return how many."""
    done = 0
    for provider in waiting().reached_from(hosts.this_host()):
        if provider.test_asked_at is None:
            done += _end_probation(provider, now=now)
        elif not provider.test_token:
            done += _begin(provider, threads, now=now)
        else:
            done += _judge(provider, now=now)
    return done


def _begin(provider: ProviderConfig, threads: ThreadPoolExecutor, *, now: datetime) -> bool:
    look = Look.objects.filter(active=True).first()
    if look is None:
        return _conclude(provider, "Failed: there is no active look to make a film in.")
    if provider.capabilities.can_learn_secrets and not provider.webhook_secrets:
        maintenance.learn_secrets_of(provider, now=now)
    try:
        attempt = claims.claim_connection_test(provider.id)
    except UnreadableSecret as error:
        return _conclude(provider, f"Failed: {error.detail}")
    if attempt is not None:
        dispatch.record(list(threads.map(submitting.submit, [submitting.Submission.of(attempt, look)])))
        return True
    if provider.test_asked_at is not None and provider.test_asked_at < now - ROOM_WITHIN:
        return _conclude(provider, "Failed: no slot, call or money was free for it. Look at the limits and the budget.")
    return False


def _judge(provider: ProviderConfig, *, now: datetime) -> bool:
    attempt = Attempt.objects.filter(token=provider.test_token).first()
    if attempt is None:
        return _conclude(provider, "Failed: its attempt is gone. Test again.")
    if attempt.status in Attempt.OPEN:
        return False
    if attempt.status not in _MADE:
        return _conclude(provider, f"Failed: {_why_no_film(provider, attempt)}")
    seconds = ((attempt.finished_at or now) - attempt.claimed_at).total_seconds()
    told = list(WebhookDelivery.objects.filter(attempt_token=attempt.token).order_by("id"))
    signed = [row for row in told if row.verdict in (_Verdict.VALID, _Verdict.DUPLICATE)]
    if problem := _film_problem(provider, signed):
        return _conclude(provider, f"Failed: {problem}")
    if signed:
        words = f"Passed: it took the sample photo, and told of the film by a signed webhook after {seconds:.0f} s."
        return _conclude(provider, words, passed_at=now)
    if any(row.verdict == _Verdict.FORGED for row in told):
        words = "a webhook came whose signature does not fit the webhook secret that is stored here."
        return _conclude(provider, f"Failed: the film was made, but {words}")
    if any(row.verdict == _Verdict.STALE for row in told):
        words = "its webhook is signed for another time: this machine's clock or the vendor's is wrong."
        return _conclude(provider, f"Failed: the film was made, but {words}")
    if problem := webhook_problem(provider):
        words = f"Passed by polling: it made a film of the sample photo after {seconds:.0f} s. {problem}"
        return _conclude(provider, words, passed_at=now)
    if attempt.finished_at is not None and attempt.finished_at > now - WEBHOOK_WITHIN:
        return False
    words = f"Failed: the film was made, but no webhook came to {settings.CALLBACK_URL}: something before us stops it."
    return _conclude(provider, words)


def _why_no_film(provider: ProviderConfig, attempt: Attempt) -> str:
    """Return the vendor's own words, where it said any."""
    said = attempt.raw_error.strip()
    newest = provider.last_error if provider.last_error_at and provider.last_error_at >= attempt.claimed_at else ""
    if attempt.status == Attempt.Status.TIMED_OUT:
        return f"no film came within {provider.attempt_deadline}."
    return said or newest or f"it ended as {attempt.error_code or attempt.status}."


def _film_problem(provider: ProviderConfig, signed: list[WebhookDelivery]) -> str:
    """Return why a film that a webhook named could not be fetched, '' when it could or none was named."""
    adapter, account = registry.adapter_for(provider.adapter), provider.account()
    for row in signed:
        try:
            url = adapter.parse(bytes(row.body)).video_url
            if url:
                ResultHosts(account).permit(url)
        except ProviderError as error:
            return f"the film was made, but {error.detail}. Look at the result hosts."
        except (ValueError, KeyError, TypeError):
            continue
    return ""


def _conclude(provider: ProviderConfig, words: str, *, passed_at: datetime | None = None) -> bool:
    """Write the result, unless the settings that were tested have changed meanwhile."""
    same = ProviderConfig.objects.filter(id=provider.id, test_asked_at=provider.test_asked_at)
    written = same.update(
        test_asked_at=None, test_result=Truncator(words).chars(300), tested_at=passed_at or provider.tested_at
    )
    logger.info("connection_tested provider=%s passed=%s", provider.slug, passed_at is not None)
    return bool(written)


def _end_probation(provider: ProviderConfig, *, now: datetime) -> bool:
    """Note that the first film of a provider was delivered, as far as one was."""
    since = provider.tested_at or provider.created_at
    delivered = Attempt.objects.filter(
        provider=provider, claimed_at__gte=since, status=Attempt.Status.SUCCEEDED, job__status="succeeded"
    )
    return delivered.exists() and bool(
        ProviderConfig.objects.filter(id=provider.id, proven_at=None).update(proven_at=now)
    )
