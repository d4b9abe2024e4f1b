"""Keeps webhook secrets fresh and models warm. Run by `jobs.reconcile.sweep`.

**Secrets.** Where a vendor offers its webhook secrets over HTTP, they are fetched in the background: at first, every
LEARN_EVERY, and soon after a delivery with an unknown signature, but at most every LEARN_AGAIN. The previous secrets
stay accepted beside the new ones, for deliveries that are still on their way.

**Keep-warm.** For a provider with a keep-warm interval, a small film is requested when no call was made for that long,
so that its model stays loaded. It is an attempt without a job: it counts for slots, calls and budget like any other,
and its film is deleted at the vendor and never downloaded.
"""

from __future__ import annotations

import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from jobs.lanes import dispatch, submitting
from jobs.models import Look
from jobs.queue import claims
from jobs.routing import cold_starts, hosts
from providers import registry
from providers.errors import ProviderError, UnreadableSecret
from providers.models import ProviderConfig, ProviderQuerySet

logger = logging.getLogger(__name__)

LEARN_EVERY = timedelta(hours=12)
LEARN_AGAIN = timedelta(minutes=1)
LEARN_SECONDS = 8.0


def secrets_due(*, now: datetime) -> ProviderQuerySet:
    """Return the providers whose secrets are due to be fetched, those without any to fetch among them."""
    long_ago = Q(secrets_asked_at=None) | Q(secrets_asked_at__lt=now - LEARN_EVERY)
    in_vain = Q(secrets_learned_at=None) | Q(secrets_learned_at__lt=F("secrets_asked_at"))
    doubted = Q(secrets_doubted_at__gte=F("secrets_asked_at"))
    due = long_ago | (Q(secrets_asked_at__lte=now - LEARN_AGAIN) & (in_vain | doubted))
    return ProviderConfig.objects.filter(due, Q(enabled=True) | Q(test_asked_at__isnull=False))


def kept_warm() -> ProviderQuerySet:
    """Return the enabled providers whose models may have to be kept warm."""
    return ProviderConfig.objects.in_order().exclude(keep_warm_interval=None)


def learn_secrets(threads: ThreadPoolExecutor, *, now: datetime) -> int:
    """Fetch the webhook secrets that are due from vendors that offer them; return how many vendors were asked."""
    taken = []
    for provider in secrets_due(now=now).reached_from(hosts.this_host()):
        if not provider.capabilities.can_learn_secrets:
            continue
        same = ProviderConfig.objects.filter(id=provider.id, secrets_asked_at=provider.secrets_asked_at)
        if same.update(secrets_asked_at=now):
            taken.append(provider)
    for provider, found in zip(taken, threads.map(_ask_secrets, taken), strict=True):
        if found:
            _store_secrets(provider.id, found, now=now)
    return len(taken)


def learn_secrets_of(provider: ProviderConfig, *, now: datetime) -> None:
    """Fetch the webhook secrets of one provider now, and set them in the given object."""
    ProviderConfig.objects.filter(id=provider.id).update(secrets_asked_at=now)
    if found := _ask_secrets(provider):
        _store_secrets(provider.id, found, now=now)
        provider.refresh_from_db(fields=["webhook_secrets"])


def _ask_secrets(provider: ProviderConfig) -> tuple[str, ...]:
    try:
        account = provider.account()
        account = dataclasses.replace(account, read_seconds=min(account.read_seconds, LEARN_SECONDS))
        return registry.adapter_for(provider.adapter).learn_secrets(account)
    except ProviderError as error:
        logger.warning("secrets_not_learned provider=%s error=%s", provider.slug, type(error).__name__)
    except Exception:
        logger.exception("secrets_not_learned provider=%s", provider.slug)
    return ()


def _store_secrets(provider_id: int, found: tuple[str, ...], *, now: datetime) -> None:
    """Store the fetched secrets, followed by as many of the previous ones."""
    with transaction.atomic():
        provider = ProviderConfig.objects.select_for_update().get(id=provider_id)
        before = [secret for secret in provider.webhook_secrets if secret not in found]
        kept = [*found, *before][: 2 * len(found)]
        changed = kept != list(provider.webhook_secrets)
        provider.webhook_secrets, provider.secrets_learned_at = kept, now
        provider.save(update_fields=["webhook_secrets", "secrets_learned_at", "updated_at"])
    if changed:
        logger.info("secrets_learned provider=%s", provider.slug)


def keep_warm(threads: ThreadPoolExecutor, *, now: datetime) -> int:
    """Request a small film where a model would be unloaded otherwise; return how many were requested."""
    rows = kept_warm().reached_from(hosts.this_host())
    providers = [provider for provider in rows if provider.capabilities.can_keep_warm]
    look = Look.objects.filter(active=True).first() if providers else None
    if look is None:
        return 0
    known, submissions = cold_starts.known_of(providers), []
    for provider in providers:
        try:
            idle_since = now - (provider.keep_warm_interval or timedelta())
            cold = not known[provider.id].is_awake(provider, now=now)
            attempt = claims.claim_keep_warm(provider.id, idle_since=idle_since, cold=cold)
        except UnreadableSecret:
            continue  # logged where it was found
        except OverflowError:
            # The row holds an interval that the form would have refused; the other providers go on.
            logger.exception("keep_warm_failed provider=%s", provider.slug)
            continue
        if attempt is not None:
            submissions.append(submitting.Submission.of(attempt, look))
    if submissions:
        dispatch.record(list(threads.map(submitting.submit, submissions)))
    return len(submissions)
