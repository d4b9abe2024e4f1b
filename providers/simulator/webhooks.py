"""Outgoing webhooks: signed and repeated as the vendor does it, and altered by scripted faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from . import signing
from .behaviour import Behaviour
from .faults import Fault
from .ledger import Ledger, WebhookTry
from .outgoing import NoResponse, Outgoing
from .predictions import Prediction
from .responses import dump

USER_AGENT = "selfie-hero-simulator/1"
TURN_SECONDS = 1.0  # the longest that an event waits for the first try of the one before it


class Source(Protocol):
    """The vendor that webhooks are sent for."""

    name: ClassVar[str]
    final_event: ClassVar[str]
    sends_several_events: ClassVar[bool]
    redirects_are_final: ClassVar[bool]
    secret: str
    behaviour: Behaviour

    def choose_fault(self, stage: str) -> Fault | None: ...
    def webhook_body(self, prediction: Prediction, event: str) -> dict[str, Any]: ...
    def event_id(self, prediction: Prediction, event: str) -> str: ...


@dataclass(slots=True)
class Delivery:
    """One event of one prediction, with the body it had when it happened."""

    vendor: Source
    prediction_id: str
    reference: str
    url: str
    event: str
    event_id: str
    is_final: bool
    body: bytes = field(repr=False)
    fault: Fault | None = None


class WebhookSender:
    """Sends the webhooks of all vendors, and runs their timers."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.tasks: set[asyncio.Task[None]] = set()
        self.held: dict[str, list[Delivery]] = {}  # by prediction or provider: events that wait for a newer one
        self.timers: set[asyncio.TimerHandle] = set()
        self.outgoing = Outgoing()

    def send(self, vendor: Source, prediction: Prediction, event: str) -> asyncio.Task[None] | None:
        """Send an event that has just happened. Return the task that sends it, or None when it is not sent now."""
        fault = vendor.choose_fault("webhook")
        delivery = Delivery(
            vendor=vendor,
            prediction_id=prediction.id,
            reference=prediction.reference,
            url=prediction.webhook,
            event=event,
            event_id=vendor.event_id(prediction, event),
            is_final=event == vendor.final_event,
            body=dump(vendor.webhook_body(prediction, event)),
            fault=fault,
        )
        if fault is not None:
            match fault.name:
                case "lost":
                    self.ledger.webhooks_not_sent[vendor.name, "lost"] += 1
                    return None
                case "late":
                    return self.start_task(self._later(delivery, float(fault["seconds"])))
                case "duplicated":
                    return self.start_task(self._at_once(delivery, fault["copies"]))
                case "forged":
                    return self.start_task(self._forged(delivery, fault))
                case "reordered":
                    return self._hold(delivery, float(fault["seconds"]))
        before = prediction.last_webhook if vendor.sends_several_events else None
        task = self.start_task(self._in_turn(delivery, before))
        self._release(delivery, after=task)
        return task

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` after so many seconds, unless `stop` comes before."""

        def run() -> None:
            self.timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self.timers.add(timer)

    def start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def deliver(self, delivery: Delivery) -> None:
        """Send an event until the receiver accepts it or the vendor gives up."""
        vendor = delivery.vendor
        behaviour = vendor.behaviour
        pauses = behaviour.webhook_retries if delivery.is_final else ()
        for pause in (*pauses, None):
            response = await self.post(delivery, *self._signed(delivery))
            if isinstance(response, int):
                if 200 <= response < 300:
                    return
                if 300 <= response < 400 and vendor.redirects_are_final:
                    break
            if pause is None:
                break
            await asyncio.sleep(pause)
        self.ledger.webhooks_not_sent[vendor.name, "given_up"] += 1

    def _signed(self, delivery: Delivery) -> tuple[Mapping[str, str], bytes]:
        vendor, timestamp = delivery.vendor, self._timestamp(delivery.vendor)
        headers = signing.sign(vendor.name, vendor.secret, delivery.event_id, timestamp, delivery.body)
        return headers, delivery.body

    @staticmethod
    def _timestamp(vendor: Source) -> int:
        return int(time.time() + vendor.behaviour.clock_skew)

    async def post(self, delivery: Delivery, headers: Mapping[str, str], body: bytes) -> int | str:
        """Send once; return the status, or one word that says why there is none."""
        vendor = delivery.vendor
        response: int | str
        try:
            reply = await self.outgoing.call(
                "POST",
                delivery.url,
                headers={"User-Agent": USER_AGENT, "Content-Type": "application/json", **headers},
                body=body,
                seconds=vendor.behaviour.webhook_timeout or None,
            )
            response = reply.status
        except NoResponse as error:
            response = str(error)
        self.ledger.record_webhook(
            WebhookTry(
                at=time.monotonic(),
                provider=vendor.name,
                prediction_id=delivery.prediction_id,
                reference=delivery.reference,
                event=delivery.event,
                event_id=delivery.event_id,
                fault=delivery.fault.name if delivery.fault else "",
                answer=response,
            )
        )
        return response

    async def _later(self, delivery: Delivery, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.deliver(delivery)

    async def _at_once(self, delivery: Delivery, copies: int) -> None:
        headers, body = self._signed(delivery)
        await asyncio.gather(*(self.post(delivery, headers, body) for _ in range(copies)))

    async def _forged(self, delivery: Delivery, fault: Fault) -> None:
        vendor = delivery.vendor
        headers, body = signing.forge(
            fault["how"], vendor.name, vendor.secret, delivery.event_id, self._timestamp(vendor), delivery.body
        )
        await self.post(delivery, headers, body)
        if fault["genuine"]:
            delivery.fault = None
            await self.deliver(delivery)

    # --- Out of order: an event waits until a newer one was sent ---------------------------------------

    def _hold(self, delivery: Delivery, seconds: float) -> asyncio.Task[None] | None:
        """Hold an event back until the next one was sent, or for so many seconds."""
        owner = self._owner(delivery)
        if self.held.get(owner):
            task = self.start_task(self.deliver(delivery))
            self._release(delivery, after=task)
            return task
        self.held.setdefault(owner, []).append(delivery)
        self.later(seconds, lambda: self._release(delivery))
        return None

    def _release(self, delivery: Delivery, after: asyncio.Task[None] | None = None) -> None:
        """Send the events of the same owner that were held back, after this task."""
        for waiting in self.held.pop(self._owner(delivery), ()):
            self.start_task(self._in_turn(waiting, after))

    async def _in_turn(self, delivery: Delivery, before: asyncio.Task[None] | None) -> None:
        """Send an event after the task of an earlier one, waiting TURN_SECONDS at most."""
        if before is not None:
            await asyncio.wait([before], timeout=TURN_SECONDS)
        await self.deliver(delivery)

    @staticmethod
    def _owner(delivery: Delivery) -> str:
        """Return the group in which events are reordered: the prediction's, or the vendor's if each has one event."""
        has_several = delivery.vendor.sends_several_events
        return delivery.prediction_id if has_several else delivery.vendor.name

    async def stop(self) -> None:
        """Stop all deliveries and timers."""
        self.held.clear()
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        await self.stop()
        self.outgoing.close()
