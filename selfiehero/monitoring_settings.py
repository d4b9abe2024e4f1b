"""Settings for those who watch the product, read from the environment: `/metrics`, alerts, the form of log lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from urllib.parse import urlsplit

from .private_files import BadEnvironment

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}")
LOG_FORMATS = ("line", "json")
SHORTEST_TOKEN = 16
# This machine, also when it is asked by IPv6.
OWN_NETWORKS = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True)
class MonitoringSettings:
    """The checked answers; '' where nothing was said."""

    metrics_token: str = field(repr=False)
    metrics_networks: tuple[str, ...]
    log_format: str
    alert_emails: tuple[str, ...]
    alert_webhook_url: str = field(repr=False)
    alert_webhook_secret: str = field(repr=False)
    report_hour: int


def read_monitoring_settings(env: Mapping[str, str]) -> MonitoringSettings:
    """Raise BadEnvironment with a message for the first bad variable."""
    return MonitoringSettings(
        metrics_token=parse_token(env.get("METRICS_TOKEN") or ""),
        metrics_networks=parse_networks(env.get("METRICS_NETWORKS") or "") or OWN_NETWORKS,
        log_format=parse_log_format(env.get("LOG_FORMAT")),
        alert_emails=parse_emails(env.get("ALERT_EMAILS") or ""),
        alert_webhook_url=parse_webhook_url(env.get("ALERT_WEBHOOK_URL") or ""),
        alert_webhook_secret=parse_webhook_secret(env.get("ALERT_WEBHOOK_SECRET") or ""),
        report_hour=parse_hour(env.get("ALERT_REPORT_HOUR") or "8"),
    )


def parse_token(value: str) -> str:
    token = value.strip()
    if token and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
        raise BadEnvironment(f"METRICS_TOKEN must be at least {SHORTEST_TOKEN} characters without spaces.")
    return token


def parse_networks(value: str) -> tuple[str, ...]:
    """Return the networks in their usual writing; a single address is a network of one."""
    try:
        return tuple(str(ip_network(part)) for part in value.replace(",", " ").split())
    except ValueError as error:
        raise BadEnvironment(
            f"METRICS_NETWORKS must be networks such as 10.0.0.0/8, comma separated: {error}"
        ) from None


def parse_log_format(value: str | None) -> str:
    word = (value or LOG_FORMATS[0]).strip().lower()
    if word in LOG_FORMATS:
        return word
    raise BadEnvironment(f"LOG_FORMAT must be one of {', '.join(LOG_FORMATS)}.")


def parse_emails(value: str) -> tuple[str, ...]:
    addresses = tuple(value.replace(",", " ").split())
    if bad := [address for address in addresses if not _EMAIL.fullmatch(address)]:
        raise BadEnvironment(f"ALERT_EMAILS must be e-mail addresses, comma separated, not “{bad[0][:60]}”.")
    return addresses


def parse_webhook_url(value: str) -> str:
    """Return the address. Where it may lead to is judged when something is sent (`providers.http.untrusted`)."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise BadEnvironment("ALERT_WEBHOOK_URL cannot be read as an address.") from None
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise BadEnvironment("ALERT_WEBHOOK_URL must be an https address.")
    return value


def parse_webhook_secret(value: str) -> str:
    if value and not _SECRET.fullmatch(value):
        raise BadEnvironment("ALERT_WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 random bytes.")
    return value


def parse_hour(value: str) -> int:
    if value.isascii() and value.isdigit() and int(value) < 24:
        return int(value)
    raise BadEnvironment("ALERT_REPORT_HOUR must be an hour from 0 to 23 (UTC).")
