"""WaveSpeed AI, API v3.

Sources: wavespeed.ai/docs (submit response, get result, webhooks, verify webhooks, error codes, account
levels, predictions; read 2026-11), the official Python client 2.0.5 and the official CLI. Facts that only
integrators report are marked where they are used.

- Every response is an envelope `{code, message, data}`. A failed task is HTTP 200 with `code` 200 and
  `data.status` "failed"; a refused request may be HTTP 200 with another `code`.
- There is no look-up: the list of predictions (`POST /predictions`) has no inputs, so our reference is not in it.
- `DELETE /predictions/{id}` both cancels and deletes. A task that is already running may go on. Predictions and
  uploads that are not deleted are kept for seven days.
- Integrators report that photos may be sent as `data:` URLs; the vendor documents none, so `inline` is not offered.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from providers import error_mapping, outputs, parameters, payloads, signatures
from providers.error_mapping import VendorError
from providers.errors import AccountProblem, BadSignature, PredictionGone, Rejected, Unavailable, Unconfirmed
from providers.http import client
from providers.types import Account, PhotoTransport, PredictionStatus, Preset, ProviderEvent, SubmitRequest

from .base import same_prediction
from .cloud import CloudAdapter, Model, is_secure, photo_type, status_word

logger = logging.getLogger(__name__)

# Sources: docs for created, processing, completed, failed; client and CLI for cancelled, timeout, deleted;
# integrators for pending.
STATUSES = {
    "created": PredictionStatus.QUEUED,
    "pending": PredictionStatus.QUEUED,
    "processing": PredictionStatus.RUNNING,
    "completed": PredictionStatus.SUCCEEDED,
    "failed": PredictionStatus.FAILED,
    "timeout": PredictionStatus.FAILED,
    "cancelled": PredictionStatus.CANCELED,
    "canceled": PredictionStatus.CANCELED,
    "deleted": PredictionStatus.CANCELED,
}
# wavespeed.ai/docs/error-codes. 1402: the photo could not be fetched, which is a fault of our URL or the network and
# not of the photo.
TASK_ERRORS = {
    1200: "photo_refused",
    1400: "request_refused",
    1401: "request_refused",
    1402: "provider_failed",
    1403: "provider_failed",
    1405: "provider_failed",
    5000: "provider_failed",
    5003: "provider_failed",
    5004: "provider_timeout",
}
# The HTTP status that an envelope's code is handled as. All codes of refused requests count as 422.
STATUS_OF_CODE = {5000: 500, 5003: 503, 5004: 504, **dict.fromkeys(range(1200, 1500), 422)}

_SHORT = {"duration": parameters.one_of(5, 8)}
_LONG = {"duration": parameters.one_of(5, 10)}
_GUIDED = {"guidance_scale": parameters.number(0, 1)}
_SIZED = {"size": parameters.one_of("832*480", "1280*720")}
_FIVE_SECONDS = {"duration": 5}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){1,5}")
# Bytes. One page of the docs says 20 MB, others say more.
LONGEST_UPLOAD = 20_000_000
SHORTEST_SECRET = 8
_SECRET = re.compile(r"[A-Za-z0-9+/=_.-]+", re.ASCII)


def _wan(**inputs: Any) -> Model:
    defaults = _FIVE_SECONDS | ({"size": "1280*720"} if "size" in inputs else {})
    return Model("image", inputs, defaults, takes_negative_prompt=True, takes_seed=True)


def _kling(**inputs: Any) -> Model:
    return Model("image", inputs, _FIVE_SECONDS, takes_negative_prompt=True, longest_prompt=2500)


class WaveSpeedAdapter(CloudAdapter):
    name = "wavespeed"
    title = "WaveSpeed"
    photo_transports = frozenset({PhotoTransport.URL, PhotoTransport.UPLOAD})
    content_rule = "wavespeed"
    default_base_url = "https://api.wavespeed.ai/api/v3"
    default_model = "wavespeed-ai/wan-2.2/i2v-720p"
    # The docs show films on cloudfront.net and on cdn.wavespeed.ai.
    default_result_hosts = ("*.cloudfront.net", "*.wavespeed.ai")
    # Where a ticket may have a photo put; the docs name no host, so staff add the one that a refusal names.
    default_upload_hosts = ("*.wavespeed.ai",)
    settings: ClassVar[Mapping[str, parameters.Rule]] = {"upload_hosts": parameters.host_list()}
    can_learn_secrets = True
    keeps = timedelta(days=7)
    # wavespeed.ai/docs, account levels (read 2026-11): videos per minute and concurrent tasks.
    presets = (
        Preset("bronze", "Bronze", max_concurrent=3, max_per_minute=5),
        Preset("silver", "Silver", max_concurrent=100, max_per_minute=60),
        Preset("gold", "Gold", max_concurrent=2000, max_per_minute=600),
        Preset("ultra", "Ultra", max_concurrent=5000, max_per_minute=5000),
    )
    # Model pages of the docs (read 2026-11). Older pages show `duration` as a string; `input` can send it as one.
    models: ClassVar[Mapping[str, Model]] = {
        "wavespeed-ai/wan-2.2/i2v-720p": _wan(**_SHORT),
        "wavespeed-ai/wan-2.2/image-to-video": _wan(**_SHORT, **_SIZED),
        "wavespeed-ai/wan-2.2/i2v-5b-720p-lora": Model("image", takes_seed=True),
        "kwaivgi/kling-v2.1-i2v-standard": _kling(**_LONG, **_GUIDED),
        "kwaivgi/kling-v2.1-i2v-master": _kling(**_LONG),
        "kwaivgi/kling-v2.5-turbo-pro/image-to-video": _kling(**_LONG, **_GUIDED),
        "kwaivgi/kling-v2.6-std/image-to-video": _kling(**_LONG),
    }
    any_other_model = Model("image")

    # --- Settings -----------------------------------------------------------------------------------

    def check_model(self, model: str) -> str:
        if not model or _ID.fullmatch(model):
            return ""
        return "A WaveSpeed model looks like “wavespeed-ai/wan-2.2/i2v-720p”."

    def check_secret(self, secret: str) -> str:
        try:
            if not secret.startswith(signatures.PREFIX):
                raise ValueError("an API key, or another vendor's")
            _secret_key(secret)
        except ValueError:
            return f"A WaveSpeed secret is whsec_ and {SHORTEST_SECRET} or more letters and digits, as its page shows."
        return ""

    # --- Predictions --------------------------------------------------------------------------------

    def submit(self, account: Account, request: SubmitRequest) -> ProviderEvent:
        model = account.model or self.default_model
        if self.check_model(model):
            raise AccountProblem(self.check_model(model), code="settings")
        webhook = self.webhook(account, request)
        response = self.call(
            account,
            "POST",
            f"/{quote(model)}",
            params={"webhook": webhook} if webhook else None,
            json_body=self.inputs(account, request),
        )
        if response.status < 300:
            # A response with an id means that there is a prediction, whatever its code is.
            with contextlib.suppress(ValueError):
                return self._event(payloads.mapping(response.json().get("data")))
        self.check(response, submitting=True)
        raise Unconfirmed("the answer to the submit cannot be read")

    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        # The docs show this path with and without /result; model pages, client and CLI use it with /result.
        path = f"/predictions/{client.path_part(prediction_id)}/result"
        try:
            data = self._data(self.call(account, "GET", path, repeatable=True))
            return same_prediction(self._event(data), prediction_id)
        except ValueError as error:
            raise Unavailable(f"the prediction cannot be read: {error}") from error

    def cancel(self, account: Account, prediction_id: str) -> None:
        self.delete(account, prediction_id)

    def delete(self, account: Account, prediction_id: str) -> None:
        try:
            response = self.call(account, "DELETE", f"/predictions/{client.path_part(prediction_id)}", repeatable=True)
            if self.check(response).status != 204:
                response.json()
        except PredictionGone:
            logger.info("prediction_gone provider=%s", account.slug)
        except ValueError as error:
            raise Unavailable(f"the answer to the delete cannot be read: {error}") from error

    # --- Photos -------------------------------------------------------------------------------------

    def upload(self, account: Account, request: SubmitRequest) -> SubmitRequest:
        """Announce the photo, PUT it to the URL in the response, and use the download URL (as client 2.0.5 does)."""
        photo = request.photo_bytes
        if len(photo) > LONGEST_UPLOAD:
            raise Rejected(f"WaveSpeed takes photos of {LONGEST_UPLOAD} bytes at most", code="request_refused")
        announcement = {"filename": "photo.jpg", "size": len(photo), "content_type": photo_type(photo)}
        try:
            data = self._data(self.call(account, "POST", "/media/uploads", json_body=announcement, repeatable=True))
            upload = payloads.mapping(data.get("upload"))
            where, photo_url = payloads.address(upload.get("url")), payloads.address(data.get("download_url"))
            if not where or not photo_url or upload.get("method", "PUT") != "PUT":
                raise ValueError("no upload")
            if is_secure(account.base_url) and not (is_secure(where) and is_secure(photo_url)):
                raise ValueError("it leads to an address without https")
        except ValueError as error:
            raise Unavailable(f"the answer to the upload cannot be read: {error}") from error
        hosts = tuple(account.parameters.get("upload_hosts") or self.default_upload_hosts)
        asked = payloads.mapping(upload.get("headers"))
        stored = self.put_photo(account, where, photo, hosts_allowed=hosts, headers=asked)
        if stored.status >= 300:
            raise Unavailable(f"the upload was answered {stored.status}")
        return replace(request, photo_url=photo_url)

    # --- Webhooks -----------------------------------------------------------------------------------

    def verify(self, account: Account, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        """Verify `v3,<hex HMAC-SHA256>` over `id.timestamp.body`, keyed by the secret's text (docs, verify webhooks).

        The signature in the documentation's example does not match the procedure that the page describes; this
        follows the description. The event id is the task's id with its status: there is one event for each.
        """
        event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        given = headers.get("webhook-signature", "")
        if not 0 < len(event_id) <= 100 or not given:
            raise BadSignature("headers missing")
        sent_at = signatures.seconds_of(timestamp)
        message = f"{event_id}.{timestamp}.".encode("utf-8", "surrogatepass") + body
        wanted = []
        for secret in account.webhook_secrets:
            with contextlib.suppress(ValueError):
                wanted.append("v3," + hmac.new(_secret_key(secret), message, hashlib.sha256).hexdigest())
        signatures.require_match(wanted, given.split(" "))
        signatures.require_fresh(sent_at, now=now)
        return f"{event_id}:{status_word(body)}"

    def parse(self, body: bytes) -> ProviderEvent:
        return self._event(payloads.json_object(body))

    def learn_secrets(self, account: Account) -> tuple[str, ...]:
        # The endpoint is documented; the shape of its response is what integrators report.
        try:
            data = self._data(self.call(account, "GET", "/webhook/secret", repeatable=True))
            return (self.secret_from(data.get("secret")),)
        except ValueError as error:
            raise Unavailable(f"the webhook secret cannot be read: {error}") from error

    # --- Parsing ------------------------------------------------------------------------------------

    def check(self, response: client.Response, *, submitting: bool = False) -> client.Response:
        """Return a success; raise the error of an HTTP status, or of an envelope's code under HTTP 200."""
        super().check(response, submitting=submitting)
        try:
            code = response.json().get("code")
        except ValueError:
            return response
        if isinstance(code, int) and code != 0 and not 200 <= code < 300:
            status = code if 300 <= code < 600 else STATUS_OF_CODE.get(code, 500)
            super().check(response.with_status(status), submitting=submitting)
        return response

    def _data(self, response: client.Response) -> dict[str, Any]:
        """Return the data of an envelope. Raise ValueError when it has none."""
        data = self.check(response).json().get("data")
        if not isinstance(data, dict):
            raise ValueError("no data")
        return data

    def explain(self, response: client.Response) -> VendorError:
        try:
            envelope = response.json()
        except ValueError:
            return VendorError(response.excerpt())
        message = " ".join(
            filter(None, (payloads.message(envelope.get(name)) for name in ("message", "error_code", "error")))
        )
        code = envelope.get("code")
        known = TASK_ERRORS.get(code) if isinstance(code, int) else None
        if known in ("provider_failed", "provider_timeout"):
            known = "request_refused"
        return VendorError(
            message or response.excerpt(), known or error_mapping.failure_code(message, otherwise="request_refused")
        )

    def _event(self, data: Mapping[str, Any]) -> ProviderEvent:
        """Return the event that a task's JSON describes. Raise ValueError when it is not a task."""
        prediction_id = payloads.identifier(data.get("id"))
        status = self.status_from(data.get("status"), STATUSES)
        film = outputs.film_in(data.get("outputs"))
        error = payloads.message(data.get("error"))
        if status in (PredictionStatus.SUCCEEDED, PredictionStatus.FAILED) and outputs.is_flagged(data):
            status, error = PredictionStatus.FAILED, f"{outputs.FLAGGED}: {error}".removesuffix(": ")
        elif status == PredictionStatus.SUCCEEDED and not film:
            status, error = PredictionStatus.FAILED, error or "completed without a film"
        return ProviderEvent(
            prediction_id=prediction_id,
            status=status,
            video_url=film if status == PredictionStatus.SUCCEEDED else "",
            error_code=_error_code(data, error) if status == PredictionStatus.FAILED else "",
            raw_error=error,
        )


def _secret_key(secret: str) -> bytes:
    """Return the HMAC key: the text behind whsec_, as bytes. Raise ValueError for what is none.

    That is one too short to be safe, and what is copied instead of it: a signature (`v3,…`), an API key, another
    vendor's key, two secrets with a comma or a space between them.
    """
    key = secret.removeprefix(signatures.PREFIX)
    if len(key) < SHORTEST_SECRET or key.startswith(signatures.PREFIX) or not _SECRET.fullmatch(key):
        raise ValueError("not a secret")
    return key.encode()


def _error_code(data: Mapping[str, Any], error: str) -> str:
    number = data.get("code")
    known = TASK_ERRORS.get(number, "") if isinstance(number, int) else ""
    timed_out = data.get("status") == "timeout"
    return known or error_mapping.failure_code(error, otherwise="provider_timeout" if timed_out else "provider_failed")
