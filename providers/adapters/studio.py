"""The studio: our own provider, reached over HTTP like any other. Its API: `providers.studio.service.server`."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from providers import payloads, signatures
from providers.errors import PredictionGone, Unavailable, Unconfirmed
from providers.http import client
from providers.parameters import flag, problems
from providers.types import Account, PhotoTransport, PredictionStatus, ProviderEvent, SubmitRequest

from .base import Adapter

logger = logging.getLogger(__name__)

# Whether pictures without a face become a hologram's film. Staff say so; without it their owners are told.
ALLOW_NO_FACE = "allow_no_face"

STATUSES = {
    "queued": PredictionStatus.QUEUED,
    "starting": PredictionStatus.WARMING_UP,
    "running": PredictionStatus.RUNNING,
    "succeeded": PredictionStatus.SUCCEEDED,
    "failed": PredictionStatus.FAILED,
    "canceled": PredictionStatus.CANCELED,
}
ERRORS = {
    "no_face": "no_face",
    "unreadable_photo": "photo_unreadable",
    "render_failed": "provider_failed",
}


class StudioAdapter(Adapter):
    name = "studio"
    title = "Studio"
    photo_transports = frozenset({PhotoTransport.INLINE, PhotoTransport.URL})
    can_look_up = True
    is_ours = True

    def takes_no_face(self, parameters: Mapping[str, Any]) -> bool:
        return parameters.get(ALLOW_NO_FACE) is True

    def check_parameters(self, parameters: Mapping[str, Any], *, model: str = "") -> list[str]:
        unknown = f"The studio knows no parameter “{{name}}”, only “{ALLOW_NO_FACE}”."
        return problems({ALLOW_NO_FACE: flag()}, parameters, unknown=unknown)

    def submit(self, account: Account, request: SubmitRequest) -> ProviderEvent:
        payload: dict[str, Any] = {
            "reference": request.reference,
            "look": request.look,
            "hero_name": request.hero_name,
            "seed": request.seed,
            "webhook": request.webhook_url or None,
        }
        if self.takes_no_face(account.parameters):
            payload["faceless"] = "hologram"
        if request.photo_bytes:
            payload["photo"] = base64.b64encode(request.photo_bytes).decode("ascii")
        else:
            payload["photo_url"] = request.photo_url
        response = self._call(account, "POST", "", json_body=payload)
        client.raise_for_status(response, submitting=True)
        try:
            return _event(response.json())
        except ValueError as error:
            raise Unconfirmed(f"the answer to the submit cannot be read: {error}") from error

    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        response = self._call(account, "GET", f"/{client.path_part(prediction_id)}")
        client.raise_for_status(response, submitting=False)
        try:
            return _event(response.json())
        except ValueError as error:
            raise Unavailable(f"the prediction cannot be read: {error}") from error

    def find(self, account: Account, reference: str, *, since: datetime | None = None) -> ProviderEvent | None:
        response = self._call(account, "GET", "", params={"reference": reference})
        client.raise_for_status(response, submitting=False)
        try:
            items = response.json().get("items")
            if not isinstance(items, list):
                raise ValueError("no items")
            if any(not isinstance(item, dict) or item.get("reference") != reference for item in items):
                raise ValueError("another reference's prediction")
            return _event(items[0]) if items else None
        except ValueError as error:
            # An answer that cannot be read is no proof that there is no prediction.
            raise Unavailable(f"the look-up cannot be read: {error}") from error

    def cancel(self, account: Account, prediction_id: str) -> None:
        self._send_command(account, "POST", prediction_id, "/cancel")

    def delete(self, account: Account, prediction_id: str) -> None:
        self._send_command(account, "DELETE", prediction_id)

    def verify(self, account: Account, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        return signatures.verify(account.webhook_secrets, headers, body, now=now)

    def parse(self, body: bytes) -> ProviderEvent:
        delivery = payloads.json_object(body)
        return _event(delivery.get("prediction"), reported_at=payloads.timestamp(delivery.get("timestamp")))

    def _send_command(self, account: Account, method: str, prediction_id: str, path: str = "") -> None:
        try:
            response = self._call(account, method, f"/{client.path_part(prediction_id)}{path}")
            client.raise_for_status(response, submitting=False)
        except PredictionGone:
            logger.info("prediction_gone provider=%s", account.slug)

    def _call(self, account: Account, method: str, path: str, **content: Any) -> client.Response:
        return client.call(
            method,
            f"{account.base_url}/v1/predictions{path}",
            connect_seconds=account.connect_seconds,
            read_seconds=account.read_seconds,
            headers={"Authorization": f"Bearer {account.api_key}"},
            **content,
        )


def _event(prediction: Any, *, reported_at: datetime | None = None) -> ProviderEvent:
    """Return what a prediction's JSON says. Raise ValueError when it is not one."""
    if not isinstance(prediction, dict):
        raise ValueError("no prediction")
    prediction_id = payloads.identifier(prediction.get("id"))
    word = prediction.get("status")
    status = STATUSES.get(word, PredictionStatus.UNKNOWN) if isinstance(word, str) else PredictionStatus.UNKNOWN
    if status == PredictionStatus.UNKNOWN:
        logger.warning("status_unknown provider=studio status=%.40r", word)
    error = payloads.mapping(prediction.get("error"))
    return ProviderEvent(
        prediction_id=prediction_id,
        status=status,
        progress=payloads.fraction(prediction.get("progress")),
        queue_position=payloads.whole(prediction.get("queue_position")),
        preview_url=payloads.address(prediction.get("poster")),
        video_url=payloads.address(prediction.get("video")),
        error_code=_error_code(error) if status == PredictionStatus.FAILED else "",
        raw_error=payloads.text(error.get("message")),
        reported_at=reported_at,
    )


def _error_code(error: Mapping[str, Any]) -> str:
    code = error.get("code")
    return ERRORS.get(code, "provider_failed") if isinstance(code, str) else "provider_failed"
