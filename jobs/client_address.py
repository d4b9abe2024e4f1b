"""From where a request comes, as far as limits count it."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings

# What one customer of a provider is given, who may use every address in it.
IPV6_PREFIX = 64
# Everybody's IPv4 address as a NAT64 writes it (RFC 6052).
_TRANSLATED = ip_network("64:ff9b::/96")
_PORT_BEHIND_IPV4 = re.compile(r"(\.\d+):\d+$")


def client_network(request: Any) -> str:
    """Return the address that limits count a request under: an IPv4 address, or the first one of an IPv6 /64.

    Behind proxies of ours it is the one that the outermost of them saw. What is no address counts as 0.0.0.0.
    `request` is Django's or anything else with its META.
    """
    told = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    proxies = settings.TRUSTED_PROXIES
    address = told[-min(proxies, len(told))] if proxies and told else request.META.get("REMOTE_ADDR", "")
    return network_of(address)


def network_of(address: str) -> str:
    """Return what limits count an IP address under; 0.0.0.0 for what is none."""
    address = address.strip(' "')  # as the header Forwarded writes them
    if address.startswith("[") or address.count(":") == 1:  # some proxies tell the port too
        address = address.removeprefix("[").partition("]" if address.startswith("[") else ":")[0]
    elif "." in address and ":" in address:  # an IPv4 address in an IPv6 one, and the port behind it
        address = _PORT_BEHIND_IPV4.sub(r"\1", address)
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - counted, never listened on
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        if parsed in _TRANSLATED:
            return str(IPv4Address(int(parsed) & 0xFFFFFFFF))
        return str(ip_network((int(parsed), IPV6_PREFIX), strict=False).network_address)
    return str(parsed)
