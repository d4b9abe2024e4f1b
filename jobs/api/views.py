"""The views of the API. Each translates a request and calls the core once; none talks to a provider."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, JsonResponse
from django.templatetags.static import static
from django.urls import resolve
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.problem import CONTENT_TYPE
from common.times import rfc3339
from jobs import contact, identity, magic_links, moving, receipts, services, snapshots
from jobs.client_address import client_network
from jobs.estimates import eta
from jobs.intake import job_input, throttles
from jobs.intake.parsers import JSONParser
from jobs.intake.problems import TITLES, Problem, not_found
from jobs.models import Job, JobEvent, Look

from . import schema  # noqa: F401 - schema registers itself
from . import serializers as shapes
from .plain import PlainMethods, PlainRequest, json_response, multipart

MAX_EVENTS = 500


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the OpenAPI responses for these problems, for `extend_schema`."""
    return {
        (status, CONTENT_TYPE): OpenApiResponse(shapes.ProblemSerializer, description=TITLES[status])
        for status in statuses
    }


class JobPages(CursorPagination):
    """Twenty films a page. A cursor that is not ours is a problem; DRF would pass its time on to the database."""

    page_size = 20
    ordering = ("-created_at", "id")

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                moment = datetime.fromisoformat(str(cursor.position))
                if moment.tzinfo is None:
                    raise ValueError("no time zone")
                moment.astimezone(UTC)
            return cursor
        except (NotFound, ValueError, OverflowError):
            raise Problem(
                400,
                "cursor_invalid",
                _("“cursor” comes from “next” or “previous” of a page of this list."),
                field="cursor",
                next_step=_("Begin again without a cursor."),
            ) from None


def _key_conflict() -> Problem:
    return Problem(
        409,
        "idempotency_conflict",
        _("This Idempotency-Key was used before for another photo, look or name."),
        field="Idempotency-Key",
        next_step=_("Send a new key with a new order."),
    )


class JobsView(PlainMethods):
    """Ask for a film; list your films."""

    plain = frozenset({"POST"})
    parser_classes = [MultiPartParser]

    def get_throttles(self) -> list[Any]:
        if self.request.method == "POST":
            return [throttles.UploadsPerOwner(), throttles.UploadsPerAddress()]
        return [throttles.Reads()]

    @extend_schema(
        operation_id="create_job",
        request={"multipart/form-data": shapes.JobInputSerializer},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                shapes.IDEMPOTENCY_KEY,
                "header",
                description="Makes the same photo, look and name from the same owner the same job, also one that has "
                "ended since; 409 for another. Keys belong to an owner: a request without cookie or token comes from a "
                "new visitor each time, so get the cookie first (`GET /api/v1/looks/`).",
            )
        ],
        responses={
            202: shapes.ReceivedJobSerializer,
            **problems(400, 401, 403, 406, 409, 413, 415, 422, 429, 503, 507),
        },
    )
    def post(self, request: PlainRequest) -> HttpResponse:
        now = timezone.now()
        fields, files = multipart(request)
        given = job_input.read_job_input(
            fields,
            files,
            idempotency_key=request.headers.get("Idempotency-Key"),
            locale=get_language() or "",
        )
        owner, cookie, newcomer_from = request.auth, "", ""
        throttles.charge_upload(request, owner, given.photo_cost)
        if not owner:
            cookie, owner = identity.new_visitor()
            newcomer_from = client_network(request)
        try:
            job, _created = services.create_job(given, owner=owner, now=now, newcomer_from=newcomer_from)
        except services.IdempotencyConflict:
            raise _key_conflict() from None
        body = snapshots.with_receipt(job, now=now)
        response = json_response(body, status=202, headers={"Location": body["links"]["self"], "Retry-After": "2"})
        if cookie:
            identity.set_visitor_cookie(response, cookie)
        return response

    @extend_schema(
        operation_id="list_jobs",
        parameters=[OpenApiParameter("cursor", shapes.CURSOR, description="As in “next” and “previous”.")],
        responses={200: shapes.JobPageSerializer, **problems(400)},
    )
    def get(self, request: Request) -> Response:
        pages = JobPages()
        jobs = pages.paginate_queryset(Job.objects.visible_to(str(request.auth or "")).select_related("look"), request)
        positions, now = eta.positions(jobs or []), timezone.now()
        return pages.get_paginated_response(
            [snapshots.snapshot(job, position=positions[job.id], now=now) for job in jobs or []]
        )


