"""Which language a visitor is answered in, and the switch that says so."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from common.problem import CONTENT_TYPE
from jobs import identity

LONGEST = 1000  # characters that are read of what a browser asks for
_RANGE = re.compile(r"\s*(?:[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*")
# What has words in it. Films, pictures and style sheets are the same in every language.
_WORDED = ("text/html", "text/javascript", "application/json", CONTENT_TYPE, "application/manifest+json")


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer in the visitor's language: what the switch put into the cookie, else what the browser asks for.

    Django's own middleware says that every response depends on Accept-Language, and none on the cookie. A response that
    names its language itself (Content-Language) is the same for everybody, and is left alone for the CDN that keeps it.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        if asked := request.META.get("HTTP_ACCEPT_LANGUAGE"):
            request.META["HTTP_ACCEPT_LANGUAGE"] = readable(asked)
        code = translation.get_language_from_request(request)
        with translation.override(code):
            request.LANGUAGE_CODE = code
            response = get_response(request)
        if response.get("Content-Type", "").partition(";")[0] in _WORDED and "Content-Language" not in response:
            response["Content-Language"] = code
            patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response

    return answer


def readable(asked: str) -> str:
    """Return an Accept-Language header without what Django does not read: one odd range would cost all the others.

    `es_MX` is how Java and Android write es-MX.
    """
    return ",".join(part for part in asked[:LONGEST].replace("_", "-").split(",") if _RANGE.fullmatch(part))


@csrf_exempt
@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the chosen language in its cookie and go back to the page.

    The Referer names it: scripts may have moved on from the address it was loaded from. Pages that a cache keeps have
    no form token, so the request's origin decides.
    """
    if not identity.is_same_origin(request):
        return HttpResponse(status=403)
    return set_language(request)
