"""WaveSpeed, API v3, below `/wavespeed`.

Where the documentation is silent, the format is one that the official client accepts: an error is `{"code",
"message"}`, and a deleted task can still be fetched, with the status `deleted`. The list has no inputs, as documented,
so a task cannot be found by its reference.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from common.times import rfc3339

from .calls import BadBody, Call, Route
from .predictions import Prediction, State
from .responses import SimulatedResponse, format_time, json_response, parse_time
from .uploads import Upload, read_form
from .vendor import Submission, Vendor, whole_seconds

STATUSES = {
    State.WAITING: "created",
    State.STARTING: "created",
    State.RUNNING: "processing",
    State.SUCCEEDED: "completed",
    State.FAILED: "failed",
    State.CANCELED: "cancelled",
    State.ABORTED: "timeout",
}
FAILURES = {
    "fail": (1403, "execution failed: the model ran into an error"),
    "refuse": (1200, "content moderation: the input was flagged as potentially sensitive"),
    "bad_photo": (1402, "the media could not be fetched, please check the url"),
    "abort": (5004, "the task timed out"),
}
MESSAGES = {
    400: "Bad Request",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
SYNC_SECONDS = 120.0
PAGE = 100


class WaveSpeed(Vendor):
    name = "wavespeed"

    def route(self, call: Call) -> Route | None:
        match call.method, call.parts:
            case "POST", ["api", "v3", "predictions"]:
                return Route("list", self.show_page)
            case "POST", ["api", "v3", "predictions", "delete"]:
                return Route("delete", self.delete_many)
            case "GET", ["api", "v3", "predictions", _] | ["api", "v3", "predictions", _, "result"]:
                return Route("fetch", self.show)
            case "DELETE", ["api", "v3", "predictions", _]:
                return Route("delete", self.delete)
            case "GET", ["api", "v3", "balance"]:
                return Route("list", lambda call: envelope({"balance": 100.0}))
            case "GET", ["api", "v3", "models"]:
                return Route("list", self.models)
            case "POST", ["api", "v3", "model", "price"]:
                return Route("list", self.quote)
            case "GET", ["api", "v3", "webhook", "secret"]:
                return Route("secret", lambda call: json_response({"code": 200, "data": {"secret": self.secret}}))
            case "POST", ["api", "v3", "media", "uploads"]:
                return Route("upload", self.announce_upload)
            case "POST", ["api", "v3", "media", "upload", "binary"]:
                return Route("upload", self.upload_form)
            case "POST", ["api", "v3", owner, _, *_] if owner not in ("predictions", "media", "model", "webhook"):
                return Route("submit")
            case "PUT", ["uploads", _]:
                return Route("upload", self.upload, needs_key=False)
        return None

    def key(self, call: Call) -> str | None:
        return call.key("Bearer")

    def read_submission(self, call: Call) -> Submission:
        submission = Submission(model="/".join(call.parts[2:]), webhook=call.query.get("webhook", ""))
        try:
            submission.input = call.json()
        except BadBody:
            submission.rejection = self.error(400, "invalid request body")
            return submission
        if any(word in submission.model for word in ("i2v", "image-to-video")) and not submission.input.get("image"):
            submission.rejection = self.error(400, "property image is missing")
        if submission.input.get("enable_sync_mode"):
            submission.hold_seconds = SYNC_SECONDS
        submission.input = {name: value for name, value in submission.input.items() if name != "enable_sync_mode"}
        return submission

    def new_id(self) -> str:
        return uuid.uuid4().hex

    def created_response(self, prediction: Prediction) -> SimulatedResponse:
        return envelope(self.task(prediction))

    def held_response(self, prediction: Prediction) -> SimulatedResponse:
        task = self.task(prediction)
        if not prediction.is_final:
            task |= {"status": "processing", "code": 5004, "error": "Sync mode timed out, query the result later"}
        return envelope(task)

    def task(self, prediction: Prediction) -> dict[str, Any]:
        """Return the JSON of a task in the responses of submit, poll and list."""
        url = None if prediction.is_deleted else self.film_url(prediction)
        milliseconds = round(prediction.predict_seconds * 1000)
        task: dict[str, Any] = {
            "id": prediction.id,
            "model": prediction.model,
            "outputs": [url] if url else [],
            "urls": {"get": f"{prediction.base}/api/v3/predictions/{prediction.id}/result"},
            "has_nsfw_contents": [False] if url else [],
            "status": "deleted" if prediction.is_deleted else STATUSES[prediction.state],
            "created_at": format_time(prediction.created_at),
            "error": "",
            "timings": {"inference": milliseconds},
        }
        if prediction.is_final:
            task["executionTime"] = milliseconds
        if prediction.state in (State.FAILED, State.ABORTED) and prediction.outcome.name in FAILURES:
            task["code"], task["error"] = FAILURES[prediction.outcome.name]
            if prediction.outcome.name == "fail" and prediction.outcome["message"]:
                task["error"] = prediction.outcome["message"]
        return task

    def show(self, call: Call) -> SimulatedResponse:
        prediction = self.find(call.parts[3])
        return envelope(self.task(prediction)) if prediction else self.error(404, "prediction not found")

    def show_page(self, call: Call) -> SimulatedResponse:
        """Return a page of tasks, newest first."""
        try:
            wanted = call.json()
            page, size = int(wanted.get("page", 1)), min(PAGE, int(wanted.get("page_size", PAGE)))
            after, before = (parse_time(wanted.get(name)) for name in ("created_after", "created_before"))
        except (BadBody, ValueError, TypeError):
            return self.error(400, "invalid request body")
        if page < 1 or size < 1:
            return self.error(400, "invalid request body")
        found = [
            one
            for one in reversed(list(self.fleet.predictions.values()))
            if not one.is_deleted
            and (after is None or one.created_at >= after)
            and (before is None or one.created_at <= before)
            and (not wanted.get("model") or one.model == wanted["model"])
            and (not wanted.get("status") or STATUSES[one.state] == wanted["status"])
        ]
        shown = found[(page - 1) * size : page * size]
        return envelope({"page": page, "total": len(found), "items": [self.task(one) for one in shown]})

    def delete(self, call: Call) -> SimulatedResponse:
        prediction = self.find(call.parts[3])
        if prediction is None or prediction.is_deleted:
            return self.error(404, "prediction not found")
        self._delete(prediction)
        return envelope(self.task(prediction))

    def delete_many(self, call: Call) -> SimulatedResponse:
        try:
            ids = call.json().get("ids")
        except BadBody:
            ids = None
        if not isinstance(ids, list):
            return self.error(400, "invalid request body")
        found = [one for one in map(self.find, map(str, ids)) if one is not None and not one.is_deleted]
        for prediction in found:
            self._delete(prediction)
        return envelope({"deleted_count": len(found)})

    def _delete(self, prediction: Prediction) -> None:
        prediction.is_deleted = True
        self.fleet.cancel(prediction)

    def send_final_webhooks(self, prediction: Prediction) -> None:
        # The vendor sends no webhook for a canceled task.
        if prediction.state in (State.SUCCEEDED, State.FAILED, State.ABORTED):
            super().send_final_webhooks(prediction)

    def webhook_body(self, prediction: Prediction, event: str) -> dict[str, Any]:
        task = self.task(prediction)
        task["status"] = "completed" if prediction.state == State.SUCCEEDED else "failed"
        url = self.film_url(prediction)
        task["outputs"], task["has_nsfw_contents"] = ([url], [False]) if url else ([], [])
        keys = ("id", "model", "input", "outputs", "urls", "has_nsfw_contents", "status", "created_at", "error")
        task["input"] = prediction.input
        return {name: task[name] for name in (*keys, "executionTime", "timings")}

    def event_id(self, prediction: Prediction, event: str) -> str:
        return prediction.id

    # --- Photos -------------------------------------------------------------------------------------

    def announce_upload(self, call: Call) -> SimulatedResponse:
        """Return the URL that a file can be PUT to, without the API key."""
        try:
            wanted = call.json()
        except BadBody:
            wanted = {}
        name, size, content_type = (wanted.get(field) for field in ("filename", "size", "content_type"))
        if not isinstance(name, str) or not isinstance(size, int):
            return self.error(400, "invalid request body")
        content_type = content_type if isinstance(content_type, str) else "application/octet-stream"
        token = uuid.uuid4().hex
        self.upload_records[token] = (name, content_type)
        return envelope(
            {
                "type": content_type.partition("/")[0],
                "filename": name,
                "size": size,
                "download_url": self.upload_url(call.base, token, name),
                "upload": {
                    "method": "PUT",
                    "url": f"{call.base}/uploads/{token}",
                    "headers": {"Content-Type": content_type},
                    "expires_at": rfc3339(datetime.now(UTC) + timedelta(hours=1)),
                },
            }
        )

    def upload(self, call: Call) -> SimulatedResponse:
        """Store a file as the vendor's storage does: only as announced, and without an Authorization header."""
        record = self.upload_records.get(call.parts[1])
        if record is None:
            return storage_error(403, "AccessDenied")
        name, content_type = record
        if "authorization" in call.headers:
            return storage_error(400, "InvalidArgument")
        if call.headers.get("content-type") != content_type:
            return storage_error(403, "SignatureDoesNotMatch")
        self.keep_upload(call.parts[1], Upload(call.body, content_type, name))
        return SimulatedResponse(200)

    def upload_form(self, call: Call) -> SimulatedResponse:
        file = read_form(call).get("file")
        if file is None:
            return self.error(400, "invalid request body")
        token = uuid.uuid4().hex
        self.keep_upload(token, file)
        return envelope(
            {
                "type": file.content_type.partition("/")[0],
                "download_url": self.upload_url(call.base, token, file.name),
                "filename": file.name,
                "size": len(file.content),
            }
        )

    # --- Other calls --------------------------------------------------------------------------------

    def models(self, call: Call) -> SimulatedResponse:
        schema = {"type": "object", "required": ["image", "prompt"], "properties": {"image": {"type": "string"}}}
        names = sorted({"wavespeed-ai/wan-2.2/i2v-720p", "wavespeed-ai/wan-2.2/image-to-video"})
        return envelope([{"model_id": name, "api_schema": schema} for name in names])

    def quote(self, call: Call) -> SimulatedResponse:
        price = float(self.behaviour.price)
        return envelope({"price": price, "discounted_price": price})

    def error(self, status: int, message: str = "") -> SimulatedResponse:
        return json_response({"code": status, "message": message or MESSAGES.get(status, "Error")}, status)

    def busy(self, seconds: float, *, in_body: bool) -> SimulatedResponse:
        later = f", please retry after {whole_seconds(seconds)} seconds" if in_body else ""
        return self.error(429, f"Too Many Requests{later}")

    def account_error(self, trouble: str) -> SimulatedResponse:
        match trouble:
            case "no_credit":
                return self.error(402, "insufficient credits, please top up your account")
            case "forbidden":
                return self.error(403, "you do not have permission to use this model")
        return self.error(401, "invalid authentication")


def envelope(data: Any) -> SimulatedResponse:
    return json_response({"code": 200, "message": "success", "data": data})


def storage_error(status: int, code: str) -> SimulatedResponse:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return SimulatedResponse(status, body.encode(), "application/xml")