class _OneJobView(PlainMethods):
    throttle_classes = [throttles.Reads]

    def job_of(self, request: Request, job_id: UUID) -> Job:
        """Return the owner's job; for others raise 404, as if it did not exist."""
        opened = identity.opened_by(request._request, now=timezone.now())
        job = Job.objects.visible_to(str(request.auth or ""), opened).select_related("look").filter(id=job_id).first()
        if job is None:
            raise not_found()
        return job


class JobView(_OneJobView):
    """One film: read it, change it, erase it."""

    parser_classes = [JSONParser, FormParser, MultiPartParser]
    plain = frozenset({"GET", "HEAD"})

    @extend_schema(operation_id="read_job", responses={200: shapes.JobSerializer, **problems(401, 404, 406, 429, 503)})
    def get(self, request: PlainRequest, job_id: UUID) -> HttpResponse:
        now = timezone.now()
        body = snapshots.read(job_id, request.auth, identity.opened_by(request, now=now))
        if body is None:
            raise not_found()
        headers = {} if body["status"] in Job.FINAL else {"Retry-After": "2"}
        return json_response(body, headers=headers | {"Cache-Control": "no-store"})

    @extend_schema(
        operation_id="change_job",
        request=shapes.ChangeSerializer,
        responses={200: shapes.JobSerializer, **problems(400, 403, 404, 409, 422, 429)},
    )
    def patch(self, request: Request, job_id: UUID) -> Response:
        """Give a film that waits in line another look or name."""
        job, now = self.job_of(request, job_id), timezone.now()
        look, hero_name = job_input.read_change(request.data if isinstance(request.data, Mapping) else {"look": ""})
        if not moving.change_order(job.id, look=look, hero_name=hero_name, now=now):
            raise Problem(409, "not_waiting", _("This film is being made already. Look and name are as they were."))
        return Response(snapshots.of(self.job_of(request, job_id), now=now))

    @extend_schema(operation_id="erase_job", responses={202: shapes.ErasureSerializer, **problems(404)})
    def delete(self, request: Request, job_id: UUID) -> Response:
        job = self.job_of(request, job_id)
        return Response(services.erase_job(job.id, now=timezone.now()), status=202)


class JobEventsView(_OneJobView):
    """A film's history."""

    @extend_schema(
        operation_id="list_job_events",
        parameters=[OpenApiParameter("after", shapes.AFTER, description="Only events with a higher seq.")],
        responses={200: shapes.JobEventsSerializer, **problems(400, 404)},
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        job = self.job_of(request, job_id)
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 10):
            raise Problem(400, "after_invalid", _("“after” is the seq of an event."), field="after")
        rows = JobEvent.objects.filter(job=job, seq__gt=int(after)).order_by("seq")[:MAX_EVENTS]
        events = [{"seq": row.seq, "kind": row.kind, "at": rfc3339(row.at), "data": row.data} for row in rows]
        return Response({"events": events}, headers={"Cache-Control": "no-store"})


class ReceiptsView(_OneJobView):
    """What was signed about a film, once more."""

    @extend_schema(operation_id="list_job_receipts", responses={200: shapes.ReceiptsSerializer, **problems(404)})
    def get(self, request: Request, job_id: UUID) -> Response:
        job = self.job_of(request, job_id)
        body = {"accepted": receipts.for_accepted(job), "erased": receipts.for_erased(job)}
        return Response(body, headers={"Cache-Control": "no-store"})


class CancelView(_OneJobView):
    """Stop a film that is not finished."""

    @extend_schema(operation_id="cancel_job", request=None, responses={202: shapes.JobSerializer, **problems(404)})
    def post(self, request: Request, job_id: UUID) -> Response:
        job = self.job_of(request, job_id)
        now = timezone.now()
        services.cancel_job(job.id, now=now)
        return Response(snapshots.of(self.job_of(request, job_id), now=now), status=202)


