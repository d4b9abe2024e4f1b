"""The configuration and state of a provider. `jobs.queue.claims` enforces its limits; its adapter calls the vendor."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from . import registry, validators
from .errors import UnreadableSecret
from .secrets import EncryptedListField, EncryptedTextField, is_unreadable
from .types import Account, PhotoTransport

logger = logging.getLogger(__name__)
# (provider id, field) of the secrets that this process has logged as unreadable.
_logged_unreadable: set[tuple[int, str]] = set()


class BreakerReason(models.TextChoices):
    """Why the breaker of a provider is open."""

    CALLS = "calls", "its calls fail"
    FILMS = "films", "its films fail"
    ACCOUNT = "account", "our key or balance"


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


# Why it waits, when it is staff who let it wait.
PARKED = "parked by staff"
# The state of a provider without failures or waits.
NOTHING_AGAINST_IT: dict[str, Any] = {
    "rate_limited_until": None,
    "rate_limited_reason": "",
    "rate_limits_in_row": 0,
    "breaker_until": None,
    "breaker_reason": "",
    "breaker_openings": 0,
    "consecutive_failures": 0,
    "spoiled_films": 0,
    "blocked_at": None,
    "probe_until": None,
}


# The settings that a connection test is about, and the state of a provider that was not tested with them.
TESTED = ("adapter", "base_url", "model", "parameters", "photo_transport", "api_key", "webhook_secrets")
UNTESTED: dict[str, Any] = {"test_asked_at": None, "test_token": "", "test_result": "", "tested_at": None}


class ProviderQuerySet(models.QuerySet["ProviderConfig"]):
    def in_order(self) -> ProviderQuerySet:
        """Return the enabled providers, in staff's order; without those whose host is gone."""
        return self.filter(enabled=True, host_gone_at=None).order_by("order", "id")

    def reached_from(self, host: str) -> ProviderQuerySet:
        """Return those that the processes of this host can call: an address of a machine's own is nobody else's."""
        return self.filter(host__in=["", host])

    def out_of_reach_of(self, host: str) -> ProviderQuerySet:
        """Return those that only another host can call, as long as that host is there."""
        return self.exclude(host__in=["", host]).filter(host_gone_at=None)


