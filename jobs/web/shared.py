"""Shared films by their public address: found while their owner shares them, 410 once staff have taken them down."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import patch_cache_control

from jobs.models import Job


class TakenDown(Http404):
    """Staff have taken the film at this address down. To whoever does not ask further it is not found."""

    def __init__(self, job: Job) -> None:
        super().__init__("taken down")
        self.job = job


def find(share_slug: str) -> Job:
    """Return the film with this public address; raise TakenDown, or Http404 when it is not shared (any more)."""
    job = Job.objects.shared_as(share_slug).select_related("look").first()
    if job is None:
        raise Http404
    if job.taken_down_at:
        raise TakenDown(job)
    return job


def says_when_taken_down(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Have a view of a shared film answer 410 with a page that says so, when staff have taken the film down."""

    @functools.wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except TakenDown as taken:
            return _gone(taken.job)

    return answer


def language_of(job: Job) -> translation.override:
    """Return a context in the language of a film's owner."""
    return translation.override(job.locale or settings.LANGUAGE_CODE)


def _gone(job: Job) -> HttpResponse:
    with language_of(job):
        # Without the request, as every page that a CDN may keep.
        context: dict[str, Any] = {"is_for_all": True}
        response = HttpResponse(render_to_string("pages/taken_down.html", context), status=410)
    response["Content-Language"] = job.locale or settings.LANGUAGE_CODE
    response["X-Robots-Tag"] = "noindex, noimageindex"
    patch_cache_control(response, no_store=True)
    return response
