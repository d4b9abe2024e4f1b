"""Bulk with brakes: what an action on all jobs of a filter would mean, and the operation while it goes."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from jobs import bulk
from jobs import now as present
from jobs.bulk import brakes, control, sums
from jobs.bulk.plan import ACTIONS, COSTLY, FASTEST, checked_rate, rates
from jobs.client_address import client_network
from jobs.models import AuditEntry, BulkOperation, Job
from jobs.now.words import clock, length, money, number

from . import bulk_links, parts
from .jobs import JobAdmin

_LISTED = 50
_DOING = {"retry_jobs": "Trying again", "move_jobs": "Moving", "cancel_jobs": "Canceling", "erase_jobs": "Erasing"}
_STATES = {"running": "processing", "paused": "warn", "done": "succeeded", "stopped": "canceled"}
_STEPS = ("Which and what", "What it means", "How fast", "Under way", "Done")


@admin.register(BulkOperation)
class BulkOperationAdmin(parts.ReadOnlyAdmin):
    """The add page is the preview of what a filter found, the change page the run."""

    list_display = ("created_at", "action", "words", "status", "total", "done")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("jobs.add_bulkoperation"))

    def get_urls(self) -> list[URLPattern]:
        views = {"state": self.state_json, "control": self.control}
        own = [
            path(f"<int:operation_id>/{name}/", self.admin_site.admin_view(view), name=f"jobs_bulk_{name}")
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    # --- Before ---------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = self._context(request, "Bulk") | {"before": _before()}
        return TemplateResponse(request, "admin/jobs/bulkoperation/change_list.html", context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what the action would mean for the jobs of the query; a POST starts it."""
        action = request.GET.get("action", "")
        if not bulk_links.may_do(request, action):
            raise PermissionDenied
        now = timezone.now()
        query = bulk_links.filter_of(request.GET)
        plan = bulk.plan_of(action, self._jobs(request, query), capacity=present.read_capacity(now=now), now=now)
        rate = checked_rate(request.POST.get("rate", "")) if request.method == "POST" else plan.free_rate
        if request.method == "POST" and rate and plan.possible:
            operation = bulk.start(
                plan,
                form_token=request.POST.get("form_token") or secrets.token_hex(16),
                query="" if "q" in query else query.urlencode(),
                words=_words(query),
                rate=rate,
                actor=request.user,
                address=client_network(request),
                now=now,
            )
            return HttpResponseRedirect(reverse("admin:jobs_bulkoperation_change", args=[operation.pk]))
        context = self._context(request, ACTIONS[action].button) | {
            "plan": plan,
            "filter": _words(query),
            "back": f"{reverse('admin:jobs_job_changelist')}?{query.urlencode()}",
            "sums": _sums(plan),
            "rate": rate or plan.free_rate,
            "rates": rates(plan.free_rate),
            "fastest": FASTEST,
            "is_costly": action in COSTLY,
            "ends": clock(now + timedelta(minutes=plan.possible / (rate or plan.free_rate))),
            "now": now,
            "is_wrong": request.method == "POST" and not rate,
            "steps": _steps(2),
            "form_token": secrets.token_hex(16),
            "listed": [(job, clock(job.finished_at or job.created_at)) for job in plan.first],
        }
        return TemplateResponse(request, "admin/jobs/bulkoperation/add.html", context)

    def _jobs(self, request: HttpRequest, query: QueryDict) -> Any:
        """Return the jobs that the job list shows for this query, up to bulk.MOST of each part of it."""
        job_admin = self.admin_site._registry[Job]
        assert isinstance(job_admin, JobAdmin)
        asked = _as_list(request, query)
        try:
            return job_admin.get_changelist_instance(asked).queryset
        except IncorrectLookupParameters:
            raise Http404 from None

    # --- The run --------------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        operation = _operation(object_id)
        state = _state(operation, now=timezone.now())
        context = self._context(request, operation.get_action_display()) | {
            "operation": operation,
            "state": state,
            "steps": _steps(3 if operation.is_open else 4),
            "may_act": self.has_act_permission(request),
            "happened": _happened(operation),
            "fastest": FASTEST,
            "listed": operation.query and f"{reverse('admin:jobs_job_changelist')}?{operation.query}",
            "before": _before(but=operation),
        }
        return TemplateResponse(request, "admin/jobs/bulkoperation/run.html", context)

    def state_json(self, request: HttpRequest, operation_id: int) -> HttpResponse:
        """Answer the figures of a run to a page that is open."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(_state(_operation(operation_id), now=timezone.now()))

    @method_decorator(require_POST)
    def control(self, request: HttpRequest, operation_id: int) -> HttpResponse:
        """Pause, go on, change the rate, stop."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        operation, asked = _operation(operation_id), request.POST.get("do")
        who: dict[str, Any] = {"actor": request.user, "address": client_network(request), "now": timezone.now()}
        if asked == "rate":
            rate = checked_rate(request.POST.get("rate", ""))
            if rate is None:
                self.message_user(request, f"A rate is a number from 1 to {FASTEST}.", messages.ERROR)
            else:
                bulk.set_rate(operation, rate, **who)
        elif asked == "pause":
            bulk.pause(operation, **who)
        elif asked == "go_on":
            bulk.go_on(operation, **who)
        elif asked == "stop":
            bulk.stop(operation, **who)
        return HttpResponseRedirect(reverse("admin:jobs_bulkoperation_change", args=[operation_id]))

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "title": title}


def _operation(key: Any) -> BulkOperation:
    if not str(key).isdecimal() or (operation := BulkOperation.objects.filter(pk=key).first()) is None:
        raise Http404
    return operation


