"""An address is an address, however a proxy or a client writes it: limits are not walked around by spelling."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from django.core.cache import cache
from django.db import connection

from jobs.client_address import client_network, network_of
from tests.support.served import Served


@pytest.mark.parametrize(
    ("written", "counted"),
    [
        ("203.0.113.8", "203.0.113.8"),
        ("203.0.113.8:50001", "203.0.113.8"),
        ("::ffff:203.0.113.8", "203.0.113.8"),
        ("::FFFF:CB00:7108", "203.0.113.8"),
        ("[::ffff:203.0.113.8]:50001", "203.0.113.8"),
        ("2001:db8:0:1::1", "2001:db8:0:1::"),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::"),
        ("2001:0DB8:0000:0001:0:0:0:7", "2001:db8:0:1::"),
        ("[2001:db8:0:1::1]", "2001:db8:0:1::"),
        ("[2001:db8:0:1::1]:443", "2001:db8:0:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("2001:db8:0:2::1", "2001:db8:0:2::"),
        ("203.0.113.8:", "203.0.113.8"),
        ('"203.0.113.8"', "203.0.113.8"),
        ('"[2001:db8:0:1::1]:443"', "2001:db8:0:1::"),
        ("::ffff:203.0.113.8:50001", "203.0.113.8"),
        ("64:ff9b::203.0.113.8", "203.0.113.8"),
        ("64:ff9b::cb00:7109", "203.0.113.9"),
        ("unknown", "0.0.0.0"),
        ("_hidden:1", "0.0.0.0"),
        ("203.000.113.8", "0.0.0.0"),
        ("[2001:db8::1", "2001:db8::"),
        ("", "0.0.0.0"),
    ],
)
def test_every_spelling_of_an_address_counts_as_one(written: str, counted: str) -> None:
    assert network_of(written) == counted


@pytest.mark.parametrize(
    ("proxies", "told", "counted"),
    [
        (0, "203.0.113.8:50001", "192.0.2.1"),
        (1, "203.0.113.8:50001", "203.0.113.8"),
        (1, "198.51.100.1, 203.0.113.8:50002", "203.0.113.8"),
        (2, "203.0.113.8:50001, 10.0.0.7:8080", "203.0.113.8"),
        (2, "203.0.113.8", "203.0.113.8"),
        (1, " , ", "192.0.2.1"),
        (1, "[2001:db8:0:1::9]:50001", "2001:db8:0:1::"),
    ],
)
def test_the_outermost_proxy_of_ours_says_who_it_was(proxies: int, told: str, counted: str, settings: Any) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = SimpleNamespace(META={"HTTP_X_FORWARDED_FOR": told, "REMOTE_ADDR": "192.0.2.1"})
    assert client_network(request) == counted


class WithPorts(BaseHTTPRequestHandler):
    """Passes a request on and tells whose it is with the port, as Azure's gateways and some CDNs do."""

    protocol_version = "HTTP/1.1"
    behind: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {
            "X-Forwarded-For": "{}:{}".format(*self.client_address),
            "Content-Type": self.headers["Content-Type"],
        }
        answer = requests.post(self.behind + self.path, data=body, headers=headers, timeout=20)
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def proxy(behind: str) -> Iterator[str]:
    handler = type("Handler", (WithPorts,), {"behind": behind})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_proxy_that_writes_ports_gives_nobody_a_limit_of_their_own_for_each_connection(tmp_path: Path) -> None:
    cache.clear()  # this machine's address has seen other tests
    env = {"TRUSTED_PROXIES": "1", "THROTTLE_UPLOADS_ADDRESS": "2/min"}
    with Served(tmp_path, database=str(connection.settings_dict["NAME"]), env=env) as web, proxy(web.url) as address:
        statuses = [
            requests.post(
                f"{address}/api/v1/jobs/",
                files={"consent": (None, "false")},
                timeout=20,
                headers={"Connection": "close"},
            ).status_code
            for _ in range(4)
        ]
    assert statuses == [422, 422, 429, 429]
