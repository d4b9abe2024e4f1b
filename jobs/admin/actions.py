"""The actions of staff on jobs: confirmed first, carried out by `jobs.services`, and recorded in the audit log."""

from __future__ import annotations

import logging
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import ModelAdmin
from django.db.models import BooleanField, ExpressionWrapper, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from jobs import services
from jobs.bulk.actions import CANCEL, ERASE, MOVE, PUT_BACK, PUT_FIRST, RETRY, StaffAction
from jobs.client_address import client_network
from jobs.models import Job

from . import parts

logger = logging.getLogger(__name__)

__all__ = ["CANCEL", "ERASE", "MOVE", "PUT_BACK", "PUT_FIRST", "RETRY", "StaffAction", "possible_for", "run"]

_LISTED = 20


def possible_for(job: Job, wanted: list[StaffAction]) -> list[StaffAction]:
    """Return those of the actions that the job allows. One query."""
    answers = {action.name: ExpressionWrapper(action.possible, output_field=BooleanField()) for action in wanted}
    if not answers:
        return []
    row = Job.objects.filter(pk=job.pk).annotate(**answers).values(*answers).first() or {}
    return [action for action in wanted if row.get(action.name)]


def run(action: StaffAction, model_admin: ModelAdmin, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
    """Ask for confirmation, then act on each job that allows it, and report how many changed and why others did not."""
    back = _back(request)
    if request.POST.get("confirmed") == "yes":
        # By id alone: a job that has left the filtered list meanwhile was confirmed too.
        chosen = Job.objects.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME)[: parts.MAX_BULK])
        _perform(action, model_admin, request, list(chosen.values_list("pk", flat=True)))
        return HttpResponseRedirect(back) if back else None
    ids = list(jobs.order_by("-created_at").values_list("pk", flat=True)[: parts.MAX_BULK + 1])
    if len(ids) > parts.MAX_BULK:
        text = f"That is more than {parts.MAX_BULK} jobs. Filter the list further, or take them page by page."
        model_admin.message_user(request, text, messages.ERROR)
        return None
    chosen = Job.objects.filter(pk__in=ids).select_related("look").order_by("-created_at")
    possible = chosen.filter(action.possible).count()
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"{action.button}: {parts.counted(len(ids), 'job')}",
        "action": action,
        "ids": ids,
        "possible": parts.counted(possible, "job") if possible else "",
        "impossible": parts.counted(len(ids) - possible, "job") if len(ids) > possible else "",
        "listed": chosen[:_LISTED],
        "more": max(0, len(ids) - _LISTED),
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "back": back,
        "leave": back or request.get_full_path(),
    }
    return TemplateResponse(request, "admin/jobs/job/confirm.html", context)


def _perform(action: StaffAction, model_admin: ModelAdmin, request: HttpRequest, ids: list[UUID]) -> None:
    now = timezone.now()
    possible = set(Job.objects.filter(action.possible, pk__in=ids).values_list("pk", flat=True))
    done, impossible, broken, made = 0, len(ids) - len(possible), 0, []
    for job_id in sorted(possible):
        try:
            made.append(action.act(job_id, now=now, actor=request.user, address=client_network(request)))
            done += 1
        except services.NotPossible:
            impossible += 1
        except OSError as error:
            # The photo's file is gone, or storage does not answer; the other jobs go on.
            logger.warning("staff_action_failed action=%s job=%s error=%s", action.name, job_id, type(error).__name__)
            broken += 1
    if done:
        text: str = f"{parts.counted(done, 'job')} {action.done}."
        if done == 1 and made[0] is not None:
            address = reverse("admin:jobs_job_change", args=[made[0].pk])
            text = format_html('{} The new job is <a href="{}">{}</a>.', text, address, str(made[0].pk)[:8])
        model_admin.message_user(request, text, messages.SUCCESS)
    if impossible:
        text = f"{parts.counted(impossible, 'job')} left as before: {action.otherwise}."
        model_admin.message_user(request, text, messages.WARNING)
    if broken:
        text = f"{parts.counted(broken, 'job')} left as before: a file could not be reached. Try again later."
        model_admin.message_user(request, text, messages.ERROR)


def _back(request: HttpRequest) -> str:
    """Return the job's page when the action came from there, '' for the list."""
    try:
        job_id = UUID(request.POST.get("back", ""))
    except ValueError:
        return ""
    return reverse("admin:jobs_job_change", args=[job_id])
