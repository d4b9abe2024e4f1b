"""The audit log of staff, and the heartbeats of processes."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from jobs.models import AuditEntry, Heartbeat
from providers.admin import pill

from . import parts

# Processes say that they are alive every few seconds.
_QUIET_AFTER = timedelta(minutes=1)


@admin.register(AuditEntry)
class AuditEntryAdmin(parts.ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "subject_link", "details")
    list_filter = ("action", "actor")
    list_select_related = ("actor",)
    search_fields = ("subject__startswith", "actor__username")
    date_hierarchy = "at"
    fields = ("at", "actor", "action", "subject_link", "details")
    readonly_fields = ("subject_link", "details")

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
    list_display = ("name", "seen_at", "alive")
    ordering = ("name",)
    fields = ("name", "seen_at", "alive")
    readonly_fields = ("alive",)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="alive")
    def alive(self, heartbeat: Heartbeat) -> str:
        silence = timezone.now() - heartbeat.seen_at
        if silence < _QUIET_AFTER:
            return pill("alive", css="succeeded")
        return pill(f"silent for {parts.span(silence)}", css="failed")
