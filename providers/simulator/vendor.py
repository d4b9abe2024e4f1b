"""What the three vendors have in common. Each has a file of its own that knows its wire format and nothing else."""

from __future__ import annotations

import math
import random
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from .behaviour import merged, read_behaviour
from .calls import Answer, Call, Route
from .faults import Fault, FaultDesk
from .ledger import Entry, shortened
from .predictions import Fleet, Prediction, State
from .uploads import Upload, safe_name

if TYPE_CHECKING:
    from .simulator import Simulator

MAX_UPLOADED_BYTES = 256 * 2**20  # in memory, of one provider; the oldest go first


@dataclass(slots=True)
class Order:
    """A creation as it was asked for. `refusal` is the answer when it cannot be made."""

    model: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    webhook: str = ""
    events: frozenset[str] = frozenset()
    hold_seconds: float = 0.0  # how long the caller wants to wait for the end
    vendor_facts: dict[str, Any] = field(default_factory=dict)
    refusal: Answer | None = None


class Vendor(ABC):
    """One simulated provider: its behaviour, its predictions, its words."""

    name: ClassVar[str]
    final_event: ClassVar[str] = "completed"
    sends_several_events: ClassVar[bool] = False
    redirects_are_final: ClassVar[bool] = False  # whether a webhook answered with a redirect is given up
    photo_inputs: ClassVar[tuple[str, ...]] = ("image",)
    # Where films and uploads are handed out, below the provider's mount: …/{id or token}/{name}.
    film_mount: ClassVar[tuple[str, ...]] = ("cdn",)
    upload_mount: ClassVar[tuple[str, ...]] = ("media",)

    def __init__(self, simulator: Simulator, secret: str) -> None:
        self.simulator = simulator
        self.secret = self.old_secret = secret
        self.given: dict[str, Any] = {}  # what the scenario and the control API said
        self.behaviour = read_behaviour(self.name, {})
        self.reset()

    def reset(self) -> None:
        """Forget every prediction, upload and scripted fault; the behaviour and the secret stay."""
        if hasattr(self, "fleet"):
            self.fleet.close()
        self.faults = FaultDesk()
        self._dice: dict[str, random.Random] = {}
        self.fleet = Fleet(self.behaviour, dice=self.dice, on_start=self.on_start, on_end=self.on_end)
        self.created: deque[float] = deque()  # when the creations of the last window came
        self.number = 0
        self.uploads: OrderedDict[str, Upload] = OrderedDict()
        self.tickets: dict[str, Any] = {}  # uploads that were announced
        self.uploaded_bytes = 0

    def behave(self, given: Mapping[str, Any], *, replace: bool) -> None:
        """Behave like this from now on. Raise BadScenario, and change nothing, when it cannot be read."""
        wanted = dict(given) if replace else merged(self.given, given)
        self.behaviour = read_behaviour(self.name, wanted)
        self.given = wanted
        self.fleet.behaviour = self.behaviour
        self.fleet.fill()

    def dice(self, purpose: str) -> random.Random:
        """Return the chance of one purpose: one stream each, so that none depends on how often others are asked."""
        dice = self._dice.get(purpose)
        if dice is None:
            dice = self._dice[purpose] = random.Random(f"{self.simulator.seed}/{self.name}/{purpose}")  # noqa: S311
        return dice

    def rotate_secret(self, secret: str) -> None:
        """Sign with another secret from now on."""
        self.old_secret, self.secret = self.secret, secret

    def choose_fault(self, stage: str) -> Fault | None:
        age = time.monotonic() - self.simulator.reset_at
        return self.faults.choose(stage, self.behaviour.faults, dice=self.dice(stage), age=age)

    # --- the vendor's own words ---

    @abstractmethod
    def route(self, call: Call) -> Route | None:
        """Return what a call to the vendor's API wants, or None when there is no such address."""

    @abstractmethod
    def read_order(self, call: Call) -> Order:
        """Return what a creation asks for; what is wrong with it is in its `refusal`."""

    @abstractmethod
    def new_id(self) -> str: ...

    @abstractmethod
    def created_answer(self, prediction: Prediction) -> Answer:
        """Return the answer to a creation."""

    @abstractmethod
    def held_answer(self, prediction: Prediction) -> Answer:
        """Return the answer to a creation whose caller wanted to wait; it may have ended or not."""

    @abstractmethod
    def error(self, status: int, message: str = "") -> Answer: ...

    @abstractmethod
    def busy(self, seconds: float, *, in_body: bool) -> Answer:
        """Return the 429, with the wait in its text or not."""

    @abstractmethod
    def account_error(self, trouble: str) -> Answer: ...

    @abstractmethod
    def key(self, call: Call) -> str | None: ...

    @abstractmethod
    def webhook_body(self, prediction: Prediction, event: str) -> dict[str, Any]: ...

    @abstractmethod
    def event_id(self, prediction: Prediction, event: str) -> str: ...

    def find_route(self, call: Call) -> Route | None:
        """Return what a call wants, or None when there is no such address."""
        if call.method in ("GET", "HEAD"):
            if mounted(call.parts, self.film_mount):
                return Route("film", needs_key=False)
            if mounted(call.parts, self.upload_mount):
                return Route("upload", self.send_upload, needs_key=False)
        return self.route(call)

    def send_upload(self, call: Call) -> Answer:
        upload = self.uploads.get(call.parts[-2])
        return Answer(200, upload.content, upload.content_type) if upload else self.error(404)

    def stored(self, url: str) -> Upload | None:
        """Return what somebody uploaded here, by its address; None for every other address."""
        return next((self.uploads[part] for part in url.split("/") if part in self.uploads), None)

    def upload_url(self, base: str, token: str, name: str) -> str:
        return f"{base}/{'/'.join(self.upload_mount)}/{token}/{safe_name(name)}"

    def account_refusal(self, call: Call, stage: str) -> Answer | None:
        """Return the answer to a call whose key or account is not good, or None."""
        behaviour, key = self.behaviour, self.key(call)
        if key is None or (behaviour.keys is not None and key not in behaviour.keys):
            return self.account_error("unauthorized")
        return self.account_error(behaviour.trouble) if behaviour.trouble else None

    # --- what happens to predictions ---

    def limit_refusal(self) -> Answer | None:
        """Return the 429 when one more creation is too many now, or None."""
        behaviour, now = self.behaviour, time.monotonic()
        while self.created and now - self.created[0] >= behaviour.window:
            self.created.popleft()
        wait = 0.0
        if behaviour.per_minute is not None and len(self.created) >= behaviour.per_minute:
            wait = max(0.001, self.created[-behaviour.per_minute] + behaviour.window - now)
        elif self.fleet.is_full():
            wait = 1.0
        return self.simulator.busy_answer(self, behaviour.retry_after, wait) if wait else None

    def admit(self, order: Order, call: Call, entry: Entry) -> Prediction:
        """Make the prediction of an order and charge for it."""
        self.created.append(time.monotonic())
        self.number += 1
        prediction = Prediction(
            id=self.new_id(),
            number=self.number,
            model=order.model,
            input=shortened(order.input),
            base=call.base,
            webhook=order.webhook,
            events=order.events,
            reference=entry.reference,
            vendor_facts=order.vendor_facts,
        )
        if self.behaviour.fetch_photo:
            photo = next((order.input[name] for name in self.photo_inputs if name in order.input), "")
            prediction.photo = photo if isinstance(photo, str) else ""
        self.fleet.admit(prediction, self.choose_fault("outcome"))
        self.simulator.ledger.charge(entry, prediction.id, self.behaviour.price)
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
        """Return the address that a finished prediction gives for its film, or None."""
        if prediction.state != State.SUCCEEDED or prediction.fate.name == "no_output":
            return None
        if prediction.fate.name == "output_url":
            return str(prediction.fate["url"])
        return f"{prediction.base}/{'/'.join(self.film_mount)}/{prediction.id}/output.mp4"

    def has_expired(self, prediction: Prediction) -> bool:
        """Tell whether the vendor has thrown away what the prediction made."""
        expire_after = self.behaviour.expire_after
        if prediction.is_deleted:
            return True
        if expire_after is None or prediction.finished_at is None:
            return False
        return time.time() - prediction.finished_at >= expire_after

    def keep_upload(self, token: str, upload: Upload) -> None:
        self.simulator.ledger.uploads[self.name] += 1
        self.simulator.ledger.uploaded_bytes[self.name] += len(upload.content)
        self.uploads[token] = upload
        self.uploaded_bytes += len(upload.content)
        while self.uploaded_bytes > MAX_UPLOADED_BYTES and len(self.uploads) > 1:
            _token, oldest = self.uploads.popitem(last=False)
            self.uploaded_bytes -= len(oldest.content)

    def events_of(self, prediction: Prediction) -> tuple[str, ...]:
        """Return the events that a prediction's webhook is told when it ends, in order."""
        return (self.final_event,)

    def on_start(self, prediction: Prediction) -> None:
        """Hear that a prediction runs."""
        if prediction.photo is not None:
            self.simulator.load_photo(self, prediction, prediction.photo)
            prediction.photo = None

    def on_end(self, prediction: Prediction) -> None:
        """Hear that a prediction has ended."""
        refund = self.behaviour.refunds and prediction.state != State.SUCCEEDED
        self.simulator.ledger.note_end(prediction.id, prediction.state.value, refund=refund)
        if prediction.webhook:
            self.tell_end(prediction)

    def tell_end(self, prediction: Prediction) -> None:
        """Send what the vendor sends when a prediction has ended."""
        for event in self.events_of(prediction):
            self.tell(prediction, event)

    def tell(self, prediction: Prediction, event: str) -> None:
        prediction.told = self.simulator.messenger.send(self, prediction, event)


def mounted(parts: list[str], mount: tuple[str, ...]) -> bool:
    """Tell whether a path is a file's address below a mount."""
    return len(parts) == len(mount) + 2 and tuple(parts[:-2]) == mount


def whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))
