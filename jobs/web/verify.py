"""/verify/: whoever has a film or a picture drops it here and learns whether it came from us, and by which layers.

The file is read in processes without rights and forgotten: nothing of it is stored or logged. The watermark's number
is not shown: it leads to a job, which is nobody's business but its owner's.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import Throttled

from jobs.intake import throttles
from jobs.intake.problems import Problem, problem_of
from jobs.labels import signing, watermarks, xmp
from jobs.labels.sandbox import Label, SandboxUnavailable, shared_sandbox
from jobs.labels.watermarks import Sighting


@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    """Ask for a file, and say what its labels say and whether our watermark is in it."""
    if request.method != "POST":
        return render(request, "pages/verify.html", {"limit": settings.PHOTO_MAX_BYTES // 2**20})
    try:
        context = _findings(request)
    except (Problem, Throttled, SandboxUnavailable) as error:
        if isinstance(error, SandboxUnavailable):
            error = Problem(503, "busy", _("That did not go through. Try again in a moment."), retry_after=5)
        problem = problem_of(error)
        assert problem is not None
        response = render(request, "pages/verify.html", {"problem": problem.body()}, status=problem.status_code)
        if problem.retry_after is not None:
            response["Retry-After"] = str(problem.retry_after)
        return response
    return render(request, "pages/verify.html", context)


def _findings(request: HttpRequest) -> dict[str, Any]:
    """Return what is found in the file of this request; raise a Problem without one."""
    throttles.count_verification(request)
    given = request.FILES.get("file")
    if given is None or not given.size:
        raise Problem(422, "file_missing", _("There is no file in this request."), field="file")
    if given.size > settings.PHOTO_MAX_BYTES:
        raise Problem(413, "file_too_large", _("This file is too large to be looked at here."), field="file")
    data = given.read()
    kind = _kind(data)
    if kind is None:
        raise Problem(
            422,
            "file_unknown",
            _("This is neither an MP4 film nor a JPEG picture."),
            field="file",
            next_step=_("Drop the file as you got it."),
        )
    label, watermark = shared_sandbox().read(data, kind), watermarks.search(data, kind)
    return {
        "verdict": _verdict(label, watermark),
        "label": label,
        "label_state": _label_state(label),
        "watermark": watermark,
        "note": xmp.source_in(data).rsplit("/", 1)[-1],
    }


def _kind(data: bytes) -> str | None:
    if data.startswith(b"\xff\xd8\xff"):
        return signing.STILL
    return signing.FILM if data[4:8] == b"ftyp" else None


def _verdict(label: Label, watermark: Sighting) -> str:
    """Return the answer in a word: a label of ours proves most, then the watermark, which survives changes."""
    state = _label_state(label)
    return "watermark" if watermark.is_found and state != "ours" else state


def _label_state(label: Label) -> str:
    if not label.has_label:
        return "none"
    if not label.is_valid:
        return "changed"
    return "ours" if label.is_ours else "other"
