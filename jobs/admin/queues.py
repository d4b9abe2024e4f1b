"""django-rq's pages about the queues: for owners (the permission of django-rq), and to read only.

As django-rq registers them, any staff could empty a queue or run a job again. Nobody needs to: what waits in a queue
is "pump this lane", and reconcile puts one there within seconds where it is missing (`jobs.queue.queues`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import redis
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern
from django_rq.admin import QueueAdmin
from django_rq.models import Dashboard

from jobs.queue.redis_breaker import breaker

View = Callable[..., HttpResponse]

# The pages that change nothing. What the others would do is refused, also the question before it.
READ_PAGES = frozenset(
    {"django_rq_dashboard_changelist"}
    | {
        f"django_rq_{name}"
        for name in (
            *("home", "home_json", "jobs", "queue_details", "job_detail", "result_detail", "workers", "worker_details"),
            *("finished_jobs", "failed_jobs", "scheduled_jobs", "started_jobs", "deferred_jobs"),
        )
    }
)


def may_read(request: HttpRequest) -> bool:
    """Return whether this person may look at the queues."""
    return bool(request.user.has_perm("django_rq.admin"))


if admin.site.is_registered(Dashboard):
    admin.site.unregister(Dashboard)


@admin.register(Dashboard)
class ReadOnlyQueueAdmin(QueueAdmin):
    """What waits and runs in each queue, and its workers."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_read(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_read(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        patterns = super().get_urls()
        for pattern in patterns:
            guarded = _guarded(pattern.callback, is_read=pattern.name in READ_PAGES)
            pattern.callback = self.admin_site.admin_view(guarded)
        return patterns


def _guarded(view: View, *, is_read: bool) -> View:
    """Return the view as an owner may ask for it; a Redis that is away leads back to the admin's first page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not (is_read and may_read(request)):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            if breaker.is_open:
                raise redis.ConnectionError("left alone for a moment")
            return view(request, *args, **kwargs)
        except ValueError:  # how RQ says that it knows no worker of that name
            raise Http404 from None
        except (redis.RedisError, OSError) as error:
            messages.error(request, f"Redis does not answer ({type(error).__name__}), so the queues cannot be shown.")
            return redirect("admin:index")

    return guarded
