"""Settings for those who watch the product, read from the environment: `/metrics` and the form of log lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from .private_files import BadEnvironment

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


def read_monitoring_settings(env: Mapping[str, str]) -> MonitoringSettings:
    """Raise BadEnvironment with a message for the first bad variable."""
    return MonitoringSettings(
        metrics_token=parse_token(env.get("METRICS_TOKEN") or ""),
        metrics_networks=parse_networks(env.get("METRICS_NETWORKS") or "") or OWN_NETWORKS,
        log_format=parse_log_format(env.get("LOG_FORMAT")),
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
