"""The studio, our own provider. `providers.studio.service.server` documents its HTTP API."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from providers import payloads, signatures
from providers.errors import Unavailable, Unconfirmed
from providers.http import client
from providers.parameters import flag, problems
from providers.types import Account, PhotoTransport, PredictionStatus, ProviderEvent, SubmitRequest

from .base import Adapter

# The parameter with which a picture without a face becomes a film of a hologram; without it the job fails.
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


PREDICTIONS = "/v1/predictions"


class StudioAdapter(Adapter):
    name = "studio"
    title = "Studio"
    photo_transports = frozenset({PhotoTransport.INLINE, PhotoTransport.URL})
    can_look_up = True
    is_ours = True
    keeps = timedelta(hours=1)  # STUDIO_KEEP_SECONDS

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
        if request.watermark is not None:
            payload["watermark"] = request.watermark.to_text()
        if request.photo_bytes:
            payload["photo"] = base64.b64encode(request.photo_bytes).decode("ascii")
        else:
            payload["photo_url"] = request.photo_url
        response = self.check(self.call(account, "POST", PREDICTIONS, json_body=payload), submitting=True)
        try:
            return self._event(response.json())
        except ValueError as error:
            raise Unconfirmed(f"the answer to the submit cannot be read: {error}") from error

    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        response = self.check(
            self.call(account, "GET", f"{PREDICTIONS}/{client.path_part(prediction_id)}", repeatable=True)
        )
        try:
            return self._event(response.json())
        except ValueError as error:
            raise Unavailable(f"the prediction cannot be read: {error}") from error

    def find(self, account: Account, reference: str, *, since: datetime | None = None) -> ProviderEvent | None:
        response = self.check(self.call(account, "GET", PREDICTIONS, params={"reference": reference}, repeatable=True))
        try:
            items = response.json().get("items")
            if not isinstance(items, list):
                raise ValueError("no items")
            if any(not isinstance(item, dict) or item.get("reference") != reference for item in items):
                raise ValueError("another reference's prediction")
            return self._event(items[0]) if items else None
        except ValueError as error:
            # A response that cannot be parsed does not prove that there is no prediction.
            raise Unavailable(f"the look-up cannot be read: {error}") from error

    def cancel(self, account: Account, prediction_id: str) -> None:
        self.send_command(account, "POST", f"{PREDICTIONS}/{{}}/cancel", prediction_id)

    def delete(self, account: Account, prediction_id: str) -> None:
        self.send_command(account, "DELETE", f"{PREDICTIONS}/{{}}", prediction_id)

    def verify(self, account: Account, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        return signatures.verify(account.webhook_secrets, headers, body, now=now)

    def parse(self, body: bytes) -> ProviderEvent:
        delivery = payloads.json_object(body)
        return self._event(delivery.get("prediction"), reported_at=payloads.timestamp(delivery.get("timestamp")))

    def _event(self, prediction: Any, *, reported_at: datetime | None = None) -> ProviderEvent:
        """Return the event that a prediction's JSON describes. Raise ValueError when it is not one."""
        if not isinstance(prediction, dict):
            raise ValueError("no prediction")
        prediction_id = payloads.identifier(prediction.get("id"))
        status = self.status_from(prediction.get("status"), STATUSES)
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
