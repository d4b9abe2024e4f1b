"""Replicate, predictions API.

Sources: replicate.com/docs (create a prediction, lifecycle, webhooks, rate limits, data retention; read
2026-11) and the official Python clients 1.0.7 and 2.0.0b4, whose docstrings are generated from Replicate's
OpenAPI description. Facts that only others report are marked where they are used.

- A model is `owner/name` (official models), `owner/name:version`, the 64 characters of a version, or
  `deployments/owner/name` for a deployment of your own, which can be kept warm.
- Look-up: `GET /predictions` lists predictions newest first, 100 per page, each with its `input`. Our reference
  is part of the photo's URL (`photo`), or of an uploaded file's metadata. A listed prediction without its input
  could be ours, so `find` then raises Unavailable instead of returning None.
- `data:` URLs of up to 256 kB are accepted too, but they are not stored with the prediction, so an attempt could
  not be looked up; `inline` is therefore not offered.
- Predictions cannot be deleted. Replicate removes input, output and logs after one hour, and uploaded files after
  a day (as others report); `delete` deletes the uploaded file at once.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

from providers import error_mapping, outputs, parameters, payloads, signatures
from providers.error_mapping import VendorError
from providers.errors import AccountProblem, PredictionGone, Rejected, Unavailable, Unconfirmed
from providers.http import client
from providers.types import Account, PhotoTransport, PredictionStatus, Preset, ProviderEvent, SubmitRequest

from .base import same_prediction
from .cloud import CloudAdapter, Model, photo_type

logger = logging.getLogger(__name__)

# replicate.com/docs, prediction lifecycle. `starting` lasts while a model is loaded. `aborted` was stopped before it
# began (client 1.0.7 does not know it).
STATUSES = {
    "starting": PredictionStatus.WARMING_UP,
    "processing": PredictionStatus.RUNNING,
    "succeeded": PredictionStatus.SUCCEEDED,
    "failed": PredictionStatus.FAILED,
    "canceled": PredictionStatus.CANCELED,
    "aborted": PredictionStatus.CANCELED,
}
# One delivery at the start and one at the end; `output` and `logs` would be sent twice a second.
WEBHOOK_EVENTS = ["start", "completed"]

# A tqdm line as the official client 1.0.7 reads it: " 42%|████ | 21/50 [00:10<00:14]".
_PROGRESS = re.compile(r"^[ \t]*(\d{1,3})%[ \t]*\|[^\n]*?\|[ \t]*(\d{1,9})/(\d{1,9})", re.MULTILINE)
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_OFFICIAL = re.compile(rf"({_NAME})/({_NAME})")
_DEPLOYMENT = re.compile(rf"deployments/({_NAME})/({_NAME})")
_VERSION = re.compile(rf"(?:{_NAME}/{_NAME}:)?[0-9a-f]{{64}}")
_FILE_ID = re.compile(r"/files/([A-Za-z0-9_-]{1,100})(?:/|$)")

MAX_PAGES = 40
LISTING_BYTES = 32 * 2**20
# The largest difference between our clock and Replicate's that the look-up allows for.
CLOCK_SKEW = timedelta(minutes=5)

_FRAMES = {"frames_per_second": parameters.whole(5, 24), "sample_shift": parameters.number(1, 20)}


class ReplicateAdapter(CloudAdapter):
    name = "replicate"
    title = "Replicate"
    photo_transports = frozenset({PhotoTransport.URL, PhotoTransport.UPLOAD})
    can_look_up = True
    # Whether failed predictions are charged is not documented (machines are billed by time), so they are booked.
    charges_failures = True
    content_rule = "replicate"
    default_base_url = "https://api.replicate.com/v1"
    default_model = "wan-video/wan-2.2-i2v-a14b"
    default_result_hosts = ("replicate.delivery", "*.replicate.delivery")
    can_learn_secrets = True
    keeps = timedelta(days=1)
    can_keep_warm = True
    # replicate.com/docs, rate limits (read 2026-11): predictions per minute. No concurrency limit is published;
    # these values are what such a rate keeps busy with films that take a minute and a half.
    presets = (
        Preset("no-card", "Without a payment method", max_concurrent=9, max_per_minute=6),
        Preset("default", "Default", max_concurrent=900, max_per_minute=600),
    )
    # replicate.com model pages (read 2026-11). 81 frames at 16 per second are five seconds.
    models: ClassVar[Mapping[str, Model]] = {
        "kwaivgi/kling-v2.1": Model(
            "start_image",
            {"mode": parameters.one_of("standard", "pro"), "duration": parameters.one_of(5, 10)},
            {"mode": "standard", "duration": 5},
            takes_negative_prompt=True,
            smallest={"mode": "standard", "duration": 5},
        ),
        "wan-video/wan-2.2-i2v-a14b": Model(
            "image",
            {
                "num_frames": parameters.whole(81, 100),
                "resolution": parameters.one_of("480p", "720p"),
                "sample_steps": parameters.whole(1, 50),
                **_FRAMES,
            },
            {"num_frames": 81, "frames_per_second": 16, "resolution": "720p"},
            takes_seed=True,
            smallest={"num_frames": 81, "resolution": "480p", "sample_steps": 1},
        ),
        "wavespeedai/wan-2.1-i2v-720p": Model(
            "image",
            {
                "num_frames": parameters.whole(5, 100),
                "sample_steps": parameters.whole(1, 40),
                "sample_guide_scale": parameters.number(0, 10),
                "fast_mode": parameters.one_of("Off", "Balanced", "Fast"),
                **_FRAMES,
            },
            {"num_frames": 81, "frames_per_second": 16},
            takes_seed=True,
            smallest={"num_frames": 5, "sample_steps": 1},
        ),
    }
    any_other_model = Model("image")
    settings: ClassVar[Mapping[str, parameters.Rule]] = {"cancel_after": parameters.whole(5, 86_400)}

    # --- Settings -----------------------------------------------------------------------------------

    def check_model(self, model: str) -> str:
        if not model or any(form.fullmatch(model) for form in (_OFFICIAL, _DEPLOYMENT, _VERSION)):
            return ""
        return (
            "A Replicate model is “owner/name”, “owner/name:version”, a version of 64 characters "
            "or “deployments/owner/name”."
        )

    def check_secret(self, secret: str) -> str:
        if not secret.startswith(signatures.PREFIX):
            return "A Replicate secret begins with whsec_."
        return super().check_secret(secret)

    # --- Predictions --------------------------------------------------------------------------------

    def submit(self, account: Account, request: SubmitRequest) -> ProviderEvent:
        path, payload = self._target(account)
        payload["input"] = self.inputs(account, request)
        if webhook := self.webhook(account, request):
            payload |= {"webhook": webhook, "webhook_events_filter": WEBHOOK_EVENTS}
        limit = account.parameters.get("cancel_after")
        headers = {"Cancel-After": f"{limit}s"} if limit else {}
        response = self.check(self.call(account, "POST", path, json_body=payload, headers=headers), submitting=True)
        try:
            return self._event(response.json())
        except ValueError as error:
            raise Unconfirmed(f"the answer to the submit cannot be read: {error}") from error

    def fetch(self, account: Account, prediction_id: str) -> ProviderEvent:
        try:
            return same_prediction(self._event(self._prediction(account, prediction_id)), prediction_id)
        except ValueError as error:
            raise Unavailable(f"the prediction cannot be read: {error}") from error

    def cancel(self, account: Account, prediction_id: str) -> None:
        try:
            self.send_command(account, "POST", "/predictions/{}/cancel", prediction_id)
        except Rejected:
            # A finished prediction cannot be canceled; the response in that case is not documented.
            logger.info("cancel_refused provider=%s", account.slug)

    def delete(self, account: Account, prediction_id: str) -> None:
        """Delete the photo if it was uploaded. Replicate removes the prediction itself after an hour."""
        try:
            prediction = self._prediction(account, prediction_id)
        except PredictionGone:
            return
        except ValueError as error:
            raise Unavailable(f"the prediction cannot be read: {error}") from error
        made_at = payloads.timestamp(prediction.get("created_at"))
        for address in _own_addresses(account, prediction.get("input")):
            if file_id := self._file_id(account, address, since=made_at):
                self.send_command(account, "DELETE", "/files/{}", file_id)

    def _file_id(self, account: Account, address: str, *, since: datetime | None) -> str:
        """Return the id of an uploaded file, from its URL or from the list of files; '' when it is in neither."""
        if found := _FILE_ID.search(urlsplit(address).path):
            return found[1]
        for stored in self._listed(account, "/files", since=since):
            if payloads.mapping(stored.get("urls")).get("get") == address:
                return payloads.text(stored.get("id"))
        return ""

    def _prediction(self, account: Account, prediction_id: str) -> dict[str, Any]:
        path = f"/predictions/{client.path_part(prediction_id)}"
        return self.check(self.call(account, "GET", path, repeatable=True)).json()

    def _target(self, account: Account) -> tuple[str, dict[str, Any]]:
        """Return the path that creates a prediction, and the part of its JSON that names the version."""
        model = account.model or self.default_model
        if problem := self.check_model(model):
            raise AccountProblem(problem, code="settings")
        if _VERSION.fullmatch(model):
            return "/predictions", {"version": model}
        return f"/{quote(model) if model.startswith('deployments/') else 'models/' + quote(model)}/predictions", {}

    # --- Photos -------------------------------------------------------------------------------------

    def photo(self, account: Account, request: SubmitRequest) -> str:
        """Return the photo's URL with our reference in it, so that `find` recognises the prediction in the list."""
        address = super().photo(account, request)
        if request.reference in address or _own_addresses(account, address):
            return address
        # A fragment is not sent to the host, so signed URLs stay valid.
        return f"{address}#{quote(request.reference)}"

    def upload(self, account: Account, request: SubmitRequest) -> SubmitRequest:
        response = self.call(
            account,
            "POST",
            "/files",
            files={"content": ("photo.jpg", request.photo_bytes, photo_type(request.photo_bytes))},
            form={"metadata": json.dumps({"reference": request.reference})},
            repeatable=True,
        )
        try:
            address = payloads.address(payloads.mapping(self.check(response).json().get("urls")).get("get"))
        except ValueError as error:
            raise Unavailable(f"the upload cannot be read: {error}") from error
        if not _own_addresses(account, address):
            raise Unavailable("the upload has no address of Replicate's")
        return replace(request, photo_url=address)

    # --- Look-up ------------------------------------------------------------------------------------

    def find(self, account: Account, reference: str, *, since: datetime | None = None) -> ProviderEvent | None:
        doubtful = False
        with_files: dict[str, dict[str, Any]] = {}
        for item in self._listed(account, "/predictions", since=since):
            given = item.get("input")
            if any(reference in text for text in payloads.texts_in(given)):
                return self._found(item)
            with_files |= dict.fromkeys(_own_addresses(account, given), item)
            doubtful |= not isinstance(given, dict) or item.get("data_removed") is True
        # If our prediction exists, its file does too: `delete` needs a prediction id, and this attempt has none yet.
        for stored in self._listed(account, "/files", since=since) if with_files else ():
            address = payloads.text(payloads.mapping(stored.get("urls")).get("get"))
            owner, metadata = with_files.get(address), stored.get("metadata")
            if owner is not None and isinstance(metadata, dict) and metadata.get("reference") == reference:
                return self._found(owner)
            doubtful |= item is not None and not isinstance(metadata, dict)
        if doubtful:
            raise Unavailable("some of the listed predictions do not show what they were made from")
        return None

    def _found(self, item: Mapping[str, Any]) -> ProviderEvent:
        try:
            return self._event(item)
        except ValueError as error:
            raise Unavailable(f"our prediction cannot be read: {error}") from error

    def _listed(self, account: Account, path: str, *, since: datetime | None) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, newest first, back to `since`. Raise Unavailable when that fails."""
        until = time.monotonic() + account.connect_seconds + account.read_seconds
        cursor: dict[str, str] | None = None
        for _page in range(MAX_PAGES):
            response = self.call(account, "GET", path, params=cursor, max_bytes=LISTING_BYTES, repeatable=True)
            try:
                listing = self.check(response).json()
                items, after = listing["results"], listing["next"]
            except (ValueError, KeyError) as error:
                raise Unavailable("the listing cannot be read") from error
            except PredictionGone as error:
                raise Unavailable("there is no listing") from error
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise Unavailable("the listing cannot be read")
            for item in items:
                made_at = payloads.timestamp(item.get("created_at"))
                if since is not None and made_at is not None and made_at < since - CLOCK_SKEW:
                    return
                yield item
            if after is None:
                return
            cursor = _cursor(after)
            if time.monotonic() > until:
                break
        raise Unavailable("the listing is longer than there was time for")

    # --- Webhooks -----------------------------------------------------------------------------------

    def verify(self, account: Account, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        # Standard Webhooks. A repeated delivery has the same id.
        return signatures.verify(account.webhook_secrets, headers, body, now=now)

    def parse(self, body: bytes) -> ProviderEvent:
        return self._event(payloads.json_object(body))

    def learn_secrets(self, account: Account) -> tuple[str, ...]:
        try:
            response = self.check(self.call(account, "GET", "/webhooks/default/secret", repeatable=True))
            return (self.secret_from(response.json().get("key")),)
        except ValueError as error:
            raise Unavailable(f"the webhook secret cannot be read: {error}") from error

    # --- Parsing ------------------------------------------------------------------------------------

    def check(self, response: client.Response, *, submitting: bool = False) -> client.Response:
        # Accounts without a payment method get 422 "Invalid version or not permitted" as well (public issues). It is
        # about the model or the account, so every other photo would be refused too.
        if submitting and response.status == 422 and "not permitted" in (text := self.explain(response).text):
            raise AccountProblem(f"HTTP 422: {response.without_secrets(text)[:500]}", code="settings")
        return super().check(response, submitting=submitting)

    def explain(self, response: client.Response) -> VendorError:
        try:
            problem = response.json()
        except ValueError:
            return VendorError(response.excerpt())
        texts = [payloads.text(problem.get("title")), payloads.text(problem.get("detail"))]
        fields = problem.get("invalid_fields")
        for one in fields if isinstance(fields, list) else ():
            one = payloads.mapping(one)
            texts.append(f"{payloads.text(one.get('field'))}: {payloads.text(one.get('description'))}")
        text = ". ".join(filter(None, texts))
        return VendorError(text or response.excerpt(), error_mapping.failure_code(text, otherwise="request_refused"))

    def _event(self, prediction: Mapping[str, Any]) -> ProviderEvent:
        """Return the event that a prediction's JSON describes. Raise ValueError when it is not one."""
        prediction_id = payloads.identifier(prediction.get("id"))
        status = self.status_from(prediction.get("status"), STATUSES)
        film = outputs.film_in(prediction.get("output"))
        error = payloads.message(prediction.get("error"))
        ended = status in (PredictionStatus.SUCCEEDED, PredictionStatus.FAILED)
        if ended and outputs.is_flagged(prediction):
            status, error = PredictionStatus.FAILED, f"{outputs.FLAGGED}: {error}".removesuffix(": ")
        elif status == PredictionStatus.SUCCEEDED and not film:
            status, error = PredictionStatus.FAILED, error or "succeeded without a film"
        has_film, has_failed = status == PredictionStatus.SUCCEEDED, status == PredictionStatus.FAILED
        return ProviderEvent(
            prediction_id=prediction_id,
            status=status,
            progress=1.0 if has_film else _progress(prediction.get("logs")),
            video_url=film if has_film else "",
            error_code=error_mapping.failure_code(error, otherwise="provider_failed") if has_failed else "",
            raw_error=error,
            reported_at=payloads.timestamp(prediction.get("completed_at")),
        )


def _progress(logs: Any) -> float | None:
    """Return the progress (0..1) of the last tqdm bar in the logs, or None."""
    if not isinstance(logs, str):
        return None
    bars = _PROGRESS.findall(logs[-20_000:].replace("\r", "\n"))
    if not bars:
        return None
    _percent, done, total = (int(number) for number in bars[-1])
    return payloads.fraction(done / total) if total else None


def _own_addresses(account: Account, value: Any) -> list[str]:
    """Return every URL on the API's host in a JSON value: those of uploaded files."""
    origin = "/".join(account.base_url.split("/")[:3]) + "/"
    return [text for text in payloads.texts_in(value) if text.startswith(origin)]


def _cursor(after: Any) -> dict[str, str]:
    """Return the query of the next page's URL. Its host is ignored. Raise Unavailable when there is no query."""
    try:
        query = {name: values[0] for name, values in parse_qs(urlsplit(payloads.address(after)).query).items()}
    except ValueError:
        query = {}
    if not query:
        raise Unavailable("the listing does not say how it goes on")
    return query
