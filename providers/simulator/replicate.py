"""Replicate, API v1, below `/replicate`.

Error bodies that the documentation does not give: 401 is as seen in a public issue (pguso/ai-agents-workshop#1),
402 and 403 have the same format.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import string
import time
from typing import Any

from common import plain_json

from .calls import BadBody, Call, Route
from .predictions import Prediction, State
from .responses import SimulatedResponse, format_time, json_response, parse_time
from .uploads import read_form
from .vendor import Submission, Vendor, whole_seconds

STATUSES = {
    State.WAITING: "starting",
    State.STARTING: "starting",
    State.RUNNING: "processing",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELED: "canceled",
    State.ABORTED: "aborted",
}
FAILURES = {
    "fail": "Prediction failed: the model ran into an error",
    "refuse": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
    "bad_photo": "Prediction failed: an input file could not be downloaded",
}
TITLES = {
    404: ("Not found", "The requested resource could not be found."),
    500: ("Internal server error", "Something went wrong on our side."),
    502: ("Bad gateway", "The upstream did not answer."),
    503: ("Service unavailable", "The service is temporarily unavailable."),
    504: ("Gateway timeout", "The upstream took too long."),
}
ID_LETTERS, ID_LENGTH = string.ascii_lowercase + string.digits, 26
VERSION = re.compile(r"[0-9a-f]{64}|[\w.-]+/[\w.-]+(:[0-9a-f]{64})?")
EVENTS = frozenset({"start", "output", "logs", "completed"})
DEFAULT_EVENTS = frozenset({"output", "completed"})
PAGE = 100
STEPS = 30
FILE_SECONDS = 24 * 3600


class Replicate(Vendor):
    name = "replicate"
    sends_several_events = True
    redirects_are_final = True
    photo_inputs = ("start_image", "image", "first_frame_image", "input_image")
    film_mount = ("delivery",)

    def route(self, call: Call) -> Route | None:
        match call.method, call.parts:
            case (
                ("POST", ["v1", "predictions"])
                | ("POST", ["v1", "models", _, _, "predictions"])
                | ("POST", ["v1", "deployments", _, _, "predictions"])
            ):
                return Route("submit")
            case "GET", ["v1", "predictions"]:
                return Route("list", self.show_page)
            case "GET", ["v1", "predictions", _]:
                return Route("fetch", self.show)
            case "POST", ["v1", "predictions", _, "cancel"]:
                return Route("cancel", self.cancel)
            case "GET", ["v1", "webhooks", "default", "secret"]:
                return Route("secret", lambda call: json_response({"key": self.secret}))
            case "GET", ["v1", "account"]:
                return Route("list", lambda call: json_response({"type": "organization", "username": "simulator"}))
            case "POST", ["v1", "files"]:
                return Route("upload", self.upload)
            case "GET", ["v1", "files"]:
                return Route("list", self.show_files)
            case "GET", ["v1", "files", _, "download"]:
                return Route("upload", self.download_file, needs_key=False)
            case "GET", ["v1", "files", _]:
                return Route("fetch", self.show_file)
            case "DELETE", ["v1", "files", _]:
                return Route("delete", self.delete_file)
        return None

    def key(self, call: Call) -> str | None:
        return call.key("Bearer", "Token")

    def read_submission(self, call: Call) -> Submission:
        submission = Submission()
        try:
            wanted = call.json()
        except BadBody:
            submission.rejection = self.invalid("The request body is not a JSON object.")
            return submission
        for name in ("webhook", "webhook_completed"):
            if isinstance(value := wanted.get(name), str) and value:
                submission.webhook = value
        submission.events = frozenset(["completed"]) if wanted.get("webhook_completed") else DEFAULT_EVENTS
        kind = call.parts[1]
        if kind == "predictions":
            version = wanted.get("version")
            if not isinstance(version, str) or not VERSION.fullmatch(version):
                submission.rejection = problem(
                    422,
                    "Invalid version or not permitted",
                    "The specified version does not exist (or perhaps you don't have permission to use it?)",
                )
                return submission
            owner, _, version_id = version.partition(":")
            submission.model = owner if "/" in owner else "simulator/model"
            submission.vendor_facts["version"] = version_id or (version if "/" not in version else "hidden")
        else:
            submission.model = "/".join(call.parts[2:4])
            submission.vendor_facts["version"] = "hidden"
            if kind == "deployments":
                submission.vendor_facts["deployment"] = submission.model
        submission.rejection = self._read_inputs(submission, wanted)
        submission.hold_seconds = hold_seconds(call.headers.get("prefer", ""))
        submission.vendor_facts["cancel_after"] = seconds_in(call.headers.get("cancel-after", ""))
        return submission

    def _read_inputs(self, submission: Submission, wanted: dict[str, Any]) -> SimulatedResponse | None:
        """Parse input and filter into the submission; return the error when they are invalid."""
        overrides = wanted.get("input")
        if not isinstance(overrides, dict):
            return self.invalid("- input: input is required\n", field="input")
        submission.input = overrides
        events = wanted.get("webhook_events_filter")
        if events is not None:
            if not isinstance(events, list) or not EVENTS.issuperset(map(str, events)):
                return self.invalid("- webhook_events_filter: unknown event\n", field="webhook_events_filter")
            submission.events = frozenset(events)
        if submission.webhook and not submission.webhook.startswith(("https://", "http://")):
            return self.invalid("- webhook: must be a valid HTTPS URL\n", field="webhook")
        return None

    def new_id(self) -> str:
        # One call for all letters. Some letters are slightly likelier, which does not matter here.
        return "".join(ID_LETTERS[byte % len(ID_LETTERS)] for byte in secrets.token_bytes(ID_LENGTH))

    def created_response(self, prediction: Prediction) -> SimulatedResponse:
        self.cancel_later(prediction)
        return json_response(self.view(prediction), 201)

    def held_response(self, prediction: Prediction) -> SimulatedResponse:
        return json_response(self.view(prediction), 201 if prediction.is_final else 202)

    def cancel_later(self, prediction: Prediction) -> None:
        """Stop a prediction after its `Cancel-After`; one that has not started by then is aborted."""
        seconds = prediction.vendor_facts.get("cancel_after")
        if seconds:
            fleet = self.fleet

            def stop() -> None:
                has_started = prediction.started_at is not None
                fleet.end(prediction, State.CANCELED if has_started else State.ABORTED)

            self.context.webhooks.later(seconds, stop)

    def view(self, prediction: Prediction) -> dict[str, Any]:
        """Return the JSON of a prediction, the same in every response and webhook."""
        expired = prediction.is_final and self.has_expired(prediction)
        own = f"{prediction.base}/v1/predictions/{prediction.id}"
        metrics: dict[str, float] = {}
        if prediction.finished_at is not None:
            total = prediction.finished_at - prediction.created_at
            metrics = {"predict_time": round(prediction.predict_seconds, 6), "total_time": round(total, 6)}
        error = None
        if prediction.state == State.FAILED:
            error = FAILURES.get(prediction.outcome.name, FAILURES["fail"])
            if prediction.outcome.name == "fail" and prediction.outcome["message"]:
                error = prediction.outcome["message"]
        view = {
            "id": prediction.id,
            "model": prediction.model,
            "version": prediction.vendor_facts["version"],
            "input": {} if expired else prediction.input,
            "output": None if expired else self.film_url(prediction),
            "logs": "" if expired else logs(prediction),
            "error": error,
            "status": STATUSES[prediction.state],
            "created_at": format_time(prediction.created_at),
            "started_at": format_time(prediction.started_at),
            "completed_at": format_time(prediction.finished_at),
            "metrics": metrics,
            "data_removed": expired,
            "source": "api",
            "urls": {
                "get": own,
                "cancel": f"{own}/cancel",
                "stream": f"{prediction.base}/stream/{prediction.id}",
                "web": f"{prediction.base}/p/{prediction.id}",
            },
        }
        if "deployment" in prediction.vendor_facts:
            view["deployment"] = prediction.vendor_facts["deployment"]
        return view

    def show(self, call: Call) -> SimulatedResponse:
        prediction = self.find(call.parts[2])
        return json_response(self.view(prediction)) if prediction else self.error(404)

    def cancel(self, call: Call) -> SimulatedResponse:
        prediction = self.find(call.parts[2])
        if prediction is None:
            return self.error(404)
        self.fleet.cancel(prediction)
        return json_response(self.view(prediction))

    def show_page(self, call: Call) -> SimulatedResponse:
        """Return a page of predictions, newest first. A cursor holds the number of the previous page's last one."""
        try:
            after, before = (parse_time(call.query.get(name)) for name in ("created_after", "created_before"))
            cursor = plain_json.loads(base64.urlsafe_b64decode(call.query["cursor"])) if "cursor" in call.query else {}
            below, above = cursor.get("below"), cursor.get("above")
        except (ValueError, AttributeError):
            return self.invalid("Invalid cursor")
        found = [
            one
            for one in self.fleet.predictions.values()
            if (after is None or one.created_at >= after) and (before is None or one.created_at < before)
        ]
        if call.query.get("source") == "web":
            found = []
        found.sort(key=lambda one: -one.number)
        if above is not None:
            shown = [one for one in found if one.number > above][-PAGE:]
        else:
            shown = [one for one in found if below is None or one.number < below][:PAGE]
        first, last = (shown[0].number, shown[-1].number) if shown else (0, 0)
        has_newer = any(one.number > first for one in found)
        has_older = any(one.number < last for one in found)
        return json_response(
            {
                "previous": self._page_url(call, {"above": first}) if shown and has_newer else None,
                "next": self._page_url(call, {"below": last}) if shown and has_older else None,
                "results": [self.view(one) for one in shown],
            }
        )

    @staticmethod
    def _page_url(call: Call, cursor: dict[str, int]) -> str:
        text = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()
        return f"{call.base}/v1/predictions?cursor={text}"

    # --- Webhooks -----------------------------------------------------------------------------------

    def on_start(self, prediction: Prediction) -> None:
        super().on_start(prediction)
        if prediction.webhook and "start" in prediction.events:
            self.send_webhook(prediction, "start")
        if prediction.webhook and "logs" in prediction.events and prediction.run_seconds:
            self.context.webhooks.later(prediction.run_seconds / 2, lambda: self._send_logs_webhook(prediction))

    def _send_logs_webhook(self, prediction: Prediction) -> None:
        if not prediction.is_final:
            self.send_webhook(prediction, "logs")

    def events_of(self, prediction: Prediction) -> tuple[str, ...]:
        wanted = ("output", "completed") if self.film_url(prediction) else ("completed",)
        return tuple(event for event in wanted if event in prediction.events)

    def webhook_body(self, prediction: Prediction, event: str) -> dict[str, Any]:
        view = self.view(prediction)
        if event == "output" and prediction.is_final:
            # Replicate sends it when the film exists and the prediction has not ended yet.
            view |= {"status": "processing", "completed_at": None, "metrics": {}}
        return view

    def event_id(self, prediction: Prediction, event: str) -> str:
        return f"msg_{secrets.token_hex(14)[:27]}"

    # --- Photos -------------------------------------------------------------------------------------

    def upload(self, call: Call) -> SimulatedResponse:
        form = read_form(call)
        file = form.get("content")
        if file is None:
            return self.invalid("Missing content", field="content")
        token = self.new_id()
        try:
            metadata = plain_json.loads(form["metadata"].content) if "metadata" in form else {}
        except ValueError:
            return self.invalid("Invalid metadata", field="metadata")
        self.keep_upload(token, file)
        self.upload_records[token] = (metadata, time.time())
        return json_response(self.file_view(call.base, token), 201)

    def file_view(self, base: str, token: str) -> dict[str, Any]:
        file = self.uploads[token]
        digest = hashlib.sha256(file.content).hexdigest()
        metadata, created_at = self.upload_records[token]
        return {
            "id": token,
            "name": file.name,
            "content_type": file.content_type,
            "size": len(file.content),
            "etag": digest[:32],
            "checksums": {"sha256": digest, "md5": hashlib.md5(file.content, usedforsecurity=False).hexdigest()},
            "metadata": metadata,
            "created_at": format_time(created_at),
            "expires_at": format_time(created_at + FILE_SECONDS),
            "urls": {"get": f"{base}/v1/files/{token}"},
        }

    def show_files(self, call: Call) -> SimulatedResponse:
        results = [self.file_view(call.base, token) for token in reversed(self.uploads)]
        return json_response({"previous": None, "next": None, "results": results})

    def show_file(self, call: Call) -> SimulatedResponse:
        token = call.parts[2]
        return json_response(self.file_view(call.base, token)) if token in self.uploads else self.error(404)

    def download_file(self, call: Call) -> SimulatedResponse:
        """Return a file. The vendor signs this URL; the simulator does not check it."""
        file = self.uploads.get(call.parts[2])
        return SimulatedResponse(200, file.content, file.content_type) if file else self.error(404)

    def delete_file(self, call: Call) -> SimulatedResponse:
        if self.uploads.pop(call.parts[2], None) is None:
            return self.error(404)
        return SimulatedResponse(204)

    # --- Errors -------------------------------------------------------------------------------------

    def invalid(self, detail: str, *, field: str = "") -> SimulatedResponse:
        response = problem(422, "Input validation failed", detail)
        if field:
            body = {"invalid_fields": [{"type": "invalid", "field": field, "description": detail.strip("- \n")}]}
            response = json_response({**json.loads(response.body), **body}, 422)
        return response

    def error(self, status: int, message: str = "") -> SimulatedResponse:
        title, detail = TITLES.get(status, ("Error", f"The request ended with {status}."))
        return problem(status, title, message or detail)

    def busy(self, seconds: float, *, in_body: bool) -> SimulatedResponse:
        later = f" Your rate limit resets in ~{whole_seconds(seconds)}s." if in_body else ""
        return json_response({"detail": f"Request was throttled.{later}"}, 429)

    def account_error(self, trouble: str) -> SimulatedResponse:
        match trouble:
            case "no_credit":
                return problem(402, "Insufficient credit", "You have insufficient credit to run this model.")
            case "forbidden":
                return problem(403, "Forbidden", "You do not have permission to perform this action.")
        return problem(401, "Unauthenticated", "You did not pass an authentication token")


