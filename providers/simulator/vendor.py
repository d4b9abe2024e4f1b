"""The base class of the three vendors. Each subclass implements its vendor's wire format in a file of its own."""

from __future__ import annotations

import math
import random
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from . import photos
from .behaviour import merged, read_behaviour
from .calls import Call, Route
from .context import Context
from .faults import Fault, FaultSelector, read_fault
from .film import sign_film
from .ledger import Entry, shortened
from .predictions import Fleet, Prediction, State
from .responses import SimulatedResponse, retry_after_headers
from .uploads import Upload, safe_name

MAX_UPLOADED_BYTES = 256 * 2**20  # in memory, of one provider; the oldest uploads are dropped first


@dataclass(slots=True)
class Submission:
    """A parsed request for a prediction. `rejection` is the response when no prediction can be made of it."""

    model: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    webhook: str = ""
    events: frozenset[str] = frozenset()
    hold_seconds: float = 0.0  # how long the caller wants to wait for the end
    vendor_facts: dict[str, Any] = field(default_factory=dict)
    rejection: SimulatedResponse | None = None


class Vendor(ABC):
    """One simulated provider: its behaviour, its predictions and its wire format."""

    name: ClassVar[str]
    final_event: ClassVar[str] = "completed"
    sends_several_events: ClassVar[bool] = False
    redirects_are_final: ClassVar[bool] = False  # whether a webhook that is redirected is not tried again
    photo_inputs: ClassVar[tuple[str, ...]] = ("image",)
    # Paths below the provider's mount that serve films and uploads: …/{id or token}/{name}.
    film_mount: ClassVar[tuple[str, ...]] = ("cdn",)
    upload_mount: ClassVar[tuple[str, ...]] = ("media",)

    def __init__(self, context: Context, secret: str) -> None:
        self.context = context
        self.secret = self.old_secret = secret
        self.overrides: dict[str, Any] = {}  # the behaviour set by the scenario and the control API, without defaults
        self.behaviour = read_behaviour(self.name, {})
        self.reset()

    fleet: Fleet

    def reset(self) -> None:
        """Forget every prediction, upload and scripted fault; the behaviour and the secret stay."""
        if hasattr(self, "fleet"):
            self.fleet.close()
        self.faults = FaultSelector()
        self._random_by_purpose: dict[str, random.Random] = {}
        self.fleet = Fleet(self.behaviour, random_for=self.random_for, on_start=self.on_start, on_end=self.on_end)
        self.created: deque[float] = deque()  # when the predictions of the last window were made
        self.number = 0
        self.uploads: OrderedDict[str, Upload] = OrderedDict()
        self.upload_records: dict[str, Any] = {}  # by token: what the vendor knows of announced uploads
        self.uploaded_bytes = 0

    def set_behaviour(self, overrides: Mapping[str, Any], *, replace: bool) -> None:
        """Replace or extend the overrides. Raise BadScenario, and change nothing, when they cannot be used."""
        wanted = dict(overrides) if replace else merged(self.overrides, overrides)
        self.behaviour = read_behaviour(self.name, wanted)
        self.overrides = wanted
        self.fleet.behaviour = self.behaviour
        self.fleet.fill()

    def random_for(self, purpose: str) -> random.Random:
        """Return the random generator of one purpose; each has its own, so that none changes the others' numbers."""
        found = self._random_by_purpose.get(purpose)
        if found is None:
            found = self._random_by_purpose[purpose] = self.context.random_for(self.name, purpose)
        return found

    def rotate_secret(self, secret: str) -> None:
        """Sign with another secret from now on."""
        self.old_secret, self.secret = self.secret, secret

    def choose_fault(self, stage: str) -> Fault | None:
        rng = self.random_for(stage)
        return self.faults.choose(stage, self.behaviour.faults, rng=rng, age=self.context.age)

    # --- The wire format ----------------------------------------------------------------------------

    @abstractmethod
    def route(self, call: Call) -> Route | None:
        """Return the route of a call to the vendor's API, or None when there is no such path."""

    @abstractmethod
    def read_submission(self, call: Call) -> Submission:
        """Parse a request for a prediction; what is wrong with it becomes its `rejection`."""

    @abstractmethod
    def new_id(self) -> str: ...

    @abstractmethod
    def created_response(self, prediction: Prediction) -> SimulatedResponse:
        """Return the response to a submit."""

    @abstractmethod
    def held_response(self, prediction: Prediction) -> SimulatedResponse:
        """Return the response to a submit whose caller waited; the prediction may have ended or not."""

    @abstractmethod
    def error(self, status: int, message: str = "") -> SimulatedResponse: ...

    @abstractmethod
    def busy(self, seconds: float, *, in_body: bool) -> SimulatedResponse:
        """Return the 429, with or without the wait in its text."""

    @abstractmethod
    def account_error(self, trouble: str) -> SimulatedResponse: ...

    @abstractmethod
    def key(self, call: Call) -> str | None: ...

    @abstractmethod
    def webhook_body(self, prediction: Prediction, event: str) -> dict[str, Any]: ...

    @abstractmethod
    def event_id(self, prediction: Prediction, event: str) -> str: ...

    def find_route(self, call: Call) -> Route | None:
        """Return the route of a call: a film, an upload or the vendor's API. None when there is no such path."""
        if call.method in ("GET", "HEAD"):
            if is_mounted(call.parts, self.film_mount):
                return Route("film", needs_key=False)
            if is_mounted(call.parts, self.upload_mount):
                return Route("upload", self.send_upload, needs_key=False)
        return self.route(call)

    def send_upload(self, call: Call) -> SimulatedResponse:
        upload = self.uploads.get(call.parts[-2])
        return SimulatedResponse(200, upload.content, upload.content_type) if upload else self.error(404)

    def stored(self, url: str) -> Upload | None:
        """Return the upload that a URL belongs to, or None."""
        return next((self.uploads[part] for part in url.split("/") if part in self.uploads), None)

    def upload_url(self, base: str, token: str, name: str) -> str:
        return f"{base}/{'/'.join(self.upload_mount)}/{token}/{safe_name(name)}"

    def busy_response(self, form: str, seconds: float, value: str = "") -> SimulatedResponse:
        """Return a 429 that gives the wait in one of `faults.RETRY_AFTER_FORMS`."""
        response = self.busy(seconds, in_body=form == "body")
        response.headers |= retry_after_headers(form, seconds, value)
        return response

    def check_account(self, call: Call, stage: str) -> SimulatedResponse | None:
        """Return the error of a call whose key or account is not accepted, or None."""
        behaviour, key = self.behaviour, self.key(call)
        if key is None or (behaviour.keys is not None and key not in behaviour.keys):
            return self.account_error("unauthorized")
        return self.account_error(behaviour.trouble) if behaviour.trouble else None

    # --- Predictions --------------------------------------------------------------------------------

    def check_limits(self) -> SimulatedResponse | None:
        """Return the 429 when one more prediction would exceed a limit now, or None."""
        behaviour, now = self.behaviour, time.monotonic()
        while self.created and now - self.created[0] >= behaviour.window:
            self.created.popleft()
        wait = 0.0
        if behaviour.per_minute is not None and len(self.created) >= behaviour.per_minute:
            wait = max(0.001, self.created[-behaviour.per_minute] + behaviour.window - now)
        elif self.fleet.is_full():
            wait = 1.0
        return self.busy_response(behaviour.retry_after, wait) if wait else None

    def admit(self, submission: Submission, call: Call, entry: Entry) -> Prediction:
        """Make the prediction of a submission and charge for it."""
        self.created.append(time.monotonic())
        self.number += 1
        prediction = Prediction(
            id=self.new_id(),
            number=self.number,
            model=submission.model,
            input=shortened(submission.input),
            base=call.base,
            webhook=submission.webhook,
            events=submission.events,
            reference=entry.reference,
            vendor_facts=submission.vendor_facts,
        )
        if self.behaviour.fetch_photo:
            photo = next((submission.input[name] for name in self.photo_inputs if name in submission.input), "")
            prediction.photo = photo if isinstance(photo, str) else ""
        self.fleet.admit(prediction, self.choose_fault("outcome"))
        self.context.ledger.charge(entry, prediction.id, self.behaviour.price)
        return prediction

    def find(self, prediction_id: str) -> Prediction | None:
        return self.fleet.predictions.get(prediction_id)

    def find_by_name(self, name: str) -> Prediction | None:
        """Return a prediction by its id or by its caller's reference."""
        found = self.find(name)
        if found is None:
            found = next((one for one in self.fleet.predictions.values() if one.reference == name), None)
        return found

    def film_url(self, prediction: Prediction) -> str | None:
        """Return the URL that a finished prediction gives for its film, or None."""
        if prediction.state != State.SUCCEEDED or prediction.outcome.name == "no_output":
            return None
        if prediction.outcome.name == "output_url":
            return str(prediction.outcome["url"])
        return f"{prediction.base}/{'/'.join(self.film_mount)}/{prediction.id}/output.mp4"

    def film(self, prediction: Prediction) -> bytes:
        """Return the film of a prediction; each prediction's is different."""
        name = f"{self.name}:{prediction.id}"
        return sign_film(self.context.film, name, at_least=self.behaviour.film_bytes)

    def has_expired(self, prediction: Prediction) -> bool:
        """Tell whether the vendor has removed the prediction's film."""
        expire_after = self.behaviour.expire_after
        if prediction.is_deleted:
            return True
        if expire_after is None or prediction.finished_at is None:
            return False
        return time.time() - prediction.finished_at >= expire_after

    def keep_upload(self, token: str, upload: Upload) -> None:
        self.context.ledger.uploads[self.name] += 1
        self.context.ledger.uploaded_bytes[self.name] += len(upload.content)
        self.uploads[token] = upload
        self.uploaded_bytes += len(upload.content)
        while self.uploaded_bytes > MAX_UPLOADED_BYTES and len(self.uploads) > 1:
            _token, oldest = self.uploads.popitem(last=False)
            self.uploaded_bytes -= len(oldest.content)

    def events_of(self, prediction: Prediction) -> tuple[str, ...]:
        """Return the webhook events of a prediction's end, in order."""
        return (self.final_event,)

    def on_start(self, prediction: Prediction) -> None:
        """Called by the fleet when a prediction begins to run."""
        if prediction.photo is not None:
            self.context.webhooks.start_task(self._load_photo(prediction, prediction.photo))
            prediction.photo = None

    async def _load_photo(self, prediction: Prediction, url: str) -> None:
        """Load the photo of a prediction, as the vendor would; without one the prediction fails."""
        upload = self.stored(url)
        if upload is not None:
            status, content = 200, upload.content
        else:
            status, content = await photos.load(self.context.webhooks.outgoing, url)
        entry = self.context.ledger.by_prediction.get(prediction.id)
        if entry is not None:
            entry.photo = photos.facts(status, content)
        if status != 200 or not content:
            prediction.outcome = read_fault("outcome", "bad_photo")
            self.fleet.end(prediction, State.FAILED)

    def on_end(self, prediction: Prediction) -> None:
        """Called by the fleet when a prediction has ended."""
        refund = self.behaviour.refunds and prediction.state != State.SUCCEEDED
        self.context.ledger.record_end(prediction.id, prediction.state.value, refund=refund)
        if prediction.webhook:
            self.send_final_webhooks(prediction)

    def send_final_webhooks(self, prediction: Prediction) -> None:
        """Send the webhooks of a prediction's end."""
        for event in self.events_of(prediction):
            self.send_webhook(prediction, event)

    def send_webhook(self, prediction: Prediction, event: str) -> None:
        prediction.last_webhook = self.context.webhooks.send(self, prediction, event)


def is_mounted(parts: list[str], mount: tuple[str, ...]) -> bool:
    """Tell whether a path is that of a file below a mount."""
    return len(parts) == len(mount) + 2 and tuple(parts[:-2]) == mount


def whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))
