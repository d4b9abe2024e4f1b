"""Addresses and host names among the settings, checked and written as programs compare them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from common.urls import with_escaped_login

from .private_files import BadEnvironment

WILDCARD_HOSTS = {"0.0.0.0", "::"}  # noqa: S104 compared with, never bound to here
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
HOST_NAME = re.compile(r"[A-Za-z0-9_.-]+")
DATABASE_SCHEMES = ("postgres", "postgresql", "sqlite")


def parse_host(name: str, value: str) -> str:
    host = value.strip().removeprefix("[").removesuffix("]")
    if HOST_NAME.fullmatch(host) or is_ipv6(host):
        return host
    raise BadEnvironment(f"{name} must be an address or a name of this machine, not “{value}”.")


def is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone would have to be escaped in every address that is written


def parse_http_url(name: str, value: str | None) -> str | None:
    """Return an address without white space and slash at its end, its host as browsers send it (RFC 5891)."""
    value = (value or "").strip()
    if not value:
        return None
    parts = split_url(name, value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadEnvironment(f"{name} must be an address such as https://hero.example, not “{value}”.")
    if not value.isascii():
        login, at, _ = parts.netloc.rpartition("@")
        port = f":{parts.port}" if parts.port else ""
        parts = parts._replace(netloc=f"{login}{at}{bracketed(ascii_host(name, parts.hostname))}{port}")
    return parts.geturl().rstrip("/")


def parse_allowed_hosts(value: str | None, *, host: str, public_url: str) -> tuple[str, ...]:
    """Return the names that the site answers to: those of ALLOWED_HOSTS or of PUBLIC_URL, of HOST, and the loopback's.

    The loopback's always: the supervisor and health checks ask there.
    """
    given = [_allowed_host(part) for part in (value or "").replace(",", " ").split()]
    names = [*given, *LOCAL_HOSTS, *([] if given else [bracketed(urlsplit(public_url).hostname or "")])]
    if host not in WILDCARD_HOSTS:
        names.append(bracketed(host))
    return tuple(dict.fromkeys(name for name in names if name))


def _allowed_host(text: str) -> str:
    """Return a host as Django compares it: a name, without the scheme, port and path that it may be written with."""
    if text == "*":
        return text
    dot = "." if text.startswith(".") else ""  # with all of its subdomains
    parts = split_url(
        "ALLOWED_HOSTS", text if "://" in text else f"//{bracketed(text) if is_ipv6(text) else text[len(dot) :]}"
    )
    host = ascii_host("ALLOWED_HOSTS", parts.hostname or "")
    if not (HOST_NAME.fullmatch(host) or is_ipv6(host)):
        raise BadEnvironment(
            f"ALLOWED_HOSTS must be names such as hero.example, with commas between them, not “{text}”."
        )
    return dot + bracketed(host)


def ascii_host(name: str, host: str) -> str:
    """Return a host name in the letters that browsers send: xn--… for one with others."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise BadEnvironment(f"{name} has a host name that cannot be: “{host}”.") from None


def parse_redis_url(name: str, value: str | None) -> str | None:
    value = (value or "").strip()
    if not value:
        return None
    scheme, colon, rest = value.partition(":")
    value = with_escaped_login(f"{scheme.lower()}{colon}{rest}")
    parts = split_url(name, value)
    if parts.scheme not in {"redis", "rediss", "unix"} or not rest.startswith("//"):
        raise BadEnvironment(f"{name} must start with redis://, rediss:// or unix://.")
    if parts.scheme != "unix" and not re.fullmatch(r"/?\d*/?", parts.path):
        raise BadEnvironment(f"{name} may end in the number of a database, such as redis://127.0.0.1:6379/0.")
    return value


def parse_redis_urls(name: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Addresses with spaces between them: passwords have commas."""
    return tuple(filter(None, (parse_redis_url(name, value) for value in (env.get(name) or "").split())))


def parse_database_url(value: str | None) -> str | None:
    """Return the address with its password escaped, None for the SQLite of VAR_DIR."""
    value = (value or "").strip()
    if not value:
        return None
    value = with_escaped_login(value)
    scheme = value.partition(":")[0]
    if scheme not in DATABASE_SCHEMES:
        raise BadEnvironment(
            "DATABASE_URL must be an address such as postgres://user:password@host:5432/name, without quotes around it."
        )
    parts = split_url("DATABASE_URL", value)
    if scheme == "sqlite" and (parts.netloc or parts.path.strip("/") in ("", ":memory:")):
        raise BadEnvironment("DATABASE_URL of SQLite must name a file after three slashes: sqlite:////srv/hero.db.")
    return value


def split_url(name: str, value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise BadEnvironment(f"{name} cannot be read as an address.") from None
    return parts


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def url_host(host: str) -> str:
    """Return the host as it stands in an address; a wildcard becomes the loopback that it includes."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host) or bracketed(host)  # noqa: S104 compared with
