"""The hosts that a result may be downloaded from, as listed by staff or the adapter.

| entry | allows |
| --- | --- |
| `files.example.com` | that host, by https on port 443 |
| `*.replicate.delivery` | every name below it, but not the domain itself |
| `10.0.0.7`, `localhost` | that host, also by http and in a private network |
| `10.0.0.7:8080` | that host on that port only |

What staff wrote down to be called (a base URL, fal's other addresses) is judged by `permit_call`, and where a vendor
wants a photo uploaded by `UploadHosts`.

The base URL's host is allowed when it is listed (an empty list means only it): on the base URL's port, by http when
the base URL is http, and at any address. Every other host must have public addresses only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import quote, urlsplit

from providers.errors import AccountProblem, Rejected
from providers.types import Account

from .addresses import is_public

DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_URL = 8000
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CONTROLS = re.compile(r"[\x00-\x20\x7f\\]")
_UPLOAD_HEADER = re.compile(
    r"(content-(type|md5|disposition|encoding)|cache-control|x-(amz|goog|ms)-[a-z0-9-]{1,60})", re.I
)
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")
# RFC 1918 and its like; no link-local address, where clouds keep their metadata.
_PRIVATE = [ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]
# Characters that stay unquoted in path and query; `%` too, because most URLs are quoted already.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


def normal_host(host: str) -> str:
    """Return the canonical form of a host: an ASCII name in lower case, or an IP address.

    Raise ValueError for anything else, including the other notations of IPv4 addresses (octal, hexadecimal, short).
    """
    if ":" in host:
        address = IPv6Address(host)
        if address.scope_id is not None:
            raise ValueError("an address with a zone")
        return str(address)
    name = host.lower().removesuffix(".")
    if not name.isascii():
        name = name.encode("idna").decode("ascii").lower()
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return str(IPv4Address(name))
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a host name")
    return name


@dataclass(frozen=True)
class Url:
    """A parsed http or https URL. Checks and connections use the same parts."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Url:
        """Parse a URL. Raise ValueError when it is invalid, or when other parsers could understand it differently."""
        if len(text) > LONGEST_URL or _CONTROLS.search(text):
            raise ValueError("not an address")
        parts = urlsplit(text)
        if parts.scheme not in DEFAULT_PORTS or "@" in parts.netloc or not parts.hostname:
            raise ValueError("not a web address")
        port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
        if port == 0:
            raise ValueError("not a port")
        target = quote(parts.path or "/", safe=_SAFE) + ("?" + quote(parts.query, safe=_SAFE) if parts.query else "")
        return cls(parts.scheme, normal_host(parts.hostname), port, target)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"

    def is_same_origin(self, other: Url | None) -> bool:
        return other is not None and (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)


@dataclass(frozen=True)
class Entry:
    """One entry of a list of result hosts. `port` is None for the default port."""

    host: str
    below: bool = False
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Entry:
        """Parse an entry. Raise ValueError when it is not a host, or a wildcard for a whole top-level domain."""
        text = text.strip()
        below = text.startswith("*.")
        name, port = _split_port(text[2:] if below else text)
        host = normal_host(name)
        if below and (_is_address(host) or "." not in host):
            raise ValueError("a wildcard needs a domain")
        return cls(host, below, port)

    def matches(self, host: str) -> bool:
        return host.endswith(f".{self.host}") if self.below else host == self.host

    @property
    def is_local(self) -> bool:
        """Whether it is an IP address or localhost, and not a DNS name whose addresses others control."""
        return not self.below and (_is_address(self.host) or self.host == "localhost")


@dataclass(frozen=True)
class Permit:
    """A URL that may be fetched, with the rules for the connection."""

    url: Url
    # Whether every address of the host must be public.
    public_only: bool
    # Whether it is the origin of the provider's API, where credentials may be sent.
    is_own: bool


