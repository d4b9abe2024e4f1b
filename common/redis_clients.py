"""Redis clients. No timeout and no number of retries is left to the library's defaults by accident.

With redis-py's own settings a server that hangs blocks a request for a minute (measured: 58 s); with a timeout of half
a second and no retries, for half a second.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry


def client(
    url: str,
    *,
    timeout: float | None,
    connect_timeout: float | None = None,
    retries: int = 0,
    max_connections: int | None = None,
) -> redis.Redis:
    """Return a client with a connection pool of its own; threads may share it.

    `timeout` and `connect_timeout` are seconds; without the second the first counts for both. `timeout=None` is for
    who sets the timeout of each connection by itself, as RQ's worker does.
    """
    options: dict[str, Any] = client_options(timeout, connect_timeout=connect_timeout, retries=retries)
    if max_connections is not None:
        options["max_connections"] = max_connections
    return redis.Redis.from_url(url, **options)


def url_with_timeouts(url: str, timeout: float) -> str:
    """Return the address with timeouts in it, for libraries that make a client from an address and take no options."""
    address, _, query = url.partition("?")
    timeouts = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    return f"{address}?{urlencode(timeouts | dict(parse_qsl(query)))}"


def async_client(url: str, *, timeout: float) -> redis.asyncio.Redis:
    """Return a client for one event loop, which does not retry."""
    return redis.asyncio.Redis.from_url(url, **async_client_options(timeout))


def client_options(timeout: float | None, *, connect_timeout: float | None = None, retries: int = 0) -> dict[str, Any]:
    """Return the keyword arguments of `client`, for libraries that make their clients themselves."""
    backoff = ExponentialWithJitterBackoff(base=1, cap=10) if retries else NoBackoff()
    options: dict[str, Any] = {"retry": Retry(backoff, retries)}
    if timeout is not None:
        options["socket_timeout"] = timeout
    if (connect := connect_timeout if connect_timeout is not None else timeout) is not None:
        options["socket_connect_timeout"] = connect
    return options


def async_client_options(timeout: float) -> dict[str, Any]:
    """Return the keyword arguments of `async_client`, for libraries that make their clients themselves."""
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": AsyncRetry(NoBackoff(), 0),
    }
