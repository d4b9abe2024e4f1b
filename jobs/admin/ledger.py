"""The ledger's page for staff: whether every accepted job is accounted for, and what is wrong."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from jobs import ledger
from jobs.clock import database_now
from jobs.lifecycle.kinds import Phase


class _Line(NamedTuple):
    name: str
    events: int
    rows: int
    is_sum: bool = False


def address(admin: ModelAdmin) -> URLPattern:
    """Return the page's URL pattern, below the jobs' admin pages."""
    view = require_safe(partial(_show, admin))
    return path("ledger/", admin.admin_site.admin_view(view), name="jobs_job_ledger")


def _show(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Inspect the ledger and show the result. Files only on request: checking many takes seconds."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    found = ledger.inspect(now=database_now(), with_files="files" in request.GET)
    lines = [
        _Line(phase.replace("_", " "), found.events.by_phase[phase], found.rows.by_phase[phase]) for phase in Phase
    ]
    lines += [
        _Line("total", sum(found.events.by_phase.values()), sum(found.rows.by_phase.values()), is_sum=True),
        _Line("accepted", found.events.accepted, found.rows.accepted, is_sum=True),
    ]
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": "Ledger",
        "found": found,
        "lines": lines,
        "findings": [*found.differences, *found.findings],
    }
    return TemplateResponse(request, "admin/jobs/ledger.html", context)