def _as_list(request: HttpRequest, query: QueryDict) -> HttpRequest:
    """Return a request for the job list with this query, by the same person."""
    asked = HttpRequest()
    asked.method, asked.path, asked.META = "GET", reverse("admin:jobs_job_changelist"), request.META
    # `most_found` is read by the filters, and says that nothing is listed.
    vars(asked).update(GET=query, user=request.user, most_found=bulk.MOST)
    return asked


def _words(query: QueryDict) -> str:
    """Return the filter for people: status failed, provider fal. What was searched for may be a person's: not that."""
    said = ["found by a search"] if "q" in query else []
    for name, value in query.items():
        if name == "q":
            continue
        what, _, how = name.partition("__")
        word = {"gte": "since", "lt": "before", "lte": "until"}.get(how, "")
        what = "" if word else what.replace("_", " ")
        said.append(" ".join(part for part in (what, word, str(value)[:40]) if part))
    return ", ".join(said) or "all jobs"


def _sums(plan: bulk.Plan) -> list[tuple[str, str, str]]:
    left = sum(count for count, _ in plan.left)
    rows = [
        ("It takes", number(plan.possible), f"of {'more than ' if plan.is_capped else ''}{number(plan.found)} found"),
        ("Left as before", number(left), ", ".join(f"{number(count)} {why}" for count, why in plan.left) or "none"),
    ]
    if plan.action.name in COSTLY:
        spent = f"; {money(float(plan.budget_left))} left today" if plan.budget_left is not None else ""
        each = f"{plan.price_of}, ${plan.price.normalize():f} each{spent}" if plan.price_of else "no provider is open"
        rows.append(("At most", money(float(plan.most_cost)), each))
    if plan.first_photo_goes:
        rows.append(("First photo goes", clock(plan.first_photo_goes), "as it was promised; then its job is left"))
    return rows


def _steps(present_step: int) -> list[tuple[str, str]]:
    return [
        (words, "is-done" if place < present_step else "is-here" if place == present_step else "")
        for place, words in enumerate(_STEPS)
    ]


def _state(operation: BulkOperation, *, now: datetime) -> dict[str, Any]:
    """Return the figures of a run as text by key, for the template and for the open page."""
    made = sums.NOTHING | operation.sums
    share = operation.worked / operation.total if operation.total else 1.0
    figures = [("Done", "done", number(operation.done), f"of {number(operation.total)}")]
    if operation.action == "retry_jobs":
        under = f"{number(made['open'])} under way, {number(made['failed'])} failed again"
        figures.append(("Became films", "films", number(made["films"]), under))
    left = f"{number(operation.broken)} ended in errors" if operation.broken else "they no longer allowed it"
    figures.append(("Left as before", "left", number(operation.left + operation.broken), left))
    if operation.action == "retry_jobs":
        most = f"of at most {money(float(operation.most_cost))}"
        figures.append(("Cost so far", "cost", money(float(made["cost"])), most))
    return {
        "words": _sentence(operation, now=now),
        "status": operation.status,
        "share": round(share, 4),
        "worked": operation.worked,
        "figures": [dict(zip(("label", "key", "text", "sub"), figure, strict=True)) for figure in figures],
        "brakes": [
            {"name": brake.name, "words": brake.words, "holds": brake.holds}
            for brake in (brakes.brakes_of(operation, now=now) if operation.is_open else [])
        ],
    }


def _sentence(operation: BulkOperation, *, now: datetime) -> str:
    total, worked = number(operation.total), number(operation.worked)
    doing = _DOING[operation.action]
    if operation.status == BulkOperation.Status.RUNNING:
        rest = operation.total - operation.worked
        last = clock(now + timedelta(minutes=rest / operation.rate))
        return f"{doing} {total} jobs: {worked} looked at, the last at {last}."
    if operation.status == BulkOperation.Status.PAUSED:
        why = f" by itself. {operation.paused_why}" if operation.paused_why else f". {doing} goes no further."
        return f"Paused at {worked} of {total}{why}"
    if operation.status == BulkOperation.Status.STOPPED:
        return f"Stopped at {worked} of {total}. The others stay as they were."
    took = length((operation.ended_at - operation.created_at).total_seconds()) if operation.ended_at else ""
    return f"Done in {took}: {number(operation.done)} of {total}."


def _happened(operation: BulkOperation) -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(subject=control.subject_of(operation)).order_by("-at", "-id")
    return [(clock(entry.at), f"{entry.actor_name or 'It'} {_did(entry)}") for entry in entries[:_LISTED]]


def _did(entry: AuditEntry) -> str:
    data = entry.data
    match entry.action:
        case "bulk_started":
            return f"started it: {number(data['jobs'])} jobs, {number(data['rate'])} a minute"
        case "bulk_paused":
            return f"paused itself: {data['why']}" if data.get("why") else "paused it"
        case "bulk_rate":
            before, after = data["rate"]
            return f"changed the rate from {number(before)} to {number(after)} a minute"
    return {"bulk_resumed": "let it go on", "bulk_stopped": "stopped it", "bulk_done": "is done"}[entry.action]


def _before(but: BulkOperation | None = None) -> list[tuple[BulkOperation, str, str, str]]:
    others = BulkOperation.objects.exclude(pk=but.pk) if but else BulkOperation.objects.all()
    rows = others.order_by("-created_at", "-id")[:_LISTED]
    return [
        (
            row,
            clock(row.created_at),
            _STATES[row.status],
            f"{row.status} in {length((row.ended_at - row.created_at).total_seconds())}"
            if row.ended_at and row.status == BulkOperation.Status.DONE
            else f"{row.status} at {number(row.worked)}",
        )
        for row in rows
    ]
