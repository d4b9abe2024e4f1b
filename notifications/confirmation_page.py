"""The page behind the link of a confirmation mail."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from . import confirmation


@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_email(request: HttpRequest, token: str) -> HttpResponse:
    """Ask, and at the press of the button confirm the address that the link was sent to."""
    job = confirmation.job_of(token)
    if job is None:
        raise Http404
    is_done = request.method == "POST"
    if is_done:
        confirmation.confirm(job, now=timezone.now())
    context = {"is_done": is_done, "has_ended": job.is_final}
    response = render(request, "pages/confirm_email.html", context)
    response["Referrer-Policy"] = "no-referrer"
    return response
