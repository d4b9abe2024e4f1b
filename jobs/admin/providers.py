"""The admin of providers (`providers.admin`), extended by what `jobs` knows: load, money and the audit trail."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.db.models import Count, F, Func, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join

from jobs.estimates import metrics
from jobs.models import Attempt
from jobs.models.sql import NotByIndex
from jobs.now import other_limits
from jobs.routing import cold_starts, hosts, limits
from providers.admin import ProviderAdmin, pill
from providers.http.addresses import is_this_machine
from providers.models import ProviderConfig

from . import faces, parts
from .changes import AuditedMixin


def _slots_held() -> Subquery:
    """Count a provider's slots; SQLite would walk all of its attempts, by the index for a day's money."""
    held = Attempt.objects.holding_a_slot().filter(Exact(NotByIndex(F("provider_id")), OuterRef("pk"))).order_by()
    # Func and not Count, which would group by provider: by the same index.
    return Subquery(held.annotate(slots=Func("pk", function="COUNT")).values("slots"), output_field=IntegerField())


def _count(attempts: QuerySet[Attempt]) -> Coalesce:
    grouped = attempts.filter(provider=OuterRef("pk")).order_by().values("provider").annotate(number=Count("pk"))
    return Coalesce(Subquery(grouped.values("number"), output_field=IntegerField()), 0)


@admin.register(ProviderConfig)
class ProviderWithLoadAdmin(AuditedMixin, ProviderAdmin):
    audited_as = "provider"
    # Secrets have an entry of their own, which says what became of them.
    unaudited_columns = ("api_key", "webhook_secrets")
    list_display = (
        *ProviderAdmin.list_display[:2],
        *("in_flight", "calls_last_minute", "spent", "model_is", "newest_error"),
        *ProviderAdmin.list_display[2:],
    )
    readonly_fields = (
        *ProviderAdmin.readonly_fields,
        *("in_flight", "calls_last_minute", "spent", "model_is", "starts", "first_pictures", "other_limits"),
    )
    limit_fields = ("other_limits",)
    now_fields = (
        *("state", "connection", "failures", "newest_error", "in_flight", "calls_last_minute", "spent"),
        *("model_is", "starts", "first_pictures"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderConfig]:
        # The same counts as in `jobs.routing.limits`, so that staff see the numbers that decide.
        now = timezone.now()
        answered = Attempt.objects.filter(answered_at__gt=now - limits.WINDOW)
        return (
            super()
            .get_queryset(request)
            .annotate(
                slots_held=_slots_held(),
                calls_answered=_count(answered),
                calls_unanswered=_count(Attempt.objects.filter(answered_at=None)),
            )
            .prefetch_related("start_times")
        )

    # Any: a row of `get_queryset`, with what that adds to it.
    def used_up(self, provider: Any) -> str:
        if provider.slots_held >= limits.slots_of(provider):
            return "full"
        calls = provider.calls_answered + provider.calls_unanswered
        return "minute used up" if calls >= provider.max_per_minute else ""

    @admin.display(description="in flight")
    def in_flight(self, provider: Any) -> str:
        return f"{provider.slots_held} / {limits.slots_of(provider)}"

    @admin.display(description="calls / minute")
    def calls_last_minute(self, provider: Any) -> str:
        return f"{provider.calls_answered + provider.calls_unanswered} / {provider.max_per_minute}"

    @admin.display(description="USD today")
    def spent(self, provider: ProviderConfig) -> str:
        """Return the money of the day as it was settled last (`jobs.routing.limits`)."""
        budget = "" if provider.daily_budget is None else f" / {provider.daily_budget:.2f}"
        return f"{provider.spent_today(now=timezone.now()):.2f}{budget}"

    @admin.display(description="what they deliver")
    def other_limits(self, provider: ProviderConfig) -> str:
        """Return what the limits deliver, and larger ones would (`jobs.now.other_limits`)."""
        told = other_limits.lines(provider, now=timezone.now())
        return format_html_join("", "<div>{}</div>", ((line,) for line in told))

    @admin.display(description="model")
    def model_is(self, provider: ProviderConfig) -> str:
        now, known = timezone.now(), _known(provider)
        if known.is_awake(provider, now=now):
            return pill("warm", css="succeeded")
        return pill("cold", css="queued") if known.falls_asleep(provider) else "idle"

    @admin.display(description="starts after")
    def starts(self, provider: ProviderConfig) -> str:
        """Return how long starts and films take with a cold and a warm model."""
        known, lines = _known(provider), []
        for name, sign, film, count in (
            ("cold", cold_starts.COLD_SIGN, cold_starts.COLD_FILM, known.cold_count),
            ("warm", cold_starts.WARM_SIGN, cold_starts.WARM_FILM, known.warm_count),
        ):
            if known.samples.get(film):
                lines.append(
                    f"{name}: sign of work {_range(known, sign)}, film {_range(known, film)} "
                    f"({parts.counted(count, 'film')})"
                )
        return "; ".join(lines) or "nothing learned yet"

    @admin.display(description="first picture after")
    def first_pictures(self, provider: ProviderConfig) -> str:
        found = metrics.first_frames(provider=provider)
        return f"{found.p50:.1f} s, 90 % within {found.p90:.1f} s (newest {found.count})" if found else "–"

    def host_of(self, provider: ProviderConfig) -> str:
        host = urlsplit(provider.base_url).hostname or ""
        return hosts.this_host() if is_this_machine(host) else ""

    def record(self, request: HttpRequest, action: str, provider: ProviderConfig, data: dict[str, Any]) -> None:
        faces.note(request, action, provider.slug, data)


def _known(provider: ProviderConfig) -> cold_starts.Known:
    return cold_starts.known_from(provider.start_times.all(), provider.model)


def _range(known: cold_starts.Known, kind: str) -> str:
    return f"{known.percentile(kind, 0.5) or 0:.1f} to {known.percentile(kind, 0.9) or 0:.1f} s"
