"""The studio: our own local provider (`providers.studio`), spoken to over HTTP like any other."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from .. import http, signatures
from ..errors import PredictionGone, Unavailable, Unconfirmed
from ..types import Account, PhotoTransport, PredictionStatus, ProviderEvent, SubmitRequest
from .base import Adapter

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
    name: ClassVar[str] = "studio"
    title: ClassVar[str] = "Studio"
    photo_transports: ClassVar[frozenset[PhotoTransport]] = frozenset({PhotoTransport.INLINE, PhotoTransport.URL})
    can_look_up: ClassVar[bool] = True

    def submit(self, account: Account, request: SubmitRequest) -> ProviderEvent:
        photo = (
            {"photo": base64.b64encode(request.photo_bytes).decode()}
            if request.photo_bytes
            else {"photo_url": request.photo_url}
        )
        answer = self._call(
            account,
            "POST",
            "/v1/predictions",
            json_body={
                "reference": request.reference,
                "look": request.look,
                "hero_name": request.hero_name,
                "seed": request.seed,
                "webhook": request.webhook_url,
                **photo,
            },
        )
        http.raise_for_status(answer, submitting=True)
        try:
            return _event(answer.json())
        except ValueError as error:
            raise Unconfirmed(f"the answer is not a prediction: {answer.excerpt()}") from error

    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        return self._read(account, f"/v1/predictions/{quote(prediction_id, safe='')}", _event)

    def find(self, account: Account, reference: str) -> ProviderEvent | None:
        def first(body: dict[str, Any]) -> ProviderEvent | None:
            items = body["items"]
            return _event(items[0]) if items else None

        return self._read(account, f"/v1/predictions?reference={quote(reference, safe='')}", first)

    def cancel(self, account: Account, prediction_id: str) -> None:
        self._tell(account, "POST", f"/v1/predictions/{quote(prediction_id, safe='')}/cancel")

    def delete(self, account: Account, prediction_id: str) -> None:
        self._tell(account, "DELETE", f"/v1/predictions/{quote(prediction_id, safe='')}")

    def verify(self, account: Account, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        return signatures.verify(account.webhook_secrets, headers, body, now=now)

    def parse(self, body: bytes) -> ProviderEvent:
        try:
            return _event(json.loads(body)["prediction"])
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError("not a studio event") from error

    def _call(self, account: Account, method: str, path: str, json_body: Any = None) -> http.Answer:
        return http.call(
            method,
            account.base_url + path,
            connect_seconds=account.connect_seconds,
            read_seconds=account.read_seconds,
            headers={"Authorization": f"Bearer {account.api_key}"},
            json_body=json_body,
        )

    def _read(self, account: Account, path: str, understand: Any) -> Any:
        """Read something; asking twice does no harm, so a lost answer is merely unavailable."""
        try:
            answer = self._call(account, "GET", path)
        except Unconfirmed as error:
            raise Unavailable(error.detail) from error
        http.raise_for_status(answer, submitting=False)
        try:
            return understand(answer.json())
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise Unavailable(f"the answer makes no sense: {answer.excerpt()}") from error

    def _tell(self, account: Account, method: str, path: str) -> None:
        try:
            answer = self._call(account, method, path)
            http.raise_for_status(answer, submitting=False)
        except Unconfirmed as error:
            raise Unavailable(error.detail) from error
        except PredictionGone:
            return


def _event(body: Any) -> ProviderEvent:
    """Return what the studio's prediction JSON says. Raise ValueError when it is none."""
    try:
        error = body.get("error") or {}
        status = STATUSES.get(body["status"], PredictionStatus.UNKNOWN)
        progress = body.get("progress")
        return ProviderEvent(
            prediction_id=str(body["id"]),
            status=status,
            progress=float(progress) if progress is not None else None,
            queue_position=body.get("queue_position"),
            preview_url=body.get("poster") or "",
            video_url=body.get("video") or "",
            error_code=ERRORS.get(error.get("code"), "provider_failed") if status == PredictionStatus.FAILED else "",
            raw_error=json.dumps(error) if error else "",
        )
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise ValueError("not a studio prediction") from problem
