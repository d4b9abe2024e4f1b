"""fal.ai, queue API.

Sources: docs.fal.ai and fal.ai/docs (queue, webhooks, errors, request errors, data retention, concurrency
limits, model pages; read 2026-11) and the official Python client 1.0.3. Facts that only others report are
marked where they are used.

- There are four hosts: the queue (`base_url`), REST for upload tokens and public keys (`rest_url`), the CDN for
  uploads (`cdn_url`), and the CDN that serves films. With a base URL that is not fal's, REST and CDN are expected
  below it, at `/rest` and `/cdn`, unless the parameters name others.
- There is no FAILED: a failed request is COMPLETED, and the call for its result returns the model's error.
- The URLs of a request contain owner and app but not the rest of the model's id. A provider whose model is changed
  to another app can no longer reach its open requests: configure another provider instead.
- There is no look-up: the platform API lists requests by the time at which they ended, so one that still waits or
  runs is missing from the list.
- Nothing has to be deleted: requests are sent with `X-Fal-Store-IO: 0`, and films and uploads with a lifetime
  (`keep_seconds`, an hour). The platform API deletes only stored payloads, and only with an admin key.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from providers import parameters, payloads, signatures
from providers.error_mapping import VendorError
from providers.errors import AccountProblem, BadSignature, Rejected, Unavailable, Unconfirmed
from providers.http import client
from providers.types import Account, PhotoTransport, PredictionStatus, Preset, ProviderEvent, SubmitRequest

from . import fal_results
from .base import same_prediction
from .cloud import CloudAdapter, Model, photo_type, status_word

logger = logging.getLogger(__name__)

STATUSES = {
    "IN_QUEUE": PredictionStatus.QUEUED,
    "IN_PROGRESS": PredictionStatus.RUNNING,
    "COMPLETED": PredictionStatus.SUCCEEDED,
}
# Statuses of a result call that are about the call and not about the model's result.
_NOT_OF_MODELS = frozenset({401, 403, 404, 410, 429, *range(300, 400)})
REST_URL = "https://rest.fal.ai"
CDN_URL = "https://v3.fal.media"
KEEP_SECONDS = 3600

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_MODEL = re.compile(rf"{_PART}(?:/{_PART}){{1,6}}")
# Namespaces of apps: the URLs of their requests contain the namespace too (client 1.0.3).
_NAMESPACES = frozenset({"workflows", "comfy"})
_SIZES = parameters.one_of("480p", "580p", "720p")
_RATIOS = parameters.one_of("auto", "16:9", "9:16", "1:1")
_SECONDS = parameters.one_of("5", "10")


class FalAdapter(CloudAdapter):
    name = "fal"
    title = "fal"
    photo_transports = frozenset({PhotoTransport.URL, PhotoTransport.UPLOAD, PhotoTransport.INLINE})
    content_rule = "fal"
    default_base_url = "https://queue.fal.run"
    default_model = "fal-ai/wan/v2.2-a14b/image-to-video"
    default_result_hosts = ("fal.media", "*.fal.media")
    can_learn_secrets = True
    can_keep_warm = True
    can_delete = False
    keeps = timedelta(days=7)  # the most that `keep_seconds` may be; an hour unless staff choose otherwise
    webhook_headers = (
        "x-fal-webhook-request-id",
        "x-fal-webhook-user-id",
        "x-fal-webhook-timestamp",
        "x-fal-webhook-signature",
    )
    auth_scheme = "Key"
    # Bytes. fal publishes no limit for `data:` URLs; longer photos should be uploaded.
    longest_inline_photo = 4_000_000
    # docs, concurrency limits (read 2026-11): concurrent requests; more wait in a queue without a limit. There is no
    # limit per minute; these values are far above what that concurrency can use.
    presets = (
        Preset("new", "New account", max_concurrent=2, max_per_minute=60),
        Preset("grown", "Grown by paid invoices", max_concurrent=40, max_per_minute=600),
    )
    # Model pages (read 2026-11). A photo of another shape is cropped to the aspect ratio. `duration` is a string.
    models: ClassVar[Mapping[str, Model]] = {
        "fal-ai/wan/v2.2-a14b/image-to-video": Model(
            "image_url",
            {
                "num_frames": parameters.whole(17, 161),
                "frames_per_second": parameters.whole(4, 60),
                "resolution": _SIZES,
                "aspect_ratio": _RATIOS,
            },
            {"num_frames": 81, "frames_per_second": 16, "resolution": "720p", "aspect_ratio": "9:16"},
            takes_seed=True,
            smallest={"num_frames": 17, "resolution": "480p"},
        ),
        "fal-ai/wan/v2.2-a14b/image-to-video/turbo": Model(
            "image_url",
            {"resolution": _SIZES, "aspect_ratio": _RATIOS},
            {"resolution": "720p", "aspect_ratio": "9:16"},
            takes_seed=True,
            smallest={"resolution": "480p"},
        ),
        "fal-ai/kling-video/v2.5-turbo/pro/image-to-video": Model(
            "image_url",
            {"duration": _SECONDS, "cfg_scale": parameters.number(0, 1)},
            {"duration": "5"},
            takes_negative_prompt=True,
            longest_prompt=2500,
            smallest={"duration": "5"},
        ),
        "fal-ai/kling-video/v2.1/standard/image-to-video": Model(
            "image_url", {"duration": _SECONDS}, {"duration": "5"}, longest_prompt=2500, smallest={"duration": "5"}
        ),
    }
    any_other_model = Model("image_url")
    settings: ClassVar[Mapping[str, parameters.Rule]] = {
        "rest_url": parameters.address(),
        "cdn_url": parameters.address(),
        "keep_seconds": parameters.whole(600, 7 * 86_400),
        "start_timeout": parameters.whole(2, 3600),
    }

    # --- Settings -----------------------------------------------------------------------------------

    def check_model(self, model: str) -> str:
        if not model or _MODEL.fullmatch(model):
            return ""
        return "A fal model looks like “fal-ai/wan/v2.2-a14b/image-to-video”."

    def check_secret(self, secret: str) -> str:
        try:
            signatures.public_key(secret)
        except ValueError:
            return f"A key of fal is written {signatures.PUBLIC_KEY_PREFIX} and the 43 characters of its “x”."
        return ""

    # --- Predictions --------------------------------------------------------------------------------

    def submit(self, account: Account, request: SubmitRequest) -> ProviderEvent:
        webhook = self.webhook(account, request)
        limit = account.parameters.get("start_timeout")
        headers = {
            "X-Fal-Store-IO": "0",
            "X-Fal-Object-Lifecycle-Preference": _lifetime(account),
            **({"X-Fal-Request-Timeout": f"{float(limit)}"} if limit else {}),
        }
        response = self.call(
            account,
            "POST",
            f"/{quote(self._model(account))}",
            params={"fal_webhook": webhook} if webhook else None,
            json_body=self.inputs(account, request),
            headers=headers,
        )
        try:
            event = self._event({"status": "IN_QUEUE", **self.check(response, submitting=True).json()})
            # Only the result call has the film, so a request that is already over counts as running.
            return replace(event, status=PredictionStatus.RUNNING) if event.is_final else event
        except ValueError as error:
            raise Unconfirmed(f"the answer to the submit cannot be read: {error}") from error

    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        """Return the request's status or, when it is completed, the outcome from its result call."""
        path = f"{self._requests_path(account)}/{client.path_part(prediction_id)}"
        response = self.check(self.call(account, "GET", f"{path}/status", repeatable=True))
        try:
            data = response.json()
            if "status" not in data:
                raise ValueError("no status")
            event = same_prediction(self._event({"request_id": prediction_id, **data}), prediction_id)
        except ValueError as error:
            raise Unavailable(f"the status cannot be read: {error}") from error
        if event.status != PredictionStatus.SUCCEEDED:
            return event
        if data.get("error_type") in (*fal_results.PLATFORM_ERRORS, *fal_results.CANCELED):
            return fal_results.failure(prediction_id, data)
        return self._result(account, prediction_id, path, data)

    def _result(self, account: Account, prediction_id: str, path: str, data: Mapping[str, Any]) -> ProviderEvent:
        """Return the outcome of a completed request. `data` is the JSON of its status."""
        response = self.call(account, "GET", path, repeatable=True)
        try:
            found = response.json()
        except ValueError as error:
            self.check(response)
            raise Unavailable(f"the result cannot be read: {error}") from error
        has_failed = bool(data.get("error"))
        if response.status < 300:
            if has_failed:
                return fal_results.failure(prediction_id, data)
            return fal_results.finished(prediction_id, found)
        if response.status == 400 and "in progress" in payloads.text(found.get("detail")):
            # Reported by others: the documentation does not say what the result call returns before the end.
            return ProviderEvent(prediction_id, PredictionStatus.RUNNING)
        is_models_own = response.status not in _NOT_OF_MODELS and "detail" in found
        is_models_own = is_models_own or bool(fal_results.entries(found))
        if has_failed or is_models_own:
            return fal_results.failure(prediction_id, {**data, **(found if is_models_own else {})})
        self.check(response)
        raise Unavailable("the result cannot be read")

    def cancel(self, account: Account, prediction_id: str) -> None:
        try:
            self.send_command(account, "PUT", f"{self._requests_path(account)}/{{}}/cancel", prediction_id)
        except Rejected:
            # docs: 400 {"status": "ALREADY_COMPLETED"}
            logger.info("cancel_refused provider=%s", account.slug)

    def delete(self, account: Account, prediction_id: str) -> None:
        """Do nothing: no payload is stored, and the film expires after its lifetime."""

    def _model(self, account: Account) -> str:
        model = account.model or self.default_model
        if problem := self.check_model(model):
            raise AccountProblem(problem, code="settings")
        return model

    def _requests_path(self, account: Account) -> str:
        parts = self._model(account).split("/")
        app = parts[: 3 if parts[0] in _NAMESPACES else 2]
        return f"/{quote('/'.join(app))}/requests"

    # --- Photos -------------------------------------------------------------------------------------

    def upload(self, account: Account, request: SubmitRequest) -> SubmitRequest:
        """Get a token for the CDN and upload the photo there with a lifetime, as client 1.0.3 does."""
        rest = _other_host(account, "rest_url", REST_URL, "/rest")
        cdn = _other_host(account, "cdn_url", CDN_URL, "/cdn")
        lifetime = _lifetime(account)
        response = self.call(
            account,
            "POST",
            f"{rest}/storage/auth/token",
            params={"storage_type": "fal-cdn-v3"},
            json_body={},
            repeatable=True,
        )
        try:
            data = self.check(response).json()
            kind, token = payloads.identifier(data.get("token_type")), data.get("token")
            if not isinstance(token, str) or not 0 < len(token) < 20_000:
                raise ValueError("no token")
        except ValueError as error:
            raise Unavailable(f"the upload's token cannot be read: {error}") from error
        headers = {
            "Authorization": f"{kind} {token}",
            "Content-Type": photo_type(request.photo_bytes),
            "X-Fal-File-Name": "photo.jpg",
            "X-Fal-Object-Lifecycle": lifetime,
            "X-Fal-Object-Lifecycle-Preference": lifetime,
        }
        stored = self.call_without_key(
            account, "POST", f"{cdn}/files/upload", headers=headers, content=request.photo_bytes, repeatable=True
        )
        try:
            address = payloads.address(self.check(stored).json().get("access_url"))
        except ValueError as error:
            raise Unavailable(f"the upload cannot be read: {error}") from error
        if not address:
            raise Unavailable("the upload has no address")
        return replace(request, photo_url=address)

    # --- Webhooks -----------------------------------------------------------------------------------

    def verify(self, account: Account, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        """Verify an Ed25519 signature over request id, user id, timestamp and body digest (docs, webhooks).

        The account's webhook secrets are public keys. The event id is the request's id with its status: there is
        one event for each.
        """
        request_id, user_id, timestamp, given = (headers.get(name, "") for name in self.webhook_headers)
        if not 0 < len(request_id) <= 100 or not re.fullmatch(r"[0-9a-fA-F]{128}", given):
            raise BadSignature("headers missing")
        sent_at = signatures.seconds_of(timestamp)
        message = "\n".join([request_id, user_id, timestamp, hashlib.sha256(body).hexdigest()])
        signature, signed = bytes.fromhex(given), message.encode("utf-8", "surrogatepass")
        if not any(signatures.is_signed_by(secret, signature, signed) for secret in account.webhook_secrets):
            raise BadSignature("no signature fits")
        signatures.require_fresh(sent_at, now=now)
        return f"{request_id}:{status_word(body)}"

    def parse(self, body: bytes) -> ProviderEvent:
        data = payloads.json_object(body)
        prediction_id = payloads.identifier(data.get("request_id"))
        payload = data.get("payload")
        if data.get("status") == "ERROR":
            return fal_results.failure(prediction_id, {"error": data.get("error"), **payloads.mapping(payload)})
        if data.get("status") != "OK":
            logger.warning("status_unknown provider=fal status=%.40r", data.get("status"))
            return ProviderEvent(prediction_id, PredictionStatus.UNKNOWN)
        if payload is None:
            # docs: a payload that cannot be serialised is null, with `payload_error`. Polling then fetches the result.
            return ProviderEvent(
                prediction_id, PredictionStatus.RUNNING, raw_error=payloads.text(data.get("payload_error"))
            )
        return fal_results.finished(prediction_id, payload, around=data)

    def learn_secrets(self, account: Account) -> tuple[str, ...]:
        rest = _other_host(account, "rest_url", REST_URL, "/rest")
        response = self.call_without_key(account, "GET", f"{rest}/.well-known/jwks.json", repeatable=True)
        try:
            keys = self.check(response).json().get("keys")
        except ValueError as error:
            raise Unavailable(f"the public keys cannot be read: {error}") from error
        found = [
            f"{signatures.PUBLIC_KEY_PREFIX}{key.get('x')}"
            for key in map(payloads.mapping, keys if isinstance(keys, list) else ())
            if (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519")
        ]
        usable = tuple(dict.fromkeys(key for key in found if not self.check_secret(key)))
        if not usable:
            raise Unavailable("there are no public keys")
        return usable

    # --- Parsing ------------------------------------------------------------------------------------

    def explain(self, response: client.Response) -> VendorError:
        try:
            data = response.json()
        except ValueError:
            return VendorError(response.excerpt())
        code, text = fal_results.reason(data, otherwise="request_refused")
        return VendorError(text or response.excerpt(), "request_refused" if code in fal_results.TRANSIENT else code)

    def _event(self, data: Mapping[str, Any]) -> ProviderEvent:
        """Return the event that the JSON of a request's status describes. Raise ValueError when it is not one."""
        return ProviderEvent(
            payloads.identifier(data.get("request_id")),
            self.status_from(data.get("status"), STATUSES),
            queue_position=payloads.whole(data.get("queue_position")),
        )


def _lifetime(account: Account) -> str:
    seconds = account.parameters.get("keep_seconds") or KEEP_SECONDS
    return json.dumps({"expiration_duration_seconds": seconds})


def _other_host(account: Account, parameter: str, own: str, below: str) -> str:
    """Return the URL of fal's REST API or CDN: the parameter's, fal's, or below a base URL that is not fal's."""
    if chosen := account.parameters.get(parameter):
        return str(chosen).rstrip("/")
    host = urlsplit(account.base_url).hostname or ""
    return own if host == "fal.run" or host.endswith((".fal.run", ".falrun.com")) else f"{account.base_url}{below}"
