"""Web push over the API: subscribe, unsubscribe, and the key that browsers need for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.times import rfc3339
from jobs import identity
from jobs.api.views import problems
from jobs.intake import throttles
from jobs.intake.parsers import JSONParser
from jobs.intake.problems import Problem, not_found
from jobs.models import Job

from . import push, subscriptions


class KeySerializer(serializers.Serializer):
    key = serializers.CharField(help_text="The applicationServerKey to subscribe with, in URL-safe base64.")


@extend_schema_field({"type": "string", "format": "push-endpoint"})
class PushEndpointField(serializers.Field):
    """The address of a push service."""


@extend_schema_field({"type": "string", "format": "p256-point"})
class PointField(serializers.Field):
    """An uncompressed point of P-256."""


@extend_schema_field({"type": "string", "format": "push-auth"})
class AuthField(serializers.Field):
    """Sixteen bytes."""


class SubscriptionKeysSerializer(serializers.Serializer):
    p256dh = PointField(help_text="The browser's public key, in URL-safe base64.")
    auth = AuthField(help_text="Sixteen bytes of the browser's, in URL-safe base64.")


class SubscriptionSerializer(serializers.Serializer):
    endpoint = PushEndpointField(help_text="https, at a public address.")
    keys = SubscriptionKeysSerializer()
    job = serializers.UUIDField(
        required=False, allow_null=True, help_text="A film that was opened with a link from a mail or a QR code."
    )


class SubscribedSerializer(serializers.Serializer):
    endpoint = serializers.CharField()
    created_at = serializers.DateTimeField()


class EndpointSerializer(serializers.Serializer):
    endpoint = serializers.CharField()


class KeyView(APIView):
    """The key that browsers subscribe with."""

    throttle_classes = [throttles.Reads]

    @extend_schema(operation_id="read_push_key", responses={200: KeySerializer})
    def get(self, request: Request) -> Response:
        return Response({"key": push.application_server_key()})


class SubscriptionsView(APIView):
    """Subscribe this device to the ends of its owner's films, and unsubscribe it."""

    parser_classes = [JSONParser]
    throttle_classes = [throttles.Notify]

    @extend_schema(
        operation_id="subscribe",
        request=SubscriptionSerializer,
        responses={200: SubscribedSerializer, 201: SubscribedSerializer, **problems(400, 403, 404, 415, 422, 429)},
    )
    def post(self, request: Request) -> Response:
        data = _body(request)
        keys = data.get("keys") if isinstance(data.get("keys"), Mapping) else {}
        target = push.Target(_text(data, "endpoint"), _text(keys, "p256dh"), _text(keys, "auth"))
        now = timezone.now()
        owner, cookie = str(request.auth or ""), ""
        job_id = self.opened_job(request, data.get("job"), owner)
        if not owner:
            cookie, owner = identity.new_visitor()
        try:
            row, is_new = subscriptions.subscribe(
                target, owner=owner, job_id=job_id, user_agent=request.headers.get("User-Agent", ""), now=now
            )
        except push.BadSubscription as bad:
            raise Problem(
                422, "subscription_invalid", _("This is not a subscription that can be pushed to."), field=bad.field
            ) from None
        body = {"endpoint": row.endpoint, "created_at": rfc3339(row.created_at)}
        response = Response(body, status=201 if is_new else 200)
        if cookie:
            identity.set_visitor_cookie(response, cookie)
        return response

    @extend_schema(operation_id="unsubscribe", request=EndpointSerializer, responses={204: None, **problems(400)})
    def delete(self, request: Request) -> Response:
        subscriptions.unsubscribe(_text(_body(request), "endpoint"), owner=str(request.auth or ""))
        return Response(status=204)

    def opened_job(self, request: Request, given: Any, owner: str) -> UUID | None:
        """Return the job this is about when it is not the owner's own: the subscription is then for that job only."""
        if given is None:
            return None
        try:
            job_id = UUID(str(given))
        except ValueError:
            raise Problem(422, "job_invalid", _("“job” is the id of a film."), field="job") from None
        opened = identity.opened_by(request._request, now=timezone.now())
        job = Job.objects.visible_to(owner, opened).filter(id=job_id).first()
        if job is None:
            raise not_found()
        return None if job.owner == owner else job.id


def _body(request: Request) -> Mapping[str, Any]:
    if not isinstance(request.data, Mapping):
        raise Problem(400, "malformed", _("The request could not be read."))
    return request.data


def _text(data: Any, name: str) -> str:
    value = data.get(name) if isinstance(data, Mapping) else None
    return value if isinstance(value, str) and "\x00" not in value else ""
