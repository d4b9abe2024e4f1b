"""Verifying receipts, on a page for people and as JSON for programs. It changes nothing and needs no owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import messages, receipts, snapshots
from jobs.intake import throttles
from jobs.intake.parsers import JSONParser
from jobs.intake.problems import Problem, problem_of

from . import serializers as shapes
from .views import problems

JSON = "application/json"  # the page is not for programs
_LAST_HOPE = noop("Paste the whole text, from its first letter to its last.")


class _Page(BaseRenderer):
    """Adds text/html to the negotiation; the view renders the page itself."""

    media_type, format = "text/html", "html"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        raise NotImplementedError


class _KeySet(JSONRenderer):
    """The same JSON under the name that RFC 7517 gives it, for whoever asks for that."""

    media_type, format = "application/jwk-set+json", "jwks"


class _OpenToAll(APIView):
    permission_classes: list[Any] = []
    throttle_classes = [throttles.Reads]


class VerifyView(_OpenToAll):
    """Say whether a receipt is ours and what became of its job."""

    parser_classes = [FormParser, MultiPartParser, JSONParser]
    renderer_classes = [JSONRenderer, _Page]

    @extend_schema(
        operation_id="verify_receipt",
        parameters=[
            OpenApiParameter(
                "receipt", shapes.RECEIPT, required=True, description="As it came with the 202 or with an erasure."
            )
        ],
        responses={(200, JSON): shapes.ReceiptStatusSerializer, (200, "text/html"): str, **problems(422)},
    )
    def get(self, request: Request) -> HttpResponse:
        text = request.query_params.get("receipt", "")
        if not text and self._wants_page(request):
            return self._page(request)
        return self._answer(request, text)

    @extend_schema(
        operation_id="verify_receipt_by_post",
        request=inline_serializer("ReceiptToCheck", {"receipt": shapes.ReceiptField()}),
        responses={
            (200, JSON): shapes.ReceiptStatusSerializer,
            (200, "text/html"): str,
            **problems(400, 415, 422),
        },
    )
    def post(self, request: Request) -> HttpResponse:
        fields = request.data
        text = fields.get("receipt", "") if hasattr(fields, "get") else ""
        return self._answer(request, text if isinstance(text, str) else "")

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Say what can be done here; the page is for the other methods."""
        return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    def _answer(self, request: Request, text: str) -> HttpResponse:
        verdict = _verdict(text)
        if self._wants_page(request):
            return self._page(request, text=text, verdict=verdict)
        return Response(verdict, headers={"Cache-Control": "no-store"})

    def handle_exception(self, error: Exception) -> HttpResponse:  # type: ignore[override]  # DRF lets any answer pass
        """Show a problem on the page when the client wants the page."""
        request, problem = self.request, problem_of(error)
        if problem is None or not self._wants_page(request):
            return super().handle_exception(error)
        try:
            fields = request.data if isinstance(request.data, Mapping) else {}
            text = str(fields.get("receipt", "") or request.query_params.get("receipt", ""))
        except Exception:  # noqa: BLE001 - a body that could not be read is the problem being said
            text = ""
        return self._page(request, text=text, problem=problem)

    @staticmethod
    def _wants_page(request: Request) -> bool:
        return getattr(getattr(request, "accepted_renderer", None), "format", "") == "html"

    @staticmethod
    def _page(request: Request, *, text: str = "", verdict: Any = None, problem: Problem | None = None) -> HttpResponse:
        context = {
            "text": text[: receipts.MOST_CHARACTERS],
            "verdict": verdict,
            "status": verdict and messages.word(messages.STATUSES, verdict["status"]),
            "stage": verdict and messages.word(messages.STAGES, verdict["stage"]),
            "problem": problem.body() if problem else None,
        }
        response = render(
            request._request, "pages/receipt.html", context, status=problem.status_code if problem else 200
        )
        response["Cache-Control"] = "no-store"
        if problem and problem.retry_after is not None:
            response["Retry-After"] = str(problem.retry_after)
        return response


class KeysView(_OpenToAll):
    """The public keys as a JSON Web Key Set: any JWS library can check a receipt with it, without asking us."""

    renderer_classes = [JSONRenderer, _KeySet]

    @extend_schema(operation_id="list_receipt_keys", responses={200: shapes.PublicKeysSerializer})
    def get(self, request: Request) -> Response:
        return Response({"keys": receipts.public_keys()})


def _verdict(text: str) -> dict[str, Any]:
    """Return the status of a genuine receipt; raise a Problem for any other text."""
    if not text.strip():
        raise Problem(422, "receipt_missing", _("There is no receipt in this request."), field="receipt")
    try:
        return snapshots.receipt_status(receipts.check(text))
    except receipts.KeyUnknown:
        raise Problem(
            422,
            "receipt_key_unknown",
            _("This is signed with a key that is not in use here, or not any more: we cannot say that it is ours."),
            field="receipt",
        ) from None
    except receipts.NotOurs:
        raise Problem(
            422,
            "receipt_not_ours",
            _("This receipt is not ours, or a letter of it was changed or lost."),
            field="receipt",
            next_step=_(_LAST_HOPE),
        ) from None
