"""The studio: our own provider, reached over HTTP like any other. Its API is described in `providers.studio.server`."""

from __future__ import annotations

import base64
import json
import logging
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from .. import http, signatures
from ..errors import PredictionGone, Unavailable, Unconfirmed
from ..types import Account, PhotoTransport, PredictionStatus, ProviderEvent, SubmitRequest
from .base import Adapter

logger = logging.getLogger(__name__)

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
MAX_ID_CHARACTERS = 200


class StudioAdapter(Adapter):
    name = "studio"
    title = "Studio"
    photo_transports = frozenset({PhotoTransport.INLINE, PhotoTransport.URL})
    can_look_up = True
    is_ours = True

    def submit(self, account: Account, request: SubmitRequest) -> ProviderEvent:
        order: dict[str, Any] = {
            "reference": request.reference,
            "look": request.look,
            "hero_name": request.hero_name,
            "seed": request.seed,
            "webhook": request.webhook_url or None,
        }
        if request.photo_bytes:
            order["photo"] = base64.b64encode(request.photo_bytes).decode("ascii")
        else:
            order["photo_url"] = request.photo_url
        answer = self._call(account, "POST", "", json_body=order)
        http.raise_for_status(answer, submitting=True)
        try:
            return _event(answer.json())
        except ValueError as error:
            raise Unconfirmed(f"the answer to the submit cannot be read: {error}") from error

    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        answer = self._call(account, "GET", f"/{quote(prediction_id, safe='')}")
        http.raise_for_status(answer, submitting=False)
        try:
            return _event(answer.json())
        except ValueError as error:
            raise Unavailable(f"the prediction cannot be read: {error}") from error

    def find(self, account: Account, reference: str) -> ProviderEvent | None:
        answer = self._call(account, "GET", "", params={"reference": reference})
        http.raise_for_status(answer, submitting=False)
        try:
            items = answer.json().get("items")
            if not isinstance(items, list):
                raise ValueError("no items")
            if any(not isinstance(item, dict) or item.get("reference") != reference for item in items):
                raise ValueError("another reference's prediction")
            return _event(items[0]) if items else None
        except ValueError as error:
            # An answer that cannot be read is no proof that there is no prediction.
            raise Unavailable(f"the look-up cannot be read: {error}") from error

    def cancel(self, account: Account, prediction_id: str) -> None:
        self._tell(account, "POST", f"/{quote(prediction_id, safe='')}/cancel")

    def delete(self, account: Account, prediction_id: str) -> None:
        self._tell(account, "DELETE", f"/{quote(prediction_id, safe='')}")

    def verify(self, account: Account, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        return signatures.verify(account.webhook_secrets, headers, body, now=now)

    def parse(self, body: bytes) -> ProviderEvent:
        try:
            delivery = json.loads(body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(delivery, dict):
            raise ValueError("not a JSON object")
        return _event(delivery.get("prediction"), reported_at=_moment(delivery.get("timestamp")))

    def _tell(self, account: Account, method: str, path: str) -> None:
        try:
            http.raise_for_status(self._call(account, method, path), submitting=False)
        except PredictionGone:
            logger.info("prediction_gone provider=%s", account.slug)

    def _call(self, account: Account, method: str, path: str, **content: Any) -> http.Answer:
        return http.call(
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
    prediction_id = prediction.get("id")
    if not isinstance(prediction_id, str) or not 0 < len(prediction_id) <= MAX_ID_CHARACTERS:
        raise ValueError("the prediction has no id")
    word = prediction.get("status")
    status = STATUSES.get(word, PredictionStatus.UNKNOWN) if isinstance(word, str) else PredictionStatus.UNKNOWN
    if status == PredictionStatus.UNKNOWN:
        logger.warning("status_unknown provider=studio status=%.40r", word)
    error = prediction.get("error") if isinstance(prediction.get("error"), dict) else {}
    position = prediction.get("queue_position")
    return ProviderEvent(
        prediction_id=prediction_id,
        status=status,
        progress=_share(prediction.get("progress")),
        queue_position=position if isinstance(position, int) and not isinstance(position, bool) else None,
        preview_url=_text(prediction.get("poster")),
        video_url=_text(prediction.get("video")),
        error_code=_error_code(error) if status == PredictionStatus.FAILED else "",
        raw_error=_text(error.get("message")),
        reported_at=reported_at,
    )


def _error_code(error: Mapping[str, Any]) -> str:
    code = error.get("code")
    return ERRORS.get(code, "provider_failed") if isinstance(code, str) else "provider_failed"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _share(value: Any) -> float | None:
    """Return a number as a share from 0 to 1, or None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(1.0, max(0.0, float(value))) if abs(value) < 2**53 and math.isfinite(value) else None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