class RemixView(_OneJobView):
    """Make another film of the same photo, without sending it again."""

    parser_classes = [JSONParser, FormParser, MultiPartParser]

    def get_throttles(self) -> list[Any]:
        return [throttles.UploadsPerOwner(), throttles.UploadsPerAddress()]

    @extend_schema(
        operation_id="remix_job",
        request=shapes.RemixSerializer,
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                shapes.IDEMPOTENCY_KEY,
                "header",
                description="Makes a repeated request the same job; 409 for another.",
            )
        ],
        responses={202: shapes.JobSerializer, **problems(400, 403, 404, 409, 410, 422, 429, 503, 507)},
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        now = timezone.now()
        # A magic link opens one film, but does not allow making others.
        old = Job.objects.visible_to(str(request.auth or "")).filter(id=job_id).first()
        if old is None:
            raise not_found()
        key = request.headers.get("Idempotency-Key")
        fields = request.data if isinstance(request.data, Mapping) else {}
        look, hero_name = job_input.read_remix(fields, idempotency_key=key)
        try:
            job, _created = services.remix_job(old.id, look=look, hero_name=hero_name, idempotency_key=key, now=now)
        except services.IdempotencyConflict:
            raise _key_conflict() from None
        body = snapshots.with_receipt(job, now=now)
        return Response(body, status=202, headers={"Location": body["links"]["self"], "Retry-After": "2"})


class ShareView(_OneJobView):
    """Give a finished film a public page, or take it away."""

    @extend_schema(operation_id="share_job", request=None, responses={200: shapes.JobSerializer, **problems(404, 409)})
    def post(self, request: Request, job_id: UUID) -> Response:
        now = timezone.now()
        return Response(snapshots.of(services.share_job(self.job_of(request, job_id).id, now=now), now=now))

    @extend_schema(operation_id="unshare_job", responses={200: shapes.JobSerializer, **problems(404)})
    def delete(self, request: Request, job_id: UUID) -> Response:
        now = timezone.now()
        return Response(snapshots.of(services.unshare_job(self.job_of(request, job_id).id, now=now), now=now))


class LinksView(_OneJobView):
    """The magic links of a film."""

    @extend_schema(operation_id="end_links", responses={204: None, **problems(404)})
    def delete(self, request: Request, job_id: UUID) -> Response:
        """End all of them, and what they opened; for the owner alone, not for whoever came by one."""
        if not Job.objects.visible_to(str(request.auth or "")).filter(id=job_id).exists():
            raise not_found()
        magic_links.end(job_id)
        return Response(status=204)


class NotifyView(_OneJobView):
    """Be told by e-mail when a film under way has ended."""

    parser_classes = [JSONParser, FormParser, MultiPartParser]
    throttle_classes = [throttles.Notify]

    @extend_schema(
        operation_id="notify_by_email",
        request=shapes.EmailSerializer,
        responses={202: shapes.NotifiedJobSerializer, **problems(400, 403, 404, 409, 422, 429)},
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        job = self.job_of(request, job_id)
        if not settings.EMAIL_OFFERED:
            raise Problem(
                409, "email_off", _("No mail is sent from here."), next_step=_("Let this device be notified.")
            )
        given = request.data.get("email") if isinstance(request.data, Mapping) else None
        email = job_input.clean_email(given) if isinstance(given, str) else ""
        if not email:
            raise Problem(422, "email_invalid", _("This is not an e-mail address."), field="email")
        now = timezone.now()
        try:
            is_confirmed = contact.remember_email(job.id, email, now=now)
        except contact.AlreadyEnded as error:
            raise Problem(409, "already_ended", str(error)) from None
        except contact.TooManyAddresses as error:
            raise Problem(409, "too_many_addresses", str(error), field="email") from None
        return Response({**snapshots.of(job, now=now), "email_confirmed": is_confirmed}, status=202)


class LooksView(APIView):
    """The looks there are. A browser or program without a cookie gets its visitor cookie here."""

    throttle_classes = [throttles.Reads]

    @extend_schema(operation_id="list_looks", responses={200: shapes.LookSerializer(many=True)})
    def get(self, request: Request) -> Response:
        looks = [
            {
                "slug": look.slug,
                "title": look.title,
                "note": _(look.note),
                "picture": static(look.picture),
                "loop": static(look.loop) if look.loop else None,
            }
            for look in Look.objects.filter(active=True)
        ]
        response = Response(looks)
        if not request.auth:
            identity.set_visitor_cookie(response, identity.new_visitor()[0])
        return response


@csrf_exempt
def nothing_here(request: HttpRequest, path: str) -> HttpResponse:
    """Answer for an unknown address of the API, with a 308 when only its last slash is missing.

    308 keeps method and body; Django's own redirect would turn a POST into a GET of the list.
    """
    if path and not path.endswith("/") and resolve(f"{request.path_info}/").func is not nothing_here:
        response = HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
        response.status_code = 308
        return response
    problem = Problem(404, "not_found", _("There is nothing at this address."), next_step=_("See /api/docs/."))
    return JsonResponse(problem.body(), status=404, content_type=CONTENT_TYPE)
