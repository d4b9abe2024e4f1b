"""Push subscriptions, and what became of each notification.

The address of a push is a secret of its browser, so only the host of the service is shown.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from jobs.admin import big_tables, parts
from providers.admin import pill

from .models import Notification, PushSubscription


def _link_to(job_id: UUID | None) -> str:
    if job_id is None:
        return "–"
    return format_html('<a href="{}">{}</a>', reverse("admin:jobs_job_change", args=[job_id]), str(job_id)[:8])


class StateFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("open", "open"), ("late", "late"), ("sent", "sent"), ("given_up", "given up")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Notification]) -> QuerySet[Notification]:
        if self.value() in ("open", "late"):
            # By the index of what is due, which holds only what is open.
            due = Notification.objects.is_open().order_by("due_at")
            due = due.filter(due_at__lt=timezone.now()) if self.value() == "late" else due
            return rows.filter(pk__in=due.values("pk")[: big_tables.MOST_COUNTED])
        ends = {"sent": Q(sent_at__isnull=False), "given_up": Q(given_up_at__isnull=False)}
        return rows.filter(ends.get(self.value() or "", Q()))


@admin.register(Notification)
class NotificationAdmin(big_tables.BigTableAdmin):
    list_display = ("created_at", "channel", "job_link", "state", "tries", "took", "error")
    list_filter = (StateFilter, "channel", ("created_at", admin.DateFieldListFilter))
    list_select_related = ("subscription",)
    search_fields = ("job",)
    search_help_text = "A job's id or its beginning."
    fields = (
        "job_link",
        "channel",
        "service",
        "state",
        "created_at",
        "due_at",
        "sent_at",
        "given_up_at",
        "tries",
        "error",
    )
    readonly_fields = ("job_link", "service", "state")

    def has_act_permission(self, request: HttpRequest) -> bool:
        return False

    def find(self, rows: QuerySet[Notification], term: str) -> QuerySet[Notification]:
        return _of_jobs(rows, term)

    @admin.display(description="job")
    def job_link(self, row: Notification) -> str:
        return _link_to(row.job_id)

    @admin.display(description="sent by")
    def service(self, row: Notification) -> str:
        return _host(row.subscription) if row.subscription else "our mail server"

    @admin.display(description="state")
    def state(self, row: Notification) -> str:
        if row.sent_at:
            return pill("sent", css="succeeded")
        if row.given_up_at:
            return pill("given up", css="failed")
        return pill("waits", css="queued")

    @admin.display(description="took")
    def took(self, row: Notification) -> str:
        return parts.span(row.sent_at - row.created_at) if row.sent_at else "–"


@admin.register(PushSubscription)
class PushSubscriptionAdmin(big_tables.BigTableAdmin):
    list_display = ("created_at", "service", "user_agent", "of", "last_ok_at", "failures")
    list_filter = (("created_at", admin.DateFieldListFilter),)
    search_fields = ("owner",)
    search_help_text = "An owner (v:… or u:…), a job's id or its beginning."
    fields = ("service", "user_agent", "of", "owner", "created_at", "last_ok_at", "failures")
    readonly_fields = ("service", "of")

    def has_act_permission(self, request: HttpRequest) -> bool:
        return False

    def find(self, rows: QuerySet[PushSubscription], term: str) -> QuerySet[PushSubscription]:
        owner = big_tables.owner_in(term)
        return rows.filter(owner) if owner is not None else _of_jobs(rows, term)

    @admin.display(description="service")
    def service(self, row: PushSubscription) -> str:
        return _host(row)

    @admin.display(description="notified of")
    def of(self, row: PushSubscription) -> str:
        return _link_to(row.job_id) if row.job_id else "every film of its owner"


def _of_jobs(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    whole = big_tables.id_in(term)
    condition = Q(job_id=whole) if whole else big_tables.ids_beginning(term, "job_id")
    return rows.none() if condition is None else rows.filter(condition)


def _host(row: PushSubscription) -> str:
    return urlsplit(row.endpoint).hostname or "–"
