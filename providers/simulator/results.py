"""Films handed out, as they are or as a fault wants them, and answers that come late, slowly or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .calls import Answer, Call
from .faults import Fault

if TYPE_CHECKING:
    from .simulator import Simulator
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
SPOILED = frozenset({"lose_answer", "lose_request", "hang", "drip", "slow", "truncated", "endless"})
LOOK_EVERY = 0.1  # seconds between two looks whether a caller that gets nothing is still there


def gateway_page(status: int) -> Answer:
    """Return what a gateway says when what stands behind it does not answer."""
    words = GATEWAY_WORDS.get(status, f"{status} Error")
    return Answer(status, GATEWAY.format(words).encode(), "text/html")


def film_answer(simulator: Simulator, vendor: Vendor, call: Call, fault: Fault | None) -> Answer:
    """Return what a download gets, before faults of the connection."""
    prediction = vendor.find(call.parts[-2])
    if prediction is None or vendor.film_url(prediction) is None or vendor.has_expired(prediction):
        return Answer(404, b"Not Found", "text/plain")
    match fault.name if fault else "":
        case "expired":
            return Answer(404, b"Not Found", "text/plain")
        case "html":
            return Answer(200, HTML, "text/html; charset=utf-8")
        case "garbage":
            return Answer(200, b"This is not a film. " * 500, VIDEO)
        case "empty":
            return Answer(200, b"", VIDEO)
        case "redirect":
            assert fault is not None
            return Answer(302, headers={"Location": fault["url"]})
        case "status":
            assert fault is not None
            return Answer(fault["status"], b"The film cannot be sent now.", "text/plain")
    film = simulator.film_of(vendor, prediction)
    simulator.ledger.downloads[vendor.name] += 1
    simulator.ledger.downloaded_bytes[vendor.name] += len(film)
    return Answer(200, film, VIDEO)


def is_plain(fault: Fault | None, seconds: float) -> bool:
    """Tell whether an answer can be sent whole and at once."""
    return seconds <= 0 and (fault is None or fault.name not in SPOILED)


async def pause(seconds: float, fault: Fault | None) -> None:
    """Let the caller wait, longer when the fault says so."""
    if fault is not None and fault.name == "slow":
        seconds += fault["seconds"]
    if seconds > 0:
        await asyncio.sleep(seconds)


async def spoil(connection: Connection, answer: Answer | None, fault: Fault | None) -> Answer | None:
    """Do to the connection what the fault wants; return the answer if it is to be sent as any other."""
    match fault.name if fault else "":
        case "lose_answer" | "lose_request":
            connection.hang_up()
        case "hang":
            assert fault is not None
            await stay_silent(connection, fault["seconds"])
            connection.hang_up()
        case "drip" if answer is not None:
            assert fault is not None
            await drip(connection, answer, fault["seconds"])
        case "truncated" if answer is not None and answer.status == 200:
            await connection.write(connection.head(answer, len(answer.body)) + answer.body[: len(answer.body) // 2])
            connection.transport.close()
        case "endless" if answer is not None and answer.status == 200:
            assert fault is not None
            await never_end(connection, answer, fault["bytes_per_second"])
        case _:
            return answer
    return None


async def stay_silent(connection: Connection, seconds: float) -> None:
    """Say nothing for so long, or until the caller has gone."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while connection.is_open and loop.time() < until:
        await asyncio.sleep(min(LOOK_EVERY, max(0.0, until - loop.time())))


async def drip(connection: Connection, answer: Answer, seconds: float) -> None:
    """Send an answer one byte at a time, its head whole."""
    await connection.write(connection.head(answer, len(answer.body)))
    for place in range(len(answer.body)):
        if not connection.is_open:
            return
        await connection.write(answer.body[place : place + 1])
        await asyncio.sleep(seconds)


async def never_end(connection: Connection, answer: Answer, rate: int) -> None:
    """Send the film, and then zeros at this rate for as long as somebody listens."""
    await connection.write(connection.head(answer, None) + chunk(answer.body))
    while connection.is_open:
        await connection.write(chunk(bytes(PIECE)))
        await asyncio.sleep(PIECE / max(1, rate))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
