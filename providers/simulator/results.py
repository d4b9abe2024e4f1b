"""Film downloads with their faults, and responses that are late, slow, cut off or missing."""

from __future__ import annotations

import asyncio

from .calls import Call
from .faults import Fault
from .responses import SimulatedResponse
from .vendor import Vendor
from .wire import Connection

HTML = b"<!DOCTYPE html>\n<html><head><title>Login</title></head><body><h1>Please log in</h1></body></html>\n"
GATEWAY = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
GATEWAY_WORDS = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}
VIDEO = "video/mp4"
PIECE = 64 * 1024
CONNECTION_FAULTS = frozenset({"lose_answer", "lose_request", "hang", "drip", "slow", "truncated", "endless"})
OPEN_CHECK_SECONDS = 0.1  # how often a silent connection is checked for having been closed by the client


def gateway_page(status: int) -> SimulatedResponse:
    """Return the HTML page of a gateway whose upstream does not respond."""
    words = GATEWAY_WORDS.get(status, f"{status} Error")
    return SimulatedResponse(status, GATEWAY.format(words).encode(), "text/html")


def film_response(vendor: Vendor, call: Call, fault: Fault | None) -> SimulatedResponse:
    """Return the response to a download, before connection faults."""
    prediction = vendor.find(call.parts[-2])
    if prediction is None or vendor.film_url(prediction) is None or vendor.has_expired(prediction):
        return SimulatedResponse(404, b"Not Found", "text/plain")
    match fault.name if fault else "":
        case "expired":
            return SimulatedResponse(404, b"Not Found", "text/plain")
        case "html":
            return SimulatedResponse(200, HTML, "text/html; charset=utf-8")
        case "garbage":
            return SimulatedResponse(200, b"This is not a film. " * 500, VIDEO)
        case "empty":
            return SimulatedResponse(200, b"", VIDEO)
        case "redirect":
            assert fault is not None
            return SimulatedResponse(302, headers={"Location": fault["url"]})
        case "status":
            assert fault is not None
            return SimulatedResponse(fault["status"], b"The film cannot be sent now.", "text/plain")
    film, ledger = vendor.film(prediction), vendor.context.ledger
    ledger.downloads[vendor.name] += 1
    ledger.downloaded_bytes[vendor.name] += len(film)
    return SimulatedResponse(200, film, VIDEO)


def is_plain(fault: Fault | None, seconds: float) -> bool:
    """Tell whether a response can be sent at once and as a whole."""
    return seconds <= 0 and (fault is None or fault.name not in CONNECTION_FAULTS)


async def pause(seconds: float, fault: Fault | None) -> None:
    """Wait so many seconds, and longer for the fault `slow`."""
    if fault is not None and fault.name == "slow":
        seconds += fault["seconds"]
    if seconds > 0:
        await asyncio.sleep(seconds)


async def apply_connection_fault(
    connection: Connection, response: SimulatedResponse | None, fault: Fault | None
) -> SimulatedResponse | None:
    """Carry out a connection fault and return None; without one return the response, which is then sent as usual."""
    match fault.name if fault else "":
        case "lose_answer" | "lose_request":
            connection.hang_up()
        case "hang":
            assert fault is not None
            await stay_silent(connection, fault["seconds"])
            connection.hang_up()
        case "drip" if response is not None:
            assert fault is not None
            await drip(connection, response, fault["seconds"])
        case "truncated" if response is not None and response.status == 200:
            await connection.write(
                connection.head(response, len(response.body)) + response.body[: len(response.body) // 2]
            )
            connection.transport.close()
        case "endless" if response is not None and response.status == 200:
            assert fault is not None
            await never_end(connection, response, fault["bytes_per_second"])
        case _:
            return response
    return None


async def stay_silent(connection: Connection, seconds: float) -> None:
    """Send nothing for so many seconds, or until the client closes the connection."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while connection.is_open and loop.time() < until:
        await asyncio.sleep(min(OPEN_CHECK_SECONDS, max(0.0, until - loop.time())))


async def drip(connection: Connection, response: SimulatedResponse, seconds: float) -> None:
    """Send the head of a response at once and its body one byte at a time."""
    await connection.write(connection.head(response, len(response.body)))
    for position in range(len(response.body)):
        if not connection.is_open:
            return
        await connection.write(response.body[position : position + 1])
        await asyncio.sleep(seconds)


async def never_end(connection: Connection, response: SimulatedResponse, rate: int) -> None:
    """Send the film and then zeros, at this rate in bytes per second, until the client closes the connection."""
    await connection.write(connection.head(response, None) + chunk(response.body))
    while connection.is_open:
        await connection.write(chunk(bytes(PIECE)))
        await asyncio.sleep(PIECE / max(1, rate))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
