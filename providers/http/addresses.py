"""Connections to a host by name: all its addresses are checked, then one of these addresses is connected to.

DNS is asked once, so a name whose addresses change between check and connection (DNS rebinding) has no effect. The
system's resolver can take a minute and cannot be interrupted, so it runs on its own threads and callers stop waiting
at their deadline.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from providers.errors import Rejected

MOST_LOOKUPS = 16

# IANA's special-purpose registry (RFC 6890 and its successors), and cloud services at addresses that look public.
_NOT_PUBLIC_4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata at 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's wire server, the same in every region
        "169.254.0.0/16",  # link-local; metadata of AWS, Google, Azure and others
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo and ORCHID among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which embeds an IPv4 address; no films are served from it
        "3fff::/20",  # documentation
    )
]
# IPv6 addresses that stand for an IPv4 address: mapped ones, and those of a NAT64 (RFC 6052).
_EMBEDDED_4 = [IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")]

Endpoint = tuple[socket.AddressFamily, tuple[Any, ...]]


class NotPublic(Rejected):
    """The host has an address in a network that is not public. No connection was made."""


def is_public(address: str) -> bool:
    """Tell whether an IP address is a public one. False for text that is not an IP address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            return False
        if not any(ip in network for network in _EMBEDDED_4):
            return ip in _GLOBAL_UNICAST_6 and not any(ip in network for network in _NOT_PUBLIC_6)
        ip = IPv4Address(int(ip) & 0xFFFFFFFF)
    return not any(ip in network for network in _NOT_PUBLIC_4)


def is_this_machine(host: str) -> bool:
    """Tell whether a host, by name or address, is the machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def connect(
    host: str,
    port: int,
    *,
    each_seconds: float,
    deadline: float,
    public_only: bool,
    options: Sequence[tuple[Any, ...]] | None = None,
) -> socket.socket:
    """Return a connection to the first address of a host that accepts one.

    Raise NotPublic when `public_only` and any of its addresses is not, socket.gaierror when it has none, and
    OSError (TimeoutError among them) when none could be reached before the deadline.
    """
    endpoints = resolve(host, seconds=deadline - time.monotonic())
    if public_only and not all(is_public(endpoint[0]) for _, endpoint in endpoints):
        raise NotPublic(f"{host} has an address that is not public")
    failure: OSError = TimeoutError("timed out")
    for family, (address, _, *rest) in endpoints:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            return dial(family, (address, port, *rest), seconds=min(each_seconds, left), options=options)
        except OSError as error:
            failure = error
    raise failure


def dial(
    family: socket.AddressFamily,
    endpoint: tuple[Any, ...],
    *,
    seconds: float,
    options: Sequence[tuple[Any, ...]] | None = None,
) -> socket.socket:
    """Return a connection to one IP address, without DNS."""
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options or ():
            connection.setsockopt(*option)
        connection.settimeout(seconds)
        connection.connect(endpoint)
    except BaseException:
        connection.close()
        raise
    return connection


def resolve(host: str, *, seconds: float) -> list[Endpoint]:
    """Return all addresses of a host, in the system's order of preference; the ports in them are 0.

    Raise socket.gaierror when there is none, TimeoutError when it takes longer than `seconds`.
    """
    with contextlib.suppress(ValueError):
        ip = ip_address(host)
        family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
        return [(family, (host, 0) if ip.version == 4 else (host, 0, 0, 0))]
    try:
        return _lookup(host).result(timeout=max(0.0, seconds))
    except TimeoutError as error:
        raise TimeoutError(f"{host} was not resolved in time") from error


_lock = threading.Lock()
_lookups: dict[str, Future[list[Endpoint]]] = {}


def _lookup(host: str) -> Future[list[Endpoint]]:
    """Return the running lookup of a host, or start one. Callers share it, so a slow name uses one thread."""
    with _lock:
        if host in _lookups:
            return _lookups[host]
        if len(_lookups) >= MOST_LOOKUPS:
            raise socket.gaierror(socket.EAI_AGAIN, "too many lookups hang")
        future: Future[list[Endpoint]] = Future()
        threading.Thread(target=_look_up, args=(host, future), name="lookup", daemon=True).start()
        _lookups[host] = future
        return future


def _look_up(host: str, future: Future[list[Endpoint]]) -> None:
    try:
        results = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
        found = [(family, endpoint) for family, _, _, _, endpoint in results]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
    except UnicodeError:
        result: Any = socket.gaierror(socket.EAI_NONAME, "not a name")
    except Exception as error:  # noqa: BLE001  every error is passed to those who wait
        result = error
    else:
        result = found
    with _lock:
        _lookups.pop(host, None)
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _forget_lookups() -> None:
    """Clear the lookups in a forked process, which has none of their threads."""
    global _lock
    _lock = threading.Lock()
    _lookups.clear()


os.register_at_fork(after_in_child=_forget_lookups)
