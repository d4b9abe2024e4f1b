"""Webhook deliveries as they arrived, with their verdicts and results."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from jobs.models import Attempt, Lane, WebhookDelivery
from jobs.models.sql import literally
from jobs.queue import queues
from providers.admin import pill

from . import big_tables, black_box, faces, parts

_SHOWN_BYTES = 4096
_VERDICT_COLOURS = {"valid": "succeeded", "forged": "failed", "stale": "failed", "unknown": "queued"}


def apply_again(deliveries: QuerySet[WebhookDelivery], *, now: datetime) -> list[int]:
    """Schedule deliveries to be applied again and return their ids.

    Only genuine ones whose body is not erased; applying one twice changes nothing.
    """
    with transaction.atomic():
        ids = list(deliveries.filter(verdict__in=black_box.GENUINE).exclude(body=b"").values_list("pk", flat=True))
        WebhookDelivery.objects.filter(pk__in=ids).update(due_at=now, apply_tries=0)
        queues.nudge_after_commit(Lane.COLLECT)
    return ids


class WaitingFilter(admin.SimpleListFilter):
    """Deliveries that are still to be applied."""

    title, parameter_name = "applied", "waiting"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", "still to be applied")]

    def queryset(self, request: HttpRequest, rows: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
        if self.value() != "yes":
            return rows
        due = WebhookDelivery.objects.filter(due_at__isnull=False).order_by("due_at")
        return rows.filter(pk__in=due.values("pk")[: big_tables.MOST_COUNTED])


class ProgressFilter(admin.SimpleListFilter):
    """Deliveries that only report progress are left out unless they are asked for, or something is searched for."""

    title = parameter_name = "progress"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("shown", "shown")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        folded, shown = super().choices(changelist)
        yield {**folded, "display": "folded", "selected": not self.value() and not changelist.query}
        yield {**shown, "selected": self.value() == "shown" or bool(changelist.query)}

    def queryset(self, request: HttpRequest, rows: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
        is_searched = request.GET.get(SEARCH_VAR, "").strip()
        return rows if self.value() == "shown" or is_searched else rows.filter(is_progress=False)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(big_tables.BigTableAdmin):
    """What decides is listed; how many reports of progress its attempt had is a link that lists all of them."""

    time_field = "received_at"
    list_display = (
        "received_at",
        "provider",
        "event_id",
        "verdict_pill",
        "job_link",
        "progress",
        "applied_at",
        "error",
    )
    list_filter = (
        *("verdict", big_tables.ProviderSlugFilter, WaitingFilter, ProgressFilter),
        ("received_at", admin.DateFieldListFilter),
    )
    list_select_related = ("attempt",)
    search_fields = ("event_id",)
    search_help_text = "An event id, an attempt token, a job's id or a prediction id."
    actions = ("apply_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        rows = super().get_queryset(request)
        is_one = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return rows if is_one else rows.defer("body", "headers")

    def find(self, rows: QuerySet[WebhookDelivery], term: str) -> QuerySet[WebhookDelivery]:
        if job_id := big_tables.id_in(term):
            attempts = list(Attempt.objects.filter(job=job_id).values_list("pk", flat=True))
            if attempts:
                return rows.filter(attempt__in=attempts)
        found: set[int] = set()
        attempts = list(big_tables.attempts_with(term).values_list("pk", flat=True))
        has_event_id = literally('NOT ("jobs_webhookdelivery"."event_id" = \'\')')
        for condition in (Q(attempt_token=term), Q(has_event_id, event_id=term), Q(attempt__in=attempts)):
            some = WebhookDelivery.objects.filter(condition).order_by().values_list("pk", flat=True)
            found |= set(some[: big_tables.MOST_FOUND])
        return rows.filter(pk__in=found)

    def complete(self, rows: list[WebhookDelivery]) -> None:
        """Count the reports of progress of each attempt on the page."""
        reports = WebhookDelivery.objects.filter(attempt__in={row.attempt_id for row in rows}, is_progress=True)
        counts = reports.order_by().values_list("attempt_id").annotate(Count("pk"))
        of_attempts = dict(counts)
        for row in rows:
            row.progress_count = of_attempts.get(row.attempt_id, 0)  # type: ignore[attr-defined]

    @admin.display(description="progress")
    def progress(self, delivery: WebhookDelivery) -> str:
        if delivery.is_progress:
            return "progress"
        count = getattr(delivery, "progress_count", 0)
        if not count:
            return "–"
        reports = parts.counted(count, "report")
        return format_html('<a href="?{}">{}</a>', urlencode({SEARCH_VAR: delivery.attempt_token}), reports)

    @admin.display(description="verdict")
    def verdict_pill(self, delivery: WebhookDelivery) -> str:
        return pill(delivery.verdict, css=_VERDICT_COLOURS.get(delivery.verdict, "canceled"))

    @admin.display(description="job")
    def job_link(self, delivery: WebhookDelivery) -> str:
        if delivery.attempt is None:
            return "–"
        if delivery.attempt.job_id is None:
            return "none: a call of our own"
        address = reverse("admin:jobs_job_change", args=[delivery.attempt.job_id])
        return format_html(
            '<a href="{}">{} #{}</a>', address, str(delivery.attempt.job_id)[:8], delivery.attempt.number
        )

    def get_urls(self) -> list[URLPattern]:
        apply = self.admin_site.admin_view(require_POST(self.apply_one))
        return [path("<int:delivery_id>/apply/", apply, name="jobs_webhookdelivery_apply"), *super().get_urls()]

    def apply_one(self, request: HttpRequest, delivery_id: int) -> HttpResponse:
        """Have a delivery applied again, as the list's action does, and show its page."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        self.apply_again(request, WebhookDelivery.objects.filter(pk=delivery_id))
        return HttpResponseRedirect(reverse("admin:jobs_webhookdelivery_change", args=[delivery_id]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delivery = self.get_object(request, object_id)
        if delivery is None or not self.has_view_permission(request):
            return super().change_view(request, object_id, form_url, extra_context)
        sees_faces = faces.may_see(request)
        if sees_faces:
            faces.note(request, "delivery_shown", object_id[:40], {})
        context = {
            "told": black_box.told_of(delivery, now=timezone.now()),
            "state": _VERDICT_COLOURS.get(delivery.verdict, "canceled"),
            "may_act": self.has_act_permission(request),
            "hidden": faces.HIDDEN,
            "body": _body(delivery) if sees_faces else None,
            "headers": _headers(delivery) if sees_faces else None,
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @admin.action(description="Apply again", permissions=["act"])
    def apply_again(self, request: HttpRequest, deliveries: QuerySet[WebhookDelivery]) -> None:
        now = timezone.now()
        chosen = len(deliveries.values_list("pk", flat=True)[: parts.MAX_BULK + 1])
        if chosen > parts.MAX_BULK:
            self.message_user(request, f"At most {parts.MAX_BULK} at once, please.", messages.ERROR)
            return
        ids = apply_again(deliveries, now=now)
        for number in ids:
            faces.note(request, "delivery_applied_again", str(number), {})
        if ids:
            what = parts.counted(len(ids), "delivery", "deliveries")
            self.message_user(request, f"{what} will be applied again within seconds.", messages.SUCCESS)
        if chosen > len(ids):
            left = parts.counted(chosen - len(ids), "delivery", "deliveries")
            self.message_user(request, f"{left} left out: not genuine, or the body is erased.", messages.WARNING)


def _headers(delivery: WebhookDelivery) -> str:
    text = "\n".join(f"{name}: {value}" for name, value in delivery.headers.items())
    return format_html('<pre class="raw">{}</pre>', text or "–")


def _body(delivery: WebhookDelivery) -> str:
    body = bytes(delivery.body)
    text = body[:_SHOWN_BYTES].decode("utf-8", "replace")
    if len(body) > _SHOWN_BYTES:
        text += f"\n… {len(body) - _SHOWN_BYTES} bytes more"
    return format_html('<pre class="raw">{}</pre>', text or "–")
