"""A provider as staff set it up. Its limits are kept by `jobs.claims`, its words by its adapter."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from . import registry
from .secrets import EncryptedListField, EncryptedTextField
from .types import Account, PhotoTransport


class ProviderQuerySet(models.QuerySet["ProviderConfig"]):
    def in_order(self) -> ProviderQuerySet:
        """The enabled providers, in staff's order."""
        return self.filter(enabled=True).order_by("order", "id")


class ProviderConfig(models.Model):
    slug = models.SlugField(max_length=40, unique=True)
    title = models.CharField(max_length=80, help_text="What people read on the page, for example “the studio”.")
    adapter = models.CharField(max_length=40)
    enabled = models.BooleanField(default=True)
    order = models.PositiveSmallIntegerField(default=100, help_text="Lowest first.")

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
    keep_warm_interval = models.DurationField(null=True, blank=True)
    accepts_double_payment_risk = models.BooleanField(
        default=False,
        help_text="Try again before the deadline when an answer was lost and the vendor offers no look-up.",
    )

    parked_until = models.DateTimeField(null=True, blank=True, editable=False)
    parked_reason = models.CharField(max_length=200, blank=True, default="", editable=False)
    consecutive_failures = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        verbose_name = "provider"
        ordering = ["order", "id"]
        constraints = [
            models.CheckConstraint(name="provider_max_concurrent_positive", condition=Q(max_concurrent__gte=1)),
            models.CheckConstraint(name="provider_max_per_minute_positive", condition=Q(max_per_minute__gte=1)),
        ]

    def __str__(self) -> str:
        return self.title or self.slug

    def clean(self) -> None:
        """Refuse settings the adapter could not work with, each with a sentence at its field."""
        problems: dict[str, Any] = {}
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

    def account(self) -> Account:
        """Return what the adapter needs to act for this provider. Holds secrets: never log it."""
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
        )

    def _usual_result_hosts(self) -> tuple[str, ...]:
        """Return where films lie when staff do not say: the vendor's hosts, and one that stands in for the vendor."""
        own = urlsplit(self.base_url).hostname or ""
        try:
            adapter = registry.adapter_for(self.adapter)
        except KeyError:
            return (own,)
        if adapter.default_result_hosts and own == urlsplit(adapter.default_base_url).hostname:
            return adapter.default_result_hosts
        return (*adapter.default_result_hosts, own)

    def is_parked(self, *, now: datetime) -> bool:
        return self.parked_until is not None and self.parked_until > now
