"""The staff's page of readiness: the newest report, a line each, and a button that has it measured again."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from jobs.models import ReadinessReport
from jobs.now.words import clock, length, number

from . import reports
from .lines import AMBER, GREEN, RED

DEFAULT_RATE, MOST_RATE = 60, 1_000_000
_TONES = {RED: "bad", AMBER: "warn", GREEN: "good"}


def page(request: HttpRequest) -> HttpResponse:
    """Show the newest report; a POST has another one measured, unless one is being measured already."""
    if not request.user.has_perm("jobs.view_readinessreport"):
        raise PermissionDenied
    may_measure = request.user.has_perm("jobs.add_readinessreport")
    now = timezone.now()
    if request.method == "POST":
        if not may_measure:
            raise PermissionDenied
        if (rate := _rate(request.POST.get("rate", ""))) is None:
            messages.error(request, f"A rate is a number from 1 to {number(MOST_RATE)}.")
        elif reports.under_way(now=now) is None:
            reports.complete_later(reports.begin(rate=rate, by=request.user.get_username(), now=now))
        return HttpResponseRedirect(reverse("readiness"))
    report, open_one = reports.newest(), reports.under_way(now=now)
    context = {
        **admin.site.each_context(request),
        "title": "Readiness",
        "words": _words(report),
        "report": report,
        "is_measuring": open_one is not None,
        "may_measure": may_measure,
        "rate": report.rate if report else DEFAULT_RATE,
        "most_rate": MOST_RATE,
    }
    if report is not None and report.measured_at is not None:
        context |= {
            "areas": _by_area(report.lines),
            "tally": [(_TONES[level], f"{count} {level}") for level, count in reports.counts_of(report.lines).items()],
            "measured": f"{clock(report.measured_at)}, {length((now - report.measured_at).total_seconds())} ago",
        }
    return TemplateResponse(request, "admin/readiness.html", context)


def as_json(request: HttpRequest) -> HttpResponse:
    """Answer the newest report as `manage.py readiness --json` prints it, and whether one is being measured."""
    if not request.user.has_perm("jobs.view_readinessreport"):
        raise PermissionDenied
    report = reports.newest()
    told: dict[str, Any] = {"is_measuring": reports.under_way(now=timezone.now()) is not None}
    if report is not None:
        told |= {"level": reports.worst_of(report.lines), "rate": report.rate, "lines": report.lines}
        told |= {"measured_at": report.measured_at, "host": report.host}
    return JsonResponse(told)


def _rate(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_RATE else None


def _words(report: ReadinessReport | None) -> str:
    if report is None:
        return "Nobody has measured yet whether this would stand the evening."
    counts = reports.counts_of(report.lines)
    wanted = f"{number(report.rate)} films a minute"
    if counts[RED]:
        things = "One thing stands" if counts[RED] == 1 else f"{number(counts[RED])} things stand"
        return f"{things} between us and {wanted}."
    if counts[AMBER]:
        return f"Ready for {wanted}, with {number(counts[AMBER])} to look at."
    return f"Ready for {wanted}."


def _by_area(lines: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    shown = [line | {"tone": _TONES[line["level"]]} for line in lines]
    return [(area, list(found)) for area, found in groupby(shown, lambda line: line["area"])]
