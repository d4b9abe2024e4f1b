"""Reports of shared films: what people said, the film they mean, and one step to take it down or leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from jobs import services, takedowns
from jobs.client_address import client_network
from jobs.models import FilmReport
from providers.admin import pill

from . import faces, parts

_COLOURS = {"open": "queued", "taken_down": "failed", "dismissed": "canceled"}


@admin.register(FilmReport)
class FilmReportAdmin(parts.ReadOnlyAdmin):
    list_display = ("reported_at", "shown_state", "reason", "words", "film", "shown_email", "settled_by")
    list_filter = ("state", "reason")
    list_select_related = ("settled_by",)
    fields = ("reported_at", "film", "reason", "words", "shown_email", "shown_state", "settled_at", "settled_by")
    readonly_fields = ("film", "shown_email", "shown_state")
    actions = ("take_down", "dismiss", "reinstate")

    def get_list_display(self, request: HttpRequest) -> Any:
        return self._instead(request, self.list_display)

    def get_fields(self, request: HttpRequest, obj: FilmReport | None = None) -> Any:
        return self._instead(request, self.fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "masked_email"]

    def _instead(self, request: HttpRequest, names: Iterable[str]) -> tuple[str, ...]:
        sees = faces.may_see(request)
        return tuple("masked_email" if name == "shown_email" and not sees else name for name in names)

    @admin.display(description="state", ordering="state")
    def shown_state(self, report: FilmReport) -> str:
        return pill(report.get_state_display(), css=_COLOURS[report.state])

    @admin.display(description="film")
    def film(self, report: FilmReport) -> str:
        address = reverse("admin:jobs_job_change", args=[report.job_id])
        return format_html('<a href="{}"><code>{}</code></a>', address, str(report.job_id)[:8])

    @admin.display(description="e-mail")
    def shown_email(self, report: FilmReport) -> str:
        return report.email or "–"

    @admin.display(description="e-mail")
    def masked_email(self, report: FilmReport) -> str:
        return faces.masked(report.email) or "–"

    @admin.action(description="Take the films down", permissions=["act"])
    def take_down(self, request: HttpRequest, reports: QuerySet[FilmReport]) -> None:
        self._do(request, takedowns.take_down, _films(reports), "film", "taken down", "not public")

    @admin.action(description="Dismiss the reports", permissions=["act"])
    def dismiss(self, request: HttpRequest, reports: QuerySet[FilmReport]) -> None:
        chosen = list(reports.values_list("pk", flat=True)[: parts.MAX_BULK])
        self._do(request, takedowns.dismiss, chosen, "report", "dismissed", "settled already")

    @admin.action(description="Undo: make the films public again", permissions=["act"])
    def reinstate(self, request: HttpRequest, reports: QuerySet[FilmReport]) -> None:
        self._do(request, takedowns.reinstate, _films(reports), "film", "public again", "not taken down")

    def _do(
        self, request: HttpRequest, act: Callable[..., None], ids: list[Any], what: str, done: str, otherwise: str
    ) -> None:
        does = partial(act, now=timezone.now(), actor=request.user, address=client_network(request))
        count = 0
        for one in ids:
            try:
                does(one)
                count += 1
            except services.NotPossible:
                continue
        if count:
            self.message_user(request, f"{parts.counted(count, what)} {done}.", messages.SUCCESS)
        if left := len(ids) - count:
            self.message_user(request, f"{parts.counted(left, what)} left as before: {otherwise}.", messages.WARNING)


def _films(reports: QuerySet[FilmReport]) -> list[Any]:
    return list(reports.order_by("job").values_list("job", flat=True).distinct()[: parts.MAX_BULK])