def problem(status: int, title: str, detail: str) -> SimulatedResponse:
    return json_response({"title": title, "detail": detail, "status": status}, status)


def logs(prediction: Prediction) -> str:
    """Return the logs of a model that prints tqdm progress bars."""
    if prediction.started_at is None:
        return ""
    done = int(prediction.progress * STEPS)
    seconds = prediction.run_seconds or 0.0
    lines = [f"Using seed: {prediction.number}"]
    for step in sorted({0, done // 2, done}):
        share, spent = step / STEPS, seconds * step / STEPS
        bar = "█" * int(share * 10) + " " * (10 - int(share * 10))
        lines.append(f"{round(share * 100):3d}%|{bar}| {step}/{STEPS} [{clock(spent)}<{clock(seconds - spent)}]")
    return "\n".join(lines) + "\n"


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"


def hold_seconds(prefer: str) -> float:
    """Return the seconds for which `Prefer: wait` or `wait=N` holds the connection, 0 for none."""
    match = re.search(r"\bwait(?:=(\d+))?", prefer)
    if not match:
        return 0.0
    return float(min(60, max(1, int(match[1])))) if match[1] else 60.0


def seconds_in(duration: str) -> float:
    """Return the seconds of a duration such as `5m` or `1h30m`, at least 5; 0 when there is none."""
    units = {"h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"(\d+)([hms])", duration)
    return max(5.0, float(sum(int(count) * units[unit] for count, unit in parts))) if parts else 0.0