class ResultHosts:
    """The hosts that one provider's results may be downloaded from."""

    def __init__(self, account: Account) -> None:
        self._entries = [entry for entry in map(_entry, account.result_hosts) if entry is not None]
        self._own = _url(account.base_url)

    def permit(self, text: str) -> Permit:
        """Return the permit to fetch a URL. Raise Rejected when it must not be fetched."""
        url = _url(text)
        if url is None:
            raise Rejected("the result's address is not one that can be fetched")
        matching = [entry for entry in self._entries if entry.matches(url.host)]
        if not matching:
            raise Rejected("the result lies on a host that is not allowed")
        is_own_host = self._own is not None and url.host == self._own.host
        is_local = any(entry.is_local for entry in matching)
        is_own_http = is_own_host and self._own is not None and self._own.scheme == "http"
        if url.scheme != "https" and not (is_local or is_own_http):
            raise Rejected("the result is offered without encryption")
        if not any(url.port in self._ports(entry, url, is_own_host=is_own_host) for entry in matching):
            raise Rejected("the result lies on a port that is not allowed")
        return Permit(url, public_only=not (is_local or is_own_host), is_own=url.is_same_origin(self._own))

    def _ports(self, entry: Entry, url: Url, *, is_own_host: bool) -> set[int]:
        own = {self._own.port} if self._own is not None and self._own.scheme == url.scheme else set()
        if entry.port is not None:
            return {entry.port}
        if is_own_host:
            return own
        return {DEFAULT_PORTS[url.scheme]} | (own if entry.is_local else set())


def permit_call(text: str, *, private_hosts: Sequence[str] = ()) -> Permit:
    """Return how to reach an address that staff wrote down for calls with our key. AccountProblem when not at all.

    https and public addresses; a machine in a private network only when it is written as such (`localhost`, an IP
    address) or listed in `private_hosts` (PROVIDER_PRIVATE_HOSTS), for a name in DNS may be pointed anywhere.
    """
    url = _url(text)
    if url is None:
        raise AccountProblem("the provider's address is none that can be called", code="settings")
    entries = [entry for entry in map(_entry, private_hosts) if entry is not None]
    is_listed = any(entry.matches(url.host) and entry.port in (None, url.port) for entry in entries)
    if is_listed or is_near(url.host):
        return Permit(url, public_only=False, is_own=True)
    if url.scheme != "https":
        raise AccountProblem("the provider's address is not https", code="settings")
    if _is_address(url.host) and not is_public(url.host):
        raise AccountProblem("the provider's address leads where no provider is", code="settings")
    return Permit(url, public_only=True, is_own=True)


class UploadHosts:
    """The hosts a vendor may have a photo sent to, and the headers it may ask for."""

    def __init__(self, account: Account, hosts: Sequence[str]) -> None:
        own = _url(account.base_url)
        self._hosts = ResultHosts(replace(account, result_hosts=(*hosts, *([own.host] if own else []))))

    def permit(self, text: str) -> Permit:
        """Return how to reach an upload's address. AccountProblem, which names its host, when nobody listed that."""
        try:
            return self._hosts.permit(text)
        except Rejected as error:
            url = _url(text)
            where = f" ({url.host})" if url else ""
            raise AccountProblem(
                f"the vendor wants the photo where no upload may go{where}: {error.detail}", code="settings"
            ) from error

    @staticmethod
    def headers(asked: Mapping[str, Any]) -> dict[str, str]:
        """Return those of a vendor's headers that a file store needs; none that says who we are or where to."""
        return {
            name: value
            for name, value in asked.items()
            if isinstance(value, str) and _UPLOAD_HEADER.fullmatch(name) and _HEADER_VALUE.fullmatch(value)
        }


def is_near(host: str) -> bool:
    """Tell whether a host is written as this machine or as an address in a private network."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip = ip_address(host)
    except ValueError:
        return False
    return ip.is_loopback or any(ip in network for network in _PRIVATE if network.version == ip.version)


def _entry(text: str) -> Entry | None:
    try:
        return Entry.parse(text)
    except ValueError:
        return None


def _url(text: str) -> Url | None:
    try:
        return Url.parse(text)
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    return ":" in host or _NUMBER.fullmatch(host.rsplit(".", 1)[-1]) is not None


def _split_port(text: str) -> tuple[str, int | None]:
    """Return host and port of `host`, `host:port`, `[address]`, `[address]:port` or a bare IPv6 address."""
    if text.count(":") > 1 and not text.startswith("["):
        return text, None
    parts = urlsplit(f"//{text}")
    if not parts.hostname or "@" in parts.netloc or parts.path or parts.query or parts.fragment or parts.port == 0:
        raise ValueError("not a host")
    return parts.hostname, parts.port
