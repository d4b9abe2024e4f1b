"""The simulator's HTTP server: it routes each call to its vendor, applies faults and sends the response.

    /wavespeed/api/v3/…   /replicate/v1/…   /fal/{owner}/{app}…   /control/…

The vendor's `route` interprets the path. With `only` one vendor is served at the root, for official clients in which
only the host can be set.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

from . import control
from .calls import Call, Route
from .faults import Fault
from .ledger import Entry
from .predictions import Prediction
from .responses import SimulatedResponse, json_response
from .results import apply_connection_fault, film_response, gateway_page, is_plain, pause
from .simulator import Simulator
from .vendor import Submission, Vendor
from .wire import Connection, HandlerResult, Request

# With the fault `webhook_first`: how long the response to a submit waits for the webhook.
WEBHOOK_FIRST_SECONDS = 10.0


class Server:
    """Handles the calls of all connections."""

    def __init__(self, simulator: Simulator, *, only: str | None = None) -> None:
        self.simulator = simulator
        self.only = only
        self.connections: set[Connection] = set()

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> str:
        """Listen and return the URL. Raise OSError when the port is not available."""
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

    def handle(self, request: Request) -> HandlerResult:
        """Return the response, or the coroutine that responds."""
        parts, origin = request.parts, request.origin
        if parts[:1] == ["control"]:
            return control.respond(self.simulator, Call(request, parts[1:], f"{origin}/control"))
        mount = self.only or (parts.pop(0) if parts else "")
        vendor = self.simulator.vendors.get(mount)
        if vendor is None:
            return json_response({"error": "There is no such provider here."}, 404)
        call = Call(request, parts, origin if self.only else f"{origin}/{mount}")
        route = vendor.find_route(call)
        self.simulator.context.ledger.calls[vendor.name, route.stage if route else "unknown"] += 1
        if route is None:
            return vendor.error(404)
        if route.stage == "submit":
            return self.submit(vendor, call)
        fault = vendor.choose_fault(route.stage)
        seconds = 0.0
        if route.stage == "film":
            response: SimulatedResponse | None = film_response(vendor, call, fault)
        else:
            does = fault is None or fault.takes_effect
            response = self.with_fault(vendor, self.route_response(vendor, call, route) if does else None, fault)
            seconds = vendor.behaviour.call.draw(vendor.random_for("call"))
        if response is not None and is_plain(fault, seconds):
            return response
        return self.respond_late(call, response, fault, seconds)

    @staticmethod
    async def respond_late(
        call: Call, response: SimulatedResponse | None, fault: Fault | None, seconds: float
    ) -> SimulatedResponse | None:
        await pause(seconds, fault)
        return await apply_connection_fault(call.request.connection, response, fault)

    def route_response(self, vendor: Vendor, call: Call, route: Route) -> SimulatedResponse:
        rejection = vendor.check_account(call, route.stage) if route.needs_key else None
        if rejection is not None:
            return rejection
        assert route.respond is not None
        return route.respond(call)

    async def submit(self, vendor: Vendor, call: Call) -> SimulatedResponse | None:
        """Respond to a request for a prediction, and make the prediction unless a check or a fault prevents it."""
        ledger, fleet, connection = self.simulator.context.ledger, vendor.fleet, call.request.connection
        submission = vendor.read_submission(call)
        entry = ledger.record_submission(
            vendor.name, webhook=submission.webhook, model=submission.model, body=submission.input
        )
        fault = vendor.choose_fault("submit")
        entry.fault = fault.name if fault else ""
        response: SimulatedResponse | None = None
        prediction: Prediction | None = None
        if fault is None or fault.takes_effect:
            response, prediction = self.make(vendor, call, submission, entry)
        await pause(vendor.behaviour.answer.draw(vendor.random_for("answer")), fault)
        if prediction is not None:
            fleet.begin(prediction)
            if fault is not None and fault.name == "webhook_first":
                fleet.finish(prediction)
                if prediction.last_webhook is not None:
                    await asyncio.wait([prediction.last_webhook], timeout=WEBHOOK_FIRST_SECONDS)
            elif submission.hold_seconds and fault is None:
                await fleet.wait(prediction, submission.hold_seconds)
                response = vendor.held_response(prediction)
        response = self.with_fault(vendor, response, fault)
        if response is not None and connection.is_open:
            entry.status = response.status
            if response.status >= 400:
                ledger.refused[vendor.name, str(response.status)] += 1
        return await apply_connection_fault(connection, response, fault)

    def make(
        self, vendor: Vendor, call: Call, submission: Submission, entry: Entry
    ) -> tuple[SimulatedResponse, Prediction | None]:
        """Make the prediction of a submission, or return the first error: account, request, limits."""
        rejection = vendor.check_account(call, "submit") or submission.rejection or vendor.check_limits()
        if rejection is not None:
            return rejection, None
        prediction = vendor.admit(submission, call, entry)
        return vendor.created_response(prediction), prediction

    def with_fault(
        self, vendor: Vendor, response: SimulatedResponse | None, fault: Fault | None
    ) -> SimulatedResponse | None:
        """Return the response as the fault changes it; None when there is no response."""
        if fault is None:
            return response
        match fault.name:
            case "busy":
                return vendor.busy_response(fault["retry_after"], fault["seconds"], fault["value"])
            case "status":
                return vendor.error(fault["status"])
            case "account":
                return vendor.account_error(fault["trouble"])
            case "html":
                return gateway_page(fault["status"])
            case "garbage" if response is not None:
                return SimulatedResponse(
                    response.status, response.body[: len(response.body) // 2], response.content_type, response.headers
                )
            case "hang" | "lose_request" | "lose_answer":
                return None
        return response


async def serve(
    make_simulator: Callable[[], Simulator],
    *,
    host: str,
    port: int,
    only: str | None,
    tls: ssl.SSLContext | None,
    say: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; `say` gets the URL, once. Raise OSError when the port is not available."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = Server(make_simulator(), only=only)
    # Objects made so far live to the end. A collection at every 700th object would cost a tenth of the CPU.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        say(await server.start(host, port, tls=tls))
        await stopping.wait()
    finally:
        await server.stop()


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
