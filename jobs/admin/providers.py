"""Providers as `providers.admin` shows them, with what only jobs know: the load, and the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone

from providers.admin import ProviderAdmin
from providers.models import ProviderConfig

from .. import services
from ..limits import WINDOW
from ..models import Attempt


def _count(attempts: QuerySet[Attempt]) -> Coalesce:
    grouped = attempts.filter(provider=OuterRef("pk")).order_by().values("provider").annotate(number=Count("pk"))
    return Coalesce(Subquery(grouped.values("number"), output_field=IntegerField()), 0)


@admin.register(ProviderConfig)
class ProviderWithLoadAdmin(ProviderAdmin):
    list_display = (*ProviderAdmin.list_display, "in_flight", "calls_last_minute", "consecutive_failures")
    readonly_fields = (*ProviderAdmin.readonly_fields, "in_flight", "calls_last_minute")
    now_fields = ("state", "in_flight", "calls_last_minute", "consecutive_failures")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderConfig]:
        # The same questions as `jobs.claims` asks, so that staff see the numbers that decide.
        answered = Attempt.objects.filter(answered_at__gt=timezone.now() - WINDOW)
        return (
            super()
            .get_queryset(request)
            .annotate(
                slots_held=_count(Attempt.objects.holding_a_slot()),
                calls_answered=_count(answered),
                calls_unanswered=_count(Attempt.objects.filter(answered_at=None)),
            )
        )

    @admin.display(description="in flight")
    def in_flight(self, provider: ProviderConfig) -> str:
        return f"{provider.slots_held} / {provider.max_concurrent}"

    @admin.display(description="calls in the last minute")
    def calls_last_minute(self, provider: ProviderConfig) -> str:
        return f"{provider.calls_answered + provider.calls_unanswered} / {provider.max_per_minute}"

    def record(self, request: HttpRequest, action: str, provider: ProviderConfig, data: dict[str, Any]) -> None:
        services.audit(request.user, action, provider.slug, data, now=timezone.now())
