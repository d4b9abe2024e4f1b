"""Errors as application/problem+json (RFC 9457) with a stable `code`, a sentence for people and the field."""

from __future__ import annotations

import errno
import logging
import math
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop
from rest_framework import exceptions, status

from common import problem
from jobs import services, storage
from jobs.storage_guard import PAUSE_SECONDS, StorageAway

from .part_heads import MOST_HEAD_BYTES, HeadTooLong

logger = logging.getLogger(__name__)


class Problem(Exception):
    """An answer that is not a success, for people and for programs."""

    def __init__(
        self,
        status_code: int,
        code: str,
        detail: str,
        *,
        field: str = "",
        next_step: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status_code = status_code
        self.code = code
        self.detail = detail
        self.field = field
        self.next_step = next_step
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        title = _(TITLES.get(self.status_code, "Error"))
        return problem.body(self.status_code, self.code, title, self.detail, field=self.field, next_step=self.next_step)

    def response(self) -> HttpResponse:
        """Return the response: JSON, whatever its address answers otherwise (YAML, a page)."""
        response = JsonResponse(self.body(), status=self.status_code, content_type=problem.CONTENT_TYPE)
        if self.retry_after is not None:
            response["Retry-After"] = str(self.retry_after)
        return response


TITLES = {
    400: noop("Bad request"),
    401: noop("Not signed in"),
    403: noop("Not allowed"),
    404: noop("Not found"),
    405: noop("Method not allowed"),
    406: noop("Not acceptable"),
    409: noop("Conflict"),
    410: noop("Gone"),
    413: noop("Too large"),
    415: noop("Unsupported type"),
    422: noop("Cannot be used"),
    429: noop("Too many requests"),
    500: noop("Internal server error"),
    503: noop("Service unavailable"),
    507: noop("No room"),
}

NOT_FOUND = noop("There is no such job here.")


def not_found() -> Problem:
    """Return the answer for a job that does not exist, and for one of another owner."""
    return Problem(404, "not_found", _(NOT_FOUND))


def handle(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's exception handler: expected errors become problems, others stay errors."""
    problem = problem_of(error)
    if problem is None:
        return None
    response = problem.response()
    if challenge := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = challenge
    return response


def problem_of(error: Exception) -> Problem | None:
    """Return the problem for an expected error, None for a bug."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestDataTooBig):
        return Problem(
            413,
            "too_big",
            _("A field of this form is too long."),
            next_step=_("If it is the photo, send it as a file: its part of the form needs a file name."),
        )
    if isinstance(error, services.PhotoGone):
        return Problem(410, "photo_gone", str(error), next_step=_("Send a photo anew."))
    if isinstance(error, services.TakenDown):
        return Problem(409, "taken_down", str(error), next_step=_("It is still yours, to watch, save and erase."))
    if isinstance(error, services.NotPossible):
        return Problem(409, "not_finished", str(error))
    if isinstance(error, HeadTooLong) or isinstance(error.__context__, HeadTooLong):
        return Problem(
            413,
            "part_head_too_long",
            _("The header of one part of this form is longer than {most} bytes.").format(most=MOST_HEAD_BYTES),
            next_step=_("Give the file a shorter name, or leave out what the header need not say."),
        )
    if isinstance(error, exceptions.ParseError | SuspiciousOperation | UnreadablePostError):
        return Problem(400, "malformed", _("The request could not be read."))
    if isinstance(error, Http404 | exceptions.NotFound):
        return not_found()
    if isinstance(error, PermissionDenied | exceptions.PermissionDenied):
        return Problem(403, "forbidden", _("This request came from another site, so it was not carried out."))
    if isinstance(error, exceptions.AuthenticationFailed | exceptions.NotAuthenticated):
        return Problem(401, "bad_token", _("This API token is not known."))
    if isinstance(error, exceptions.Throttled):
        wait = max(1, round(getattr(error, "wait", None) or 10))
        return Problem(
            429,
            "too_many_requests",
            _("That was a lot at once. Try again in {wait} seconds.").format(wait=wait),
            retry_after=wait,
        )
    if isinstance(error, exceptions.UnsupportedMediaType):
        return Problem(415, "unsupported_media_type", _("Send the form as multipart/form-data."))
    if isinstance(error, exceptions.MethodNotAllowed):
        return Problem(405, "method_not_allowed", _("This address does not do that."))
    if isinstance(error, exceptions.NotAcceptable):
        return Problem(406, "not_acceptable", _("This address does not answer in this form."))
    if isinstance(error, StorageAway):
        return Problem(
            503,
            "storage_away",
            _("Photos cannot be kept right now. Nothing of yours was stored."),
            next_step=_("Try again in a few seconds."),
            retry_after=math.ceil(PAUSE_SECONDS),
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        is_kept = isinstance(error, storage.NearlyFull)
        logger.error("storage_nearly_full" if is_kept else "storage_full")
        return Problem(
            status.HTTP_507_INSUFFICIENT_STORAGE,
            "storage_full",
            " ".join(
                [
                    _("There is no room for new photos right now."),
                    *([_("What room is left is kept for the films under way.")] if is_kept else []),
                ]
            ),
            next_step=_("Try again later."),
            retry_after=60,
        )
    return None
