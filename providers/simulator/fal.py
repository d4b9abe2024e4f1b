"""fal, below `/fal`: the queue at the root, direct runs at `/run`, the REST host at `/rest`, the CDN at `/cdn`.

A failed request is COMPLETED; its error is in its status (`error`) and in the response of its result call. Every
response of fal has `x-fal-request-id`, by which the official client distinguishes errors of fal from a gateway's.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from . import signing
from .calls import BadBody, Call, Route
from .context import Context
from .predictions import Prediction, State
from .responses import SimulatedResponse, dump, format_time, json_response
from .uploads import Upload
from .vendor import Submission, Vendor, whole_seconds

NAMESPACES = ("workflows", "comfy")
OWN_PATHS = ("rest", "cdn", "run")
SYNC_SECONDS = 3600.0
# Failures of the platform, by outcome: HTTP status, kind of error, text.
FAILURES = {
    "fail": (500, "internal_error", "Internal server error"),
    "abort": (504, "startup_timeout", "Runner startup timed out"),
    "late_start": (504, "request_timeout", "Request timed out before processing started"),
    "canceled": (499, "client_cancelled", "Request was cancelled"),
}
MODEL_FAILURES = {
    "refuse": ("content_policy_violation", "The content was flagged by a content checker."),
    "bad_photo": ("file_download_error", "Failed to download the file."),
}
TITLES = {404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}


class Fal(Vendor):
    name = "fal"
    redirects_are_final = True
    photo_inputs = ("image_url", "start_image_url")
    film_mount = ("cdn", "files", "b")
    upload_mount = ("cdn", "files", "u")

    def __init__(self, context: Context, secret: str) -> None:
        super().__init__(context, secret)
        self.old_secret = signing.new_secret(self.name)  # the JWKS always has two keys

    def route(self, call: Call) -> Route | None:
        match call.method, call.parts:
            case "GET", ["rest", ".well-known", "jwks.json"]:
                return Route("secret", self.show_keys, needs_key=False)
            case "POST", ["rest", "storage", "auth", "token"]:
                return Route("upload", self.make_token)
            case "POST", ["rest", "storage", "upload", "initiate"]:
                return Route("upload", self.announce_upload)
            case "PUT", ["cdn", "put", _]:
                return Route("upload", self.upload_announced, needs_key=False)
            case "POST", ["cdn", "files", "upload"]:
                return Route("upload", self.upload, needs_key=False)
            case "POST", ["cdn", "files", "upload", "multipart"]:
                return Route("upload", self.begin_parts, needs_key=False)
            case "PUT", ["cdn", "files", "u", _, _, "multipart", _, _]:
                return Route("upload", self.upload_part, needs_key=False)
            case "POST", ["cdn", "files", "u", _, _, "multipart", _, "complete"]:
                return Route("upload", self.join_parts, needs_key=False)
            case "POST", ["run", *model] if model_parts(model):
                return Route("submit")
        if call.parts[:1] and call.parts[0] in OWN_PATHS:
            return None
        if "requests" in call.parts:
            return self._request_route(call)
        if call.method == "POST" and model_parts(call.parts):
            return Route("submit")
        return None

    def _request_route(self, call: Call) -> Route | None:
        below = call.parts[call.parts.index("requests") + 1 :]
        match call.method, below:
            case "GET", [_] | [_, "response"]:
                return Route("fetch", self.show_result)
            case "GET", [_, "status"]:
                return Route("fetch", self.show_status)
            case "PUT", [_, "cancel"]:
                return Route("cancel", self.cancel)
        return None

    def key(self, call: Call) -> str | None:
        return call.key("Key")

    def check_account(self, call: Call, stage: str) -> SimulatedResponse | None:
        rejection = super().check_account(call, stage)
        if rejection is not None and rejection.status == 403 and stage in ("fetch", "cancel"):
            return None  # a locked account can still read and cancel its requests
        return rejection

    def read_submission(self, call: Call) -> Submission:
        is_direct = call.parts[0] == "run"
        parts = call.parts[1:] if is_direct else call.parts
        submission = Submission(model="/".join(parts), webhook=call.query.get("fal_webhook", ""))
        submission.vendor_facts["app"] = "/".join(app_parts(parts))
        if is_direct:
            submission.hold_seconds = SYNC_SECONDS
            limit = self.behaviour.concurrent
            if limit is not None and self.fleet.open >= limit:
                submission.rejection = self.busy(1.0, in_body=False)
        try:
            submission.input = call.json()
        except BadBody:
            submission.rejection = model_error(["body"], "json_invalid", "JSON decode error")
            return submission
        if "image-to-video" in submission.model and not submission.input.get("image_url"):
            submission.rejection = model_error(["body", "image_url"], "missing", "Field required")
        if submission.rejection is not None:
            return submission
        longest = call.query.get("fal_max_queue_length", "")
        if longest.isdigit() and len(self.fleet.waiting) > int(longest):
            submission.rejection = self.busy(1.0, in_body=False)
        try:
            submission.vendor_facts["start_within"] = float(call.headers.get("x-fal-request-timeout", 0) or 0)
        except ValueError:
            submission.rejection = self.error(400, "Invalid X-Fal-Request-Timeout")
        return submission

    def new_id(self) -> str:
        return str(uuid.uuid4())

    def urls(self, prediction: Prediction) -> dict[str, str]:
        own = f"{prediction.base}/{prediction.vendor_facts['app']}/requests/{prediction.id}"
        return {"response_url": own, "status_url": f"{own}/status", "cancel_url": f"{own}/cancel"}

    def created_response(self, prediction: Prediction) -> SimulatedResponse:
        seconds = prediction.vendor_facts["start_within"]
        if seconds:
            self.context.webhooks.later(seconds, lambda: self._give_up(prediction))
        return self.own(
            prediction,
            {
                "status": "IN_QUEUE",
                "request_id": prediction.id,
                "gateway_request_id": prediction.id,
                **self.urls(prediction),
                "logs": None,
                "metrics": {},
                "queue_position": self.position(prediction),
            },
        )

    def position(self, prediction: Prediction) -> int:
        """Return how many requests wait before this one; one that has not begun will be the last."""
        return self.fleet.position(prediction) if prediction.has_begun else len(self.fleet.waiting)

    def _give_up(self, prediction: Prediction) -> None:
        if prediction.started_at is None and not prediction.is_final:
            prediction.vendor_facts["failure"] = "late_start"
            self.fleet.end(prediction, State.ABORTED)

    def held_response(self, prediction: Prediction) -> SimulatedResponse:
        return self.result(prediction)

    def own(self, prediction: Prediction, value: Any, status: int = 200) -> SimulatedResponse:
        return json_response(value, status, {"x-fal-request-id": prediction.id})

    def asked_for(self, call: Call) -> Prediction | None:
        """Return the request that a path names when it belongs to the path's app, else None."""
        index = call.parts.index("requests")
        prediction = self.find(call.parts[index + 1])
        if prediction is None or "/".join(app_parts(call.parts[:index])) != prediction.vendor_facts["app"]:
            return None
        return prediction

    def show_status(self, call: Call) -> SimulatedResponse:
        prediction = self.asked_for(call)
        if prediction is None:
            return not_found()
        wants_logs = call.query.get("logs", "").lower() in ("1", "true")
        status: dict[str, Any] = {"request_id": prediction.id, **self.urls(prediction)}
        if prediction.is_final:
            status |= {"status": "COMPLETED", "logs": log_lines(prediction) if wants_logs else None}
            status["metrics"] = {"inference_time": round(prediction.predict_seconds, 6)}
            failure = self.failure(prediction)
            if failure is not None:
                status |= {"error": failure.text, "error_type": failure.kind}
            return self.own(prediction, status)
        is_running = prediction.state == State.RUNNING
        status |= {
            "status": "IN_PROGRESS" if is_running else "IN_QUEUE",
            "logs": log_lines(prediction) if wants_logs and is_running else None,
            "queue_position": 0 if is_running else self.position(prediction),
        }
        return self.own(prediction, status, 202)

    def show_result(self, call: Call) -> SimulatedResponse:
        prediction = self.asked_for(call)
        return self.result(prediction) if prediction is not None else not_found()

    def result(self, prediction: Prediction) -> SimulatedResponse:
        if not prediction.is_final:
            return self.own(prediction, {"detail": "Request is still in progress"}, 400)
        failure = self.failure(prediction)
        if failure is None:
            return self.own(prediction, self.output(prediction))
        response = self.own(prediction, failure.body, failure.status)
        response.headers |= failure.headers
        return response

    def output(self, prediction: Prediction) -> dict[str, Any]:
        url = self.film_url(prediction)
        if url is None:
            return {"video": None, "seed": prediction.number}
        video = {"url": url, "content_type": "video/mp4", "file_name": "output.mp4"}
        size = len(self.film(prediction))
        return {"video": video | {"file_size": size}, "seed": prediction.number}

    def failure(self, prediction: Prediction) -> Failure | None:
        """Return the failure of a finished request, or None when it succeeded."""
        if prediction.state == State.SUCCEEDED:
            return None
        name = "canceled" if prediction.state == State.CANCELED else prediction.outcome.name
        name = prediction.vendor_facts.get("failure", name)
        if name in MODEL_FAILURES:
            is_prompt = name == "refuse" and prediction.outcome["of"] == "prompt"
            return Failure(422, ["body", "prompt" if is_prompt else "image_url"], *MODEL_FAILURES[name])
        status, kind, text = FAILURES.get(name, FAILURES["fail"])
        if name == "fail" and prediction.outcome["message"]:
            text = prediction.outcome["message"]
        return Failure(status, None, kind, text)

    def cancel(self, call: Call) -> SimulatedResponse:
        prediction = self.asked_for(call)
        if prediction is None:
            return not_found()
        if prediction.is_final:
            return self.own(prediction, {"status": "ALREADY_COMPLETED"}, 400)
        self.fleet.cancel(prediction)
        return self.own(prediction, {"status": "CANCELLATION_REQUESTED"}, 202)

    # --- Webhooks -----------------------------------------------------------------------------------

    def send_final_webhooks(self, prediction: Prediction) -> None:
        if prediction.state != State.CANCELED:
            super().send_final_webhooks(prediction)

    def webhook_body(self, prediction: Prediction, event: str) -> dict[str, Any]:
        body: dict[str, Any] = {"request_id": prediction.id, "gateway_request_id": prediction.id}
        failure = self.failure(prediction)
        if failure is None:
            return body | {"status": "OK", "payload": self.output(prediction)}
        error = f"Invalid status code: {failure.status}"
        return body | {"status": "ERROR", "error": error, "payload": failure.body}

    def event_id(self, prediction: Prediction, event: str) -> str:
        return prediction.id

    def show_keys(self, call: Call) -> SimulatedResponse:
        """Return the public keys: the previous one, and the one that signs."""
        return json_response({"keys": [signing.fal_jwk(self.old_secret), signing.fal_jwk(self.secret)]})

    # --- Photos -------------------------------------------------------------------------------------

    def make_token(self, call: Call) -> SimulatedResponse:
        token = secrets.token_urlsafe(24)
        self.upload_records[token] = "cdn"
        expires_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        base = f"{call.base}/cdn"
        return json_response({"token": token, "token_type": "Bearer", "base_url": base, "expires_at": expires_at})

    def has_token(self, call: Call) -> bool:
        return self.upload_records.get(call.key("Bearer") or "") == "cdn"

    def upload(self, call: Call) -> SimulatedResponse:
        if not self.has_token(call):
            return self.account_error("unauthorized")
        token, name = uuid.uuid4().hex, call.headers.get("x-fal-file-name", "upload.bin")
        self.keep_upload(token, Upload(call.body, call.headers.get("content-type", ""), name))
        return json_response({"access_url": self.upload_url(call.base, token, name)})

    def announce_upload(self, call: Call) -> SimulatedResponse:
        try:
            wanted = call.json()
        except BadBody:
            wanted = {}
        name, content_type = wanted.get("file_name"), wanted.get("content_type")
        if not isinstance(name, str) or not isinstance(content_type, str):
            return model_error(["body", "file_name"], "missing", "Field required")
        token = uuid.uuid4().hex
        self.upload_records[token] = (name, content_type)
        url = self.upload_url(call.base, token, name)
        return json_response({"upload_url": f"{call.base}/cdn/put/{token}", "file_url": url})

    def upload_announced(self, call: Call) -> SimulatedResponse:
        record = self.upload_records.get(call.parts[2])
        if not isinstance(record, tuple) or call.headers.get("content-type") != record[1]:
            return SimulatedResponse(403, b"SignatureDoesNotMatch", "text/plain")
        self.keep_upload(call.parts[2], Upload(call.body, record[1], record[0]))
        return SimulatedResponse(200)

    def begin_parts(self, call: Call) -> SimulatedResponse:
        """Begin an upload in parts; the response has the URL of the finished file."""
        if not self.has_token(call):
            return self.account_error("unauthorized")
        token, name = uuid.uuid4().hex, call.headers.get("x-fal-file-name", "upload.bin")
        self.upload_records[token] = {"type": call.headers.get("content-type", ""), "name": name, "parts": {}}
        return json_response({"access_url": self.upload_url(call.base, token, name), "uploadId": token})

    def upload_part(self, call: Call) -> SimulatedResponse:
        record, number = self.upload_records.get(call.parts[3]), call.parts[7]
        if not self.has_token(call) or not isinstance(record, dict) or not number.isdigit():
            return self.account_error("unauthorized")
        record["parts"][int(number)] = call.body
        return SimulatedResponse(200, headers={"ETag": f'"{secrets.token_hex(16)}"'})

    def join_parts(self, call: Call) -> SimulatedResponse:
        record = self.upload_records.get(call.parts[3])
        if not self.has_token(call) or not isinstance(record, dict):
            return self.account_error("unauthorized")
        content = b"".join(record["parts"][number] for number in sorted(record["parts"]))
        self.keep_upload(call.parts[3], Upload(content, record["type"], record["name"]))
        return json_response({"access_url": self.upload_url(call.base, call.parts[3], record["name"])})

    # --- Errors -------------------------------------------------------------------------------------

    def error(self, status: int, message: str = "") -> SimulatedResponse:
        kind = {500: "internal_error", 503: "runner_scheduling_failure", 504: "startup_timeout"}.get(status)
        headers = {"x-fal-request-id": str(uuid.uuid4())} | ({"X-Fal-Error-Type": kind} if kind else {})
        body = {"detail": message or TITLES.get(status, "Error")} | ({"error_type": kind} if kind else {})
        return json_response(body, status, headers)

    def busy(self, seconds: float, *, in_body: bool) -> SimulatedResponse:
        later = f" Try again in {whole_seconds(seconds)} seconds." if in_body else ""
        body = {"detail": f"Too many requests.{later}", "error_type": "concurrent_requests_limit"}
        return json_response(body, 429, {"x-fal-request-id": str(uuid.uuid4())})

    def account_error(self, trouble: str) -> SimulatedResponse:
        if trouble == "unauthorized":
            return self.error(401, "No user found for Key ID and Secret")
        reason = "Exhausted balance" if trouble == "no_credit" else "Admin lock"
        later = " Top up your balance at fal.ai/dashboard/billing." if trouble == "no_credit" else ""
        return self.error(403, f"User is locked. Reason: {reason}.{later}")


