"""What stands at the public address: each fault of a gateway has its line, and without faults all is green."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import signing
from django.test import Client

from selfiehero.readiness import AMBER, GREEN, RED, Line, probe
from selfiehero.readiness import gateway as front
from tests.selfiehero.readiness.conftest import Gateway
from tests.support.served import Served

pytestmark = pytest.mark.django_db


EVERYTHING = {"Gateway timeouts", "Uploads", "Sockets", "Idle socket", "Webhook reachability", "Large webhooks"}


def at_the_gateway() -> dict[str, Line]:
    idle = partial(front.idle_socket, seconds=0.3)
    checks = (front.slow_answers, front.uploads, front.sockets, idle, front.webhooks, front.proxies)
    return {line.name: line for check in checks for line in check()}


def test_what_reaches_us_unchanged_is_green(gateway: Gateway) -> None:
    found = at_the_gateway()
    assert {name: line.level for name, line in found.items()} == {
        "Gateway timeouts": GREEN,
        "Uploads": GREEN,
        "Sockets": GREEN,
        "Idle socket": GREEN,
        "Webhook reachability": GREEN,
        "Large webhooks": GREEN,
        "Trusted proxies": GREEN,
    }
    assert all(line.measured for line in found.values())
    assert b"hero" in gateway.pongs, "a page answers pings, and so does what stands for it"


@pytest.mark.parametrize(
    ("fault", "wrong", "mend"),
    [
        ("redirect", EVERYTHING, "redirect"),
        ("log-in page", EVERYTHING, "log-in"),
        ("body limit", {"Uploads", "Large webhooks"}, "client_max_body_size"),
        ("re-encoding", {"Webhook reachability", "Large webhooks"}, "pass bodies on as they are"),
        ("impatience", {"Gateway timeouts"}, "proxy_read_timeout"),
        ("no upgrade", {"Sockets", "Idle socket"}, "proxy_http_version 1.1"),
        ("idle cut", {"Idle socket"}, "idle time-out above 60 s"),
        ("proxy", {"Trusted proxies"}, "TRUSTED_PROXIES=1"),
    ],
)
def test_each_fault_of_a_gateway_has_its_line_and_its_mend(
    gateway: Gateway, fault: str, wrong: set[str], mend: str
) -> None:
    gateway.faults = {fault}
    found = at_the_gateway()
    not_green = {name for name, line in found.items() if line.level != GREEN}
    assert not_green - {"Trusted proxies"} == wrong - {"Trusted proxies"}
    assert any(mend in line.mend for line in found.values())
    assert found["Trusted proxies"].level == (AMBER if fault == "proxy" else RED if len(wrong) > 4 else GREEN)


def test_a_proxy_that_is_trusted_and_does_not_come_is_red(gateway: Gateway, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    line = at_the_gateway()["Trusted proxies"]
    assert (line.level, line.mend) == (RED, "Set TRUSTED_PROXIES=0.")
    gateway.faults = {"proxy"}
    assert at_the_gateway()["Trusted proxies"].level == GREEN


def test_a_clock_that_is_off_is_amber(gateway: Gateway, monkeypatch: Any) -> None:
    late = SimpleNamespace(time=lambda: time.time() - 300, sleep=time.sleep)
    monkeypatch.setattr(probe, "time", late)
    line = at_the_gateway()["Webhook reachability"]
    assert (line.level, "300 s off" in line.words) == (AMBER, True)


def test_an_address_where_nobody_is_is_red(settings: Any) -> None:
    settings.CALLBACK_URL = settings.PUBLIC_URL = "http://127.0.0.1:9"
    assert {line.level for line in at_the_gateway().values()} == {RED}
    assert "cannot be reached" in at_the_gateway()["Sockets"].words


def test_the_probe_is_for_whoever_has_a_token(client: Client, monkeypatch: Any) -> None:
    path = probe.path_of()
    told = client.post(path, b"{}", content_type="application/json").json()
    assert (told["bytes"], told["sha256"]) == (2, hashlib.sha256(b"{}").hexdigest())
    assert client.get(path).status_code == 405
    assert client.post("/webhooks/readiness/forged/", b"{}", content_type="x/y").status_code == 401
    assert client.post(path, b"x" * (2**20 + 1), content_type="x/y").status_code == 413
    with probe._slow:
        assert client.post(probe.path_of(wait=0.1), b"", content_type="x/y").status_code == 429
    monkeypatch.setattr(signing.time, "time", lambda: time.monotonic() + 10**10)
    assert client.post(path, b"{}", content_type="x/y").status_code == 401


def test_a_socket_of_the_report_is_for_whoever_has_a_token() -> None:
    sent: list[dict[str, Any]] = []

    def ask(path: str) -> list[dict[str, Any]]:
        come = iter([{"type": "websocket.connect"}, {"type": "websocket.receive"}, {"type": "websocket.disconnect"}])

        async def receive() -> dict[str, Any]:
            return next(come)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        async def product(scope: dict[str, Any], receive: Any, send: Any) -> None:
            await send({"type": "the product's"})

        sent.clear()
        asyncio.run(probe.ProbedSockets(product)({"path": path}, receive, send))
        return list(sent)

    assert ask(probe.socket_path()) == [{"type": "websocket.accept"}]
    assert ask("/ws/readiness/forged/") == [{"type": "websocket.close"}]
    assert ask(probe.path_of().replace("/webhooks/", "/ws/")) == [{"type": "websocket.close"}]
    assert ask("/ws/jobs/x/") == [{"type": "the product's"}]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_all_of_it_is_green_through_the_shipped_server(tmp_path: Path, settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(front, "SLOW_ANSWER", 0.6)
    settings.SECRET_KEY = secrets.token_urlsafe(48)
    with Served(tmp_path, env={"SECRET_KEY": settings.SECRET_KEY}) as web:
        settings.CALLBACK_URL = settings.PUBLIC_URL = web.url
        found = at_the_gateway()
    assert {line.name: line for line in found.values() if line.level != GREEN} == {}
