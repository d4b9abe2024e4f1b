"""The audit log of staff, and the heartbeats of processes."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from jobs.models import AuditEntry, Heartbeat, LoadState
from jobs.overload.state import load_of
from providers.admin import pill

from . import big_tables, parts

ACTIONS = (
    *("faces_shown", "photo_shown", "film_shown", "delivery_shown"),
    *("job_canceled", "job_retried", "job_erased", "job_priority", "delivery_applied_again"),
    *("film_reported", "film_taken_down", "film_reinstated", "report_dismissed", "film_mixed_up"),
    *("provider_added", "provider_changed", "provider_enabled", "provider_disabled", "provider_key_changed"),
    *(
        "provider_tested",
        "provider_breaker_closed",
        "provider_parked",
        "provider_resumed",
        "look_added",
        "look_changed",
    ),
    *("user_added", "user_changed", "user_deleted", "group_added", "group_changed", "group_deleted"),
    *("second_step_added", "second_step_removed", "alert_taken"),
    *("bulk_started", "bulk_paused", "bulk_resumed", "bulk_rate", "bulk_stopped", "bulk_done"),
)
# Processes say that they are alive every few seconds.
_QUIET_AFTER = timedelta(minutes=1)


class ActionFilter(admin.SimpleListFilter):
    """Entries of one kind. The choices are those there can be, not what stands in the rows."""

    title = parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(action, action.replace("_", " ")) for action in ACTIONS]

    def queryset(self, request: HttpRequest, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return rows.filter(action=self.value()) if self.value() else rows


class ActorFilter(admin.SimpleListFilter):
    """Entries of one of the staff."""

    title, parameter_name = "who", "actor"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        staff = get_user_model().objects.filter(is_staff=True).order_by("username")[:100]
        return [(str(user.pk), str(user)) for user in staff]

    def queryset(self, request: HttpRequest, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        chosen = self.value() or ""
        return rows.filter(actor_id=int(chosen)) if chosen.isdecimal() else rows


@admin.register(AuditEntry)
class AuditEntryAdmin(big_tables.BigTableAdmin):
    time_field = "at"
    list_display = ("at", "who", "address", "action", "subject_link", "details")
    list_filter = (ActorFilter, ActionFilter, ("at", admin.DateFieldListFilter))
    list_select_related = ("actor",)
    search_fields = ("subject",)
    search_help_text = "What it was done to: a job's id, a slug, a number."
    fields = ("at", "who", "address", "action", "subject_link", "details")
    readonly_fields = ("who", "subject_link", "details")

    def find(self, rows: QuerySet[AuditEntry], term: str) -> QuerySet[AuditEntry]:
        whole = big_tables.id_in(term)
        return rows.filter(subject=str(whole) if whole else term)

    @admin.display(description="who")
    def who(self, entry: AuditEntry) -> str:
        return str(entry.actor or entry.actor_name or "–")

    def has_act_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="subject", ordering="subject")
    def subject_link(self, entry: AuditEntry) -> str:
        try:
            job_id = UUID(entry.subject)
        except ValueError:
            return entry.subject
        return format_html('<a href="{}">{}</a>', reverse("admin:jobs_job_change", args=[job_id]), entry.subject)

    @admin.display(description="details")
    def details(self, entry: AuditEntry) -> str:
        return json.dumps(entry.data, ensure_ascii=False) if entry.data else "–"


@admin.register(Heartbeat)
class HeartbeatAdmin(parts.ReadOnlyAdmin):
    list_display = ("name", "host", "version", "seen_at", "alive")
    ordering = ("name", "host")
    fields = ("name", "host", "version", "seen_at", "alive")
    readonly_fields = ("alive",)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="alive")
    def alive(self, heartbeat: Heartbeat) -> str:
        silence = timezone.now() - heartbeat.seen_at
        if silence < _QUIET_AFTER:
            return pill("alive", css="succeeded")
        return pill(f"silent for {parts.span(silence)}", css="failed")


@admin.register(LoadState)
class LoadAdmin(parts.ReadOnlyAdmin):
    """What the cluster goes by; `manage.py brownout` sets a level by hand."""

    list_display = ("measured_at", "waiting", "backlog_seconds", "capacity", "admitted_per_second", "shown_level")
    fields = (*list_display, "measured_by", "forced_until", "forced_by")
    readonly_fields = ("shown_level",)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="level")
    def shown_level(self, row: LoadState) -> str:
        load = load_of(row, now=timezone.now())
        return f"{load.level.label} by hand" if load.forced_until else load.level.label