class Failure:
    """A failed request, in the format of a model's error (`detail` is a list) or of the platform's."""

    def __init__(self, status: int, location: list[str] | None, kind: str, text: str) -> None:
        self.status, self.kind, self.text = status, kind, text
        self.body: dict[str, Any]
        if location is None:
            self.body = {"detail": text, "error_type": kind}
            self.headers = {"X-Fal-Error-Type": kind, "X-Fal-Retryable": "true" if status >= 500 else "false"}
            if kind == "request_timeout":
                self.headers["X-Fal-Request-Timeout-Type"] = "user"
        else:
            self.body = {"detail": [{"loc": location, "msg": text, "type": kind}]}
            self.headers = {"X-Fal-Retryable": "false"}


def model_error(location: list[str], kind: str, text: str) -> SimulatedResponse:
    failure = Failure(422, location, kind, text)
    return SimulatedResponse(
        422, dump(failure.body), headers={**failure.headers, "x-fal-request-id": str(uuid.uuid4())}
    )


def not_found() -> SimulatedResponse:
    return json_response({"status": "NOT_FOUND"}, 404, {"x-fal-request-id": str(uuid.uuid4())})


def app_parts(parts: list[str]) -> list[str]:
    """Return the parts of a model's path that the URLs of its requests contain: owner and app, after a namespace."""
    return parts[: 3 if parts and parts[0] in NAMESPACES else 2]


def model_parts(parts: list[str]) -> bool:
    """Tell whether a path can be that of a model."""
    return len(parts) >= (3 if parts and parts[0] in NAMESPACES else 2)


def log_lines(prediction: Prediction) -> list[dict[str, Any]]:
    if prediction.started_at is None:
        return []
    text = f"{round(prediction.progress * 100)}% done"
    return [{"timestamp": format_time(prediction.started_at), "level": "INFO", "source": "USER", "message": text}]
