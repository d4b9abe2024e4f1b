"""The simulator's HTTP server: from a call to its vendor, past the faults, to an answer.

    /wavespeed/api/v3/…   /replicate/v1/…   /fal/{owner}/{app}…   /control/…

What a path means is the vendor's to say. With `only` one vendor is at the root, as its official client expects when
nothing but the host can be set.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

from . import control
from .calls import Answer, Call, Route, json_answer
from .faults import Fault
from .ledger import Entry
from .predictions import Prediction
from .results import film_answer, gateway_page, is_plain, pause, spoil
from .simulator import Simulator
from .vendor import Order, Vendor
from .wire import Connection, Outcome, Request

# How long an answer waits for its own webhook when the webhook is to be first.
WEBHOOK_FIRST_SECONDS = 10.0


class Server:
    """Answers the calls of all connections."""

    def __init__(self, simulator: Simulator, *, only: str | None = None) -> None:
        self.simulator = simulator
        self.only = only
        self.connections: set[Connection] = set()

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> str:
        """Listen and return the address. Raise OSError when the port cannot be had."""
        loop = asyncio.get_running_loop()
        self.listener = await loop.create_server(
            lambda: Connection(self.handle, self.connections), host, port, ssl=tls, backlog=2048
        )
        number = self.listener.sockets[0].getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if tls else 'http'}://{shown}:{number}"

    async def stop(self) -> None:
        self.listener.close()
        tasks = [connection.task for connection in self.connections if connection.task is not None]
        for connection in list(self.connections):
            connection.hang_up()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.simulator.close()

    def handle(self, request: Request) -> Outcome:
        """Return the answer, or what will answer."""
        parts, origin = request.parts, request.origin
        if parts[:1] == ["control"]:
            return control.answer(self.simulator, Call(request, parts[1:], f"{origin}/control"))
        mount = self.only or (parts.pop(0) if parts else "")
        vendor = self.simulator.vendors.get(mount)
        if vendor is None:
            return json_answer({"error": "There is no such provider here."}, 404)
        call = Call(request, parts, origin if self.only else f"{origin}/{mount}")
        route = vendor.find_route(call)
        self.simulator.ledger.calls[vendor.name, route.stage if route else "unknown"] += 1
        if route is None:
            return vendor.error(404)
        if route.stage == "submit":
            return self.submit(vendor, call)
        fault = vendor.choose_fault(route.stage)
        seconds = 0.0
        if route.stage == "film":
            answer = film_answer(self.simulator, vendor, call, fault)
        else:
            does = fault is None or fault.takes_effect
            answer = self.worded(vendor, self.carry_out(vendor, call, route) if does else None, fault)
            seconds = vendor.behaviour.call.draw(vendor.dice("call"))
        if answer is not None and is_plain(fault, seconds):
            return answer
        return self.late(call, answer, fault, seconds)

    @staticmethod
    async def late(call: Call, answer: Answer | None, fault: Fault | None, seconds: float) -> Answer | None:
        await pause(seconds, fault)
        return await spoil(call.request.connection, answer, fault)

    def carry_out(self, vendor: Vendor, call: Call, route: Route) -> Answer:
        refusal = vendor.account_refusal(call, route.stage) if route.needs_key else None
        if refusal is not None:
            return refusal
        assert route.carry_out is not None
        return route.carry_out(call)

    async def submit(self, vendor: Vendor, call: Call) -> Answer | None:
        """Make a prediction, or do not, and let the caller know, or not."""
        ledger, fleet, connection = self.simulator.ledger, vendor.fleet, call.request.connection
        order = vendor.read_order(call)
        entry = ledger.open(vendor.name, webhook=order.webhook, model=order.model, body=order.input)
        fault = vendor.choose_fault("submit")
        entry.fault = fault.name if fault else ""
        answer: Answer | None = None
        prediction: Prediction | None = None
        if fault is None or fault.takes_effect:
            answer, prediction = self.make(vendor, call, order, entry)
        await pause(vendor.behaviour.answer.draw(vendor.dice("answer")), fault)
        if prediction is not None:
            fleet.begin(prediction)
            if fault is not None and fault.name == "webhook_first":
                fleet.finish(prediction)
                if prediction.told is not None:
                    await asyncio.wait([prediction.told], timeout=WEBHOOK_FIRST_SECONDS)
            elif order.hold_seconds and fault is None:
                await fleet.wait(prediction, order.hold_seconds)
                answer = vendor.held_answer(prediction)
        answer = self.worded(vendor, answer, fault)
        if answer is not None and connection.is_open:
            entry.status = answer.status
            if answer.status >= 400:
                ledger.refused[vendor.name, str(answer.status)] += 1
        return await spoil(connection, answer, fault)

    def make(self, vendor: Vendor, call: Call, order: Order, entry: Entry) -> tuple[Answer, Prediction | None]:
        """Refuse an order in the vendor's order of checks, or make its prediction."""
        refusal = vendor.account_refusal(call, "submit") or order.refusal or vendor.limit_refusal()
        if refusal is not None:
            return refusal, None
        prediction = vendor.admit(order, call, entry)
        return vendor.created_answer(prediction), prediction

    def worded(self, vendor: Vendor, answer: Answer | None, fault: Fault | None) -> Answer | None:
        """Return what is answered under this fault; None when nothing is."""
        if fault is None:
            return answer
        match fault.name:
            case "busy":
                return self.simulator.busy_answer(vendor, fault["retry_after"], fault["seconds"], fault["value"])
            case "status":
                return vendor.error(fault["status"])
            case "account":
                return vendor.account_error(fault["trouble"])
            case "html":
                return gateway_page(fault["status"])
            case "garbage" if answer is not None:
                return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.content_type, answer.headers)
            case "hang" | "lose_request" | "lose_answer":
                return None
        return answer


async def serve(
    make_simulator: Callable[[], Simulator],
    *,
    host: str,
    port: int,
    only: str | None,
    tls: ssl.SSLContext | None,
    say: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; `say` gets the address once. Raise OSError when the port cannot be had."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = Server(make_simulator(), only=only)
    # What was made so far stays for good, and a collection at every 700th object costs a tenth of the whole.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        say(await server.start(host, port, tls=tls))
        await stopping.wait()
    finally:
        await server.stop()


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what a server with this certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
