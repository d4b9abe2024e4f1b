"""Methods of API views that get Django's own request, for the calls that every hero makes.

REST framework reads a request through layers of its own and renders the answer afterwards: two thirds of what such a
call costs. A method named in `plain` does without. What the caller sees stays the same and is decided by the same code:
negotiation, owner, origin, throttles, problems. It is documented like any other method; a test holds its answers
against the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.utils.datastructures import MultiValueDict
from rest_framework.exceptions import AuthenticationFailed, ParseError, PermissionDenied, UnsupportedMediaType
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs import identity
from jobs.intake import forms, throttles
from jobs.intake.problems import Problem

_TAKES_JSON = frozenset({"", "*/*", "application/json"})


class PlainRequest(HttpRequest):
    """Django's request with its owner in `auth`, as REST framework's has it."""

    auth: str


class PlainMethods(APIView):
    """A view whose methods in `plain` take a PlainRequest and return Django's response."""

    plain: ClassVar[frozenset[str]] = frozenset()

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        if request.method not in self.plain:
            return super().dispatch(request, *args, **kwargs)
        self.request, self.args, self.kwargs = request, args, kwargs
        self.headers = self.default_response_headers
        handler = getattr(self, request.method.lower())
        try:
            self._admit(request)
            response = handler(request, *args, **kwargs)
        except Exception as error:
            response = self.get_exception_handler()(error, {})
            if response is None:
                raise
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        return response

    def _admit(self, request: PlainRequest) -> None:
        """Raise what REST framework raises before a method is called."""
        if request.META.get("HTTP_ACCEPT", "") not in _TAKES_JSON or "format" in request.GET:
            self.format_kwarg = None
            self.perform_content_negotiation(Request(request))
        owner = identity.owner_of(request)
        if owner is None:
            unknown = AuthenticationFailed()
            unknown.auth_header = "Token"  # type: ignore[attr-defined]  # the exception handler looks for it there
            raise unknown
        if request.method not in SAFE_METHODS and not identity.is_same_origin(request):
            raise PermissionDenied
        request.auth = owner
        throttles.count(self.get_throttles(), request)  # type: ignore[arg-type]  # all of the API's are ours


def multipart(request: HttpRequest) -> tuple[QueryDict, MultiValueDict[str, Any]]:
    """Return the fields and files of a form; raise what REST framework's own parser raises for anything else."""
    if request.content_type != "multipart/form-data":
        if request.META.get("CONTENT_LENGTH") in ("", "0", None):
            return QueryDict(), MultiValueDict()
        raise UnsupportedMediaType(request.content_type or "")
    try:
        form = forms.read(request)
    except MultiPartParserError as error:
        if fault := forms.fault_of(request):
            raise Problem(400, "malformed", fault) from error
        raise ParseError(str(error)) from error
    if fault := forms.fault_of(request):
        raise Problem(400, "malformed", fault)
    return form


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the body as REST framework renders it: lazy sentences in the active language, no spaces."""
    return HttpResponse(
        JSONRenderer().render(body), status=status, content_type="application/json", headers=dict(headers or {})
    )
