"""Middleware: 503 without a database, and compressed pages."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from urllib.parse import quote

from csp.constants import HEADER
from csp.middleware import CheckableLazyObject, CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.urls import is_valid_path
from django.utils.http import escape_leading_slashes
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop
from django.views.defaults import bad_request as plain_bad_request
from django.views.defaults import page_not_found
from django.views.defaults import server_error as plain_server_error

from common import problem
from common.log_limiter import LogLimiter
from common.security_headers import of_all
from jobs.intake.problems import TITLES

logger = logging.getLogger(__name__)

_AFTER_SECONDS = "5"
_BEHIND_A_LINK = ".,;:!?)]}>*'\"»’”。、）」"
_outage_log = LogLimiter(10.0)


def database_unavailable(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 503 with Retry-After when the database does not answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return answer_to(exception, request)

    middleware.process_exception = process_exception  # type: ignore[attr-defined]  # Django looks for it there
    return middleware


_PRIVATE_PREFIXES = ("/api/v1/jobs", "/jobs/", "/me/", "/t/", "/admin/")


def security_headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give every answer its common headers, and let nobody keep one that is for one person."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in of_all(hsts_seconds=settings.SECURE_HSTS_SECONDS).items():
            response.headers.setdefault(name, value)
        # A shared film is shown on other sites; nothing else is.
        is_shared = request.path.startswith("/v/")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin" if is_shared else "same-origin")
        _keep_private(request, response)
        return response

    return middleware


def _keep_private(request: HttpRequest, response: HttpResponse) -> None:
    kept = response.get("Cache-Control", "")
    is_private = bool(response.cookies) or (not kept and request.path.startswith(_PRIVATE_PREFIXES))
    if "no-store" in kept:
        if "private" not in kept:
            response["Cache-Control"] = f"private, {kept}"
    elif is_private:
        response["Cache-Control"] = "private, no-store"


class ContentPolicy(CSPMiddleware):
    """The Content-Security-Policy of every answer, made once for those that have no nonce and change nothing of it."""

    _made: tuple[object, str] = (None, "")  # from which setting, and its text

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        policy = settings.CONTENT_SECURITY_POLICY
        is_usual = not (settings.DEBUG or "EXCLUDE_URL_PREFIXES" in policy or HEADER in response)
        if hasattr(settings, "CONTENT_SECURITY_POLICY_REPORT_ONLY") or getattr(request, "_csp_nonce", None):
            is_usual = False
        if not is_usual or any(name.startswith("_csp") for name in vars(response)):
            return super().process_response(request, response)
        if self._made[0] is not policy:
            self._made = policy, build_policy()
        response.headers[HEADER] = self._made[1]
        # As the library does: a nonce from now on would be in no policy.
        request.csp_nonce = CheckableLazyObject(self._csp_nonce_post_response)  # type: ignore[attr-defined]
        return response


class ShortPages(GZipMiddleware):
    """Compress pages, and nothing else: films are read in ranges, and what has an ETag is a CDN's to compress."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_html = response.get("Content-Type", "").startswith("text/html")
        if not is_html or response.streaming or response.has_header("ETag"):
            return response
        return super().process_response(request, response)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what nobody expected: 503 when a middleware found no database, else a 500 in the form that is read."""
    return answer_to(sys.exc_info()[1], request) or _refusal(request, 500) or plain_server_error(request)


def answer_to(exception: BaseException | None, request: HttpRequest) -> HttpResponse | None:
    """Return the 503 for an exception that says "no database now", None for any other."""
    if not isinstance(exception, OperationalError | InterfaceError):
        return None
    if _outage_log.may_log():
        logger.error("database_unavailable error=%s", type(exception).__name__)
    return busy_response(request)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer an address that there is not, in the form that whoever asks can read."""
    if (mended := _without_punctuation(request)) is not None:
        return HttpResponseRedirect(mended)
    return _refusal(request, 404) or page_not_found(request, exception or Http404())


def _without_punctuation(request: HttpRequest) -> str | None:
    """Return the page that was meant when a chat took the punctuation behind a link for a part of it."""
    clean = request.path.rstrip(_BEHIND_A_LINK)
    if clean == request.path or request.method not in ("GET", "HEAD") or is_for_programs(clean):
        return None
    path = next((path for path in (clean, f"{clean}/") if is_valid_path(path)), None)
    return path and escape_leading_slashes(quote(path))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a request that Django refuses to read."""
    return _refusal(request, 400) or plain_bad_request(request, exception or SuspiciousOperation())


# By status: code and sentence of a problem of which nothing else is known.
_REFUSALS = {
    400: ("malformed", noop("The request could not be read.")),
    401: ("not_genuine", noop("This call does not show that it is genuine.")),
    403: ("forbidden", noop("This request came from another site, so it was not carried out.")),
    404: ("not_found", noop("There is nothing at this address.")),
    405: ("method_not_allowed", noop("This address does not do that.")),
    413: ("too_large", noop("The request is larger than this address takes.")),
    415: ("content_encoding", noop("The body is compressed, which is not read here. Send it as it is.")),
    500: ("internal_error", noop("Something went wrong on our side. Try again in a moment.")),
    503: ("unavailable", noop("Selfie Hero catches its breath. Try again in a few seconds.")),
}


def problems_for_programs(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give every error at an address for programs the body of a problem, whoever answered it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_bare = response.status_code >= 400 and response.get("Content-Type", "text/html").startswith("text/html")
        if not (is_bare and is_for_programs(request.path)):
            return response
        told = _problem(response.status_code)
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in response:
                told[name] = response[name]
        return told

    return middleware


def uncompressed_bodies(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse compressed bodies, which would be read as rubbish, with what is taken (RFC 9110, 8.4 and 12.5.3)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        coding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
        # Some clients name a coding in all that they send, also where there is no body.
        if coding in ("", "identity") or request.method not in ("POST", "PUT", "PATCH"):
            return get_response(request)
        response = _problem(415)
        response["Accept-Encoding"] = "identity"
        return response

    return middleware


def _refusal(request: HttpRequest, status: int) -> HttpResponse | None:
    """Return a problem for a program, None for people."""
    accepted = request.headers.get("Accept", "")
    if not (is_for_programs(request.path) or ("json" in accepted and "text/html" not in accepted)):
        return None
    return _problem(status)


def _problem(status: int) -> HttpResponse:
    code, detail = _REFUSALS.get(status, _REFUSALS[400 if status < 500 else 500])
    title = _(TITLES.get(status, "Error"))
    return JsonResponse(problem.body(status, code, title, _(detail)), status=status, content_type=problem.CONTENT_TYPE)


def is_for_programs(path: str) -> bool:
    """Whether programs use this address, which get a problem instead of a page."""
    return f"{path}/".startswith(("/api/", "/webhooks/"))


def busy_page(retry_after: int | str) -> HttpResponse:
    """Return the 503 page, which counts down and tries again."""
    from django.template.loader import render_to_string

    return HttpResponse(render_to_string("pages/busy.html", {"retry_after": retry_after}), status=503)


def busy_response(request: HttpRequest) -> HttpResponse:
    """Return the 503 a browser or an API client can act on."""
    response = _problem(503) if is_for_programs(request.path) else busy_page(_AFTER_SECONDS)
    response["Retry-After"] = _AFTER_SECONDS
    return response
