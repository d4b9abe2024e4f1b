"""The ledger's page for staff: whether every accepted job is accounted for, and what is wrong.

It shows the newest result of the inspection that reconcile makes (`jobs.ledger.continuous`), and inspects nothing.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods

from jobs import ledger
from jobs.clock import database_now
from jobs.ledger.continuous import want_files
from jobs.lifecycle.kinds import Phase


class _Line(NamedTuple):
    name: str
    events: int
    rows: int
    is_sum: bool = False


def address(admin: ModelAdmin) -> URLPattern:
    """Return the page's URL pattern, below the jobs' admin pages."""
    view = require_http_methods(["GET", "HEAD", "POST"])(partial(_show, admin))
    return path("ledger/", admin.admin_site.admin_view(view), name="jobs_job_ledger")


def _show(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show the newest result; a POST asks reconcile to check the files too, which takes seconds."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    may_act = admin.has_act_permission(request)  # type: ignore[attr-defined]
    if request.method == "POST":
        if not may_act:
            raise PermissionDenied
        want_files(now=database_now())
        messages.info(request, "Reconcile checks the files now. Load this page again in a few seconds.")
        return HttpResponseRedirect(reverse("admin:jobs_job_ledger"))
    newest = ledger.newest()
    found, recent = newest.found, newest.recent
    findings = [*(found.differences if found else ()), *(recent.differences if recent else ())]
    findings += [*(found.findings if found else ()), *(recent.findings if recent else ()), *(newest.files or ())]
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": "Ledger",
        "newest": newest,
        "may_act": may_act,
        "found": found,
        "lines": _lines(found) if found else [],
        "findings": list({finding.code: finding for finding in reversed(findings)}.values())[::-1],
    }
    return TemplateResponse(request, "admin/jobs/ledger.html", context)


def _lines(found: ledger.Ledger) -> list[_Line]:
    lines = [
        _Line(phase.replace("_", " "), found.events.by_phase[phase], found.rows.by_phase[phase]) for phase in Phase
    ]
    return [
        *lines,
        _Line("total", sum(found.events.by_phase.values()), sum(found.rows.by_phase.values()), is_sum=True),
        _Line("accepted", found.events.accepted, found.rows.accepted, is_sum=True),
    ]