class ProviderConfig(models.Model):
    slug = models.SlugField(max_length=40, unique=True)
    title = models.CharField(max_length=80, help_text="What people read on the page, for example “the studio”.")
    adapter = models.CharField(max_length=40)
    enabled = models.BooleanField(default=True)
    order = models.PositiveSmallIntegerField(
        default=100, help_text="Lowest first; the highest is the last resort. The same number means side by side."
    )
    weight = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1)],
        help_text="Among providers of the same order: how many films this one gets for each of the others'.",
    )

    base_url = models.URLField(max_length=300)
    model = models.CharField(max_length=200, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    photo_transport = models.CharField(
        max_length=10, choices=[(transport.value, transport.value) for transport in PhotoTransport], default="url"
    )
    result_hosts = models.JSONField(
        default=list, blank=True, help_text="Hosts a film may be downloaded from; empty means the base URL's host."
    )
    api_key = EncryptedTextField(blank=True, default="")
    webhook_secrets = EncryptedListField(blank=True, default=list)

    max_concurrent = models.PositiveIntegerField(default=3, validators=[MinValueValidator(1)])
    max_per_minute = models.PositiveIntegerField(default=60, validators=[MinValueValidator(1)])
    connect_timeout = models.DurationField(default=timedelta(seconds=3))
    submit_timeout = models.DurationField(default=timedelta(seconds=20), help_text="For the whole answer to a submit.")
    attempt_deadline = models.DurationField(
        default=timedelta(minutes=10), help_text="After this long a prediction is given up."
    )
    silence = models.DurationField(
        default=timedelta(seconds=20), help_text="After this long without news a prediction is polled."
    )
    price = models.DecimalField(
        max_digits=9, decimal_places=4, default=Decimal(0), help_text="Per film, in US dollars."
    )
    daily_budget = models.DecimalField(max_digits=9, decimal_places=2, null=True, blank=True)
    keep_warm_interval = models.DurationField(
        null=True,
        blank=True,
        help_text="After this long without a call a small film is asked for, so that the model stays awake. It costs.",
    )
    warm_for = models.DurationField(
        default=timedelta(minutes=5), help_text="For this long after its last work a model counts as awake."
    )
    accepts_double_payment_risk = models.BooleanField(
        default=False,
        help_text="Try again before the deadline when an answer was lost and the vendor offers no look-up.",
    )

    # Rate limits and the breaker, both written only by `jobs.routing.breaker`. The later end applies.
    rate_limited_until = models.DateTimeField(null=True, blank=True, editable=False)
    rate_limited_reason = models.CharField(max_length=200, blank=True, default="", editable=False)
    rate_limits_in_row = models.PositiveIntegerField(default=0, editable=False)
    breaker_until = models.DateTimeField(null=True, blank=True, editable=False)
    breaker_reason = models.CharField(
        max_length=10, choices=BreakerReason.choices, blank=True, default="", editable=False
    )
    breaker_openings = models.PositiveIntegerField(default=0, editable=False)
    consecutive_failures = models.PositiveIntegerField(default=0, editable=False)
    spoiled_films = models.PositiveIntegerField(default=0, editable=False)
    blocked_at = models.DateTimeField(null=True, blank=True, editable=False)
    probe_until = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, default="", editable=False)
    last_error_at = models.DateTimeField(null=True, blank=True, editable=False)

    # What was spent on `budget_day` (UTC), written with each claim while there is a budget and by reconcile. Of it,
    # `budget_settled` is for attempts claimed before `budget_settled_to`, which have all ended.
    budget_day = models.DateField(null=True, blank=True, editable=False)
    budget_used = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0), editable=False)
    budget_settled = models.DecimalField(
        max_digits=12, decimal_places=4, default=Decimal(0), db_default=Decimal(0), editable=False
    )
    budget_settled_to = models.DateTimeField(null=True, blank=True, editable=False)

    # Its address, key and secret follow a process that the product runs itself.
    is_managed = models.BooleanField(default=False, db_default=False, editable=False)
    # The host (`jobs.heartbeats.host_id`) whose processes alone can call its address, '' for an address of the network.
    host = models.CharField(max_length=40, blank=True, default="", db_default="", editable=False)
    host_gone_at = models.DateTimeField(null=True, blank=True, editable=False)

    # The connection test (`jobs.reconcile.connection_tests`): asked for, the attempt that makes it, what came of it.
    test_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    test_token = models.CharField(max_length=48, blank=True, default="", db_default="", editable=False)
    test_result = models.CharField(max_length=300, blank=True, default="", db_default="", editable=False)
    tested_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the test passed with the settings as they are."
    )
    proven_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When its first film was there.")

    secrets_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    secrets_learned_at = models.DateTimeField(null=True, blank=True, editable=False)
    secrets_doubted_at = models.DateTimeField(null=True, blank=True, editable=False)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        verbose_name = "provider"
        ordering = ["order", "id"]
        permissions = [
            ("manage_keys", "Can change addresses, models and keys of providers"),
            ("manage_money", "Can change prices and budgets of providers"),
        ]
        constraints = [
            models.CheckConstraint(name="provider_max_concurrent_positive", condition=Q(max_concurrent__gte=1)),
            models.CheckConstraint(name="provider_max_per_minute_positive", condition=Q(max_per_minute__gte=1)),
            models.CheckConstraint(name="provider_weight_positive", condition=Q(weight__gte=1)),
            models.CheckConstraint(
                name="provider_breaker_has_reason", condition=Q(breaker_until=None) ^ ~Q(breaker_reason="")
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.slug

    def clean(self) -> None:
        """Raise ValidationError, with a message at each field, for settings that the adapter could not work with."""
        problems: dict[str, Any] = dict(validators.problems_of(self))
        try:
            adapter = registry.adapter_for(self.adapter)
        except KeyError:
            raise ValidationError({"adapter": "There is no such adapter."}) from None
        if self.photo_transport not in adapter.photo_transports:
            allowed = ", ".join(sorted(adapter.photo_transports))
            problems["photo_transport"] = f"{adapter.title} takes photos by: {allowed}."
        if problem := adapter.check_model(self.model):
            problems["model"] = problem
        if not isinstance(self.parameters, dict):
            problems["parameters"] = "Parameters are a JSON object."
        elif found := adapter.check_parameters(self.parameters, model=self.model):
            problems["parameters"] = found
        hosts = self.result_hosts
        if not isinstance(hosts, list) or not all(isinstance(host, str) and host for host in hosts):
            problems["result_hosts"] = "Result hosts are a JSON list of host names."
        if problems:
            raise ValidationError(problems)

    @property
    def capabilities(self) -> registry.Capabilities:
        """What its vendor can do; safe defaults when its adapter is gone. To act, use `registry.adapter_for`."""
        return registry.capabilities_of(self.adapter)

    def account(self) -> Account:
        """Return the account that the adapter calls with. It contains secrets: never log it.

        Raise UnreadableSecret when the stored API key cannot be decrypted.
        """
        self.check_readable("api_key")
        return Account(
            slug=self.slug,
            base_url=self.base_url.rstrip("/"),
            model=self.model,
            api_key=self.api_key,
            webhook_secrets=tuple(self.webhook_secrets),
            parameters=self.parameters,
            connect_seconds=self.connect_timeout.total_seconds(),
            read_seconds=self.submit_timeout.total_seconds(),
            result_hosts=tuple(self.result_hosts) or self._usual_result_hosts(),
            private_hosts=tuple(settings.PROVIDER_PRIVATE_HOSTS),
        )

    def check_readable(self, *names: str) -> None:
        """Raise UnreadableSecret when one of these secret fields cannot be decrypted; log it once per process."""
        for name in names:
            if not is_unreadable(getattr(self, name)):
                _logged_unreadable.discard((self.pk, name))
                continue
            if (self.pk, name) not in _logged_unreadable:
                _logged_unreadable.add((self.pk, name))
                logger.error("secret_unreadable provider=%s field=%s", self.slug, name)
            raise UnreadableSecret(
                f"No key in FIELD_KEYS decrypts the stored {name}: bring the key back, or enter {name} again."
            )

    def _usual_result_hosts(self) -> tuple[str, ...]:
        """Return the default result hosts: the vendor's, and the base URL's when that is not the vendor's."""
        own = urlsplit(self.base_url).hostname or ""
        vendor = self.capabilities
        if vendor.default_result_hosts and own == urlsplit(vendor.default_base_url).hostname:
            return vendor.default_result_hosts
        return (*vendor.default_result_hosts, own)

    def poll_at(self, *, now: datetime) -> datetime:
        """Return when to poll a prediction that was not heard of by then. `silence` is clamped to its allowed range."""
        return now + min(max(self.silence, validators.SHORTEST_SILENCE), validators.LONGEST_SILENCE)

    @property
    def may_be_enabled(self) -> bool:
        """Whether its connection test has passed; what the product runs itself needs none."""
        return self.is_managed or self.tested_at is not None

    @property
    def is_on_probation(self) -> bool:
        """Whether it makes one film at a time, because it has not delivered a first one yet."""
        return not self.is_managed and self.proven_at is None

    def is_rate_limited(self, *, now: datetime) -> bool:
        """Whether the provider has asked us to wait, and the wait is not over."""
        return self.rate_limited_until is not None and self.rate_limited_until > now

    def has_been_parked(self, *, now: datetime) -> bool:
        """Whether it is staff who let it wait, and not its vendor."""
        return self.is_rate_limited(now=now) and self.rate_limited_reason == PARKED

    def breaker_state(self, *, now: datetime) -> BreakerState:
        """Return closed, open (no calls) or half open (one probe call)."""
        if self.breaker_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.breaker_until > now else BreakerState.HALF_OPEN

    def blocked_until(self, *, now: datetime) -> datetime | None:
        """Return the later end of rate limit and open breaker, None when calls are allowed."""
        ends = [end for end in (self.rate_limited_until, self.breaker_until) if end is not None and end > now]
        return max(ends, default=None)

    def needs_probe(self, *, now: datetime) -> bool:
        """Whether a wait or an open breaker has ended and one probe call has to succeed before others are made."""
        return self.blocked_until(now=now) is None and (
            self.rate_limited_until is not None or self.breaker_until is not None
        )

    def spent_today(self, *, now: datetime) -> Decimal:
        """Return what today's attempts have cost and may still cost, as of the last claim or settlement."""
        return self.budget_used if self.budget_day == now.astimezone(UTC).date() else Decimal(0)

    def is_out_of_budget(self, *, now: datetime) -> bool:
        """Whether another film would exceed today's budget, by the numbers on this row."""
        if self.daily_budget is None or self.budget_day != now.astimezone(UTC).date():
            return False
        return self.budget_used + self.price > self.daily_budget

    def is_open(self, *, now: datetime) -> bool:
        """Whether it may get jobs now: neither rate limited nor behind an open breaker, and within today's budget."""
        return self.blocked_until(now=now) is None and not self.is_out_of_budget(now=now)


class KeyFingerprints(models.Model):
    """By what the product's keys are told from others: see `providers.keys`. No key can be had from it."""

    name = models.CharField(max_length=20, primary_key=True, help_text="SECRET_KEY or FIELD_KEYS.")
    fingerprints = models.JSONField(default=list, help_text="Of each key that stored values may need, newest first.")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "key fingerprints"

    def __str__(self) -> str:
        return self.name
