"""The 503 that the server answers without running a view: a page with a countdown for browsers, a problem for programs.

Rendered once for each language and kept, because it is needed when there is no CPU left.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponse, parse_cookie
from django.middleware.security import SecurityMiddleware
from django.utils import translation
from django.utils.translation import gettext as _

from common.problem import CONTENT_TYPE
from common.problem import body as problem_body
from selfiehero import language
from selfiehero.middleware import busy_page, is_for_programs

from .limits import problem

Headers = list[tuple[bytes, bytes]]


def answer(
    path: str,
    headers: Iterable[tuple[bytes, bytes]],
    *,
    retry_after: int,
    place: Mapping[str, Any] | None = None,
) -> tuple[Headers, bytes]:
    """Return headers and body of the 503 for this request, in the language of its sender.

    A program also gets its place in the waiting room: `{"token": …, "ahead": people, "seconds": until the next try}`.
    """
    asked = _request(path, headers)
    with translation.override(None):
        code = translation.get_language_from_request(asked)
    said, body = _made(is_for_programs(path), code, retry_after)
    if place is None or not is_for_programs(path):
        return said, body
    with translation.override(code):
        detail = _("More people than places right now. You keep your place: about {ahead} are ahead of you.")
        title = _("Service unavailable")
    detail = detail.format(ahead=place["ahead"])
    body = json.dumps(problem_body(503, "busy", title, detail) | {"place": dict(place)}).encode()
    return [(name, b"%d" % len(body) if name == b"content-length" else value) for name, value in said], body


# A page for each language and each number of seconds that a waiting room says.
@lru_cache(maxsize=512)
def _made(is_for_a_program: bool, code: str, retry_after: int) -> tuple[Headers, bytes]:
    def respond(request: HttpRequest) -> HttpResponse:
        if not is_for_a_program:
            response = busy_page(retry_after)
            # Scripts and styles may be refused in the same moment: the browser tries again by itself.
            response["Refresh"] = str(retry_after)
            return response
        detail = _("More people than places right now. Try again in a few seconds.")
        body = problem(503, "busy", _("Service unavailable"), detail)
        return HttpResponse(body, status=503, content_type=CONTENT_TYPE)

    request = _request("/", [(b"accept-language", code.encode())])
    response = SecurityMiddleware(CSPMiddleware(language.middleware(respond)))(request)
    assert isinstance(response, HttpResponse)  # none of these middlewares streams or waits
    response["Retry-After"] = str(retry_after)
    response["Content-Length"] = str(len(response.content))
    return [(name.lower().encode(), value.encode()) for name, value in response.items()], response.content


def _request(path: str, headers: Iterable[tuple[bytes, bytes]]) -> HttpRequest:
    """Return as much of a request as a language is chosen by."""
    given = [(name.lower(), value.decode("latin-1")) for name, value in headers]
    said = dict(given)
    request = HttpRequest()
    request.path = request.path_info = path
    request.META = {"HTTP_ACCEPT_LANGUAGE": said.get(b"accept-language", ""), "SERVER_NAME": "-", "SERVER_PORT": "80"}
    # Proxies that speak HTTP/2 may split the cookies into several headers.
    request.COOKIES = parse_cookie("; ".join(value for name, value in given if name == b"cookie"))
    return request
