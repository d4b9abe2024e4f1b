"""Clients are as patient as they were told to be, and no more."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from common import redis_clients


@pytest.fixture
def silent_server() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that takes connections and never answers; the list holds those it took."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0", taken
        server.shutdown(socket.SHUT_RDWR)
    for connection in taken:
        connection.close()


def test_a_server_that_hangs_is_given_up_after_one_timeout(silent_server):
    url, taken = silent_server
    started = time.monotonic()
    with redis_clients.client(url, timeout=0.1) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    assert len(taken) == 1, "no retry"
    assert time.monotonic() - started < 5


def test_retries_are_made_when_they_are_asked_for(silent_server):
    url, taken = silent_server
    with redis_clients.client(url, timeout=0.05, retries=1) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    assert len(taken) == 2


def test_an_event_loop_gives_a_hung_server_up_after_one_timeout(silent_server):
    url, taken = silent_server

    async def ask() -> None:
        client = redis_clients.async_client(url, timeout=0.1)
        try:
            await client.ping()
        finally:
            await client.aclose()

    with pytest.raises(redis.TimeoutError):
        asyncio.run(ask())
    assert len(taken) == 1, "no retry"


def test_a_client_opens_no_more_connections_than_it_may():
    with redis_clients.client(settings.REDIS_URL, timeout=5, max_connections=1) as client:
        first = client.connection_pool.get_connection()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        client.connection_pool.release(first)
        assert client.ping()


def test_who_sets_timeouts_of_its_own_is_not_contradicted():
    assert "socket_timeout" not in redis_clients.client_options(None, connect_timeout=1)
    assert redis_clients.client_options(None, connect_timeout=1)["socket_connect_timeout"] == 1
    assert redis_clients.client_options(10, connect_timeout=1)["socket_timeout"] == 10


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("redis://:secret@127.0.0.1:6379/3", {"db": 3, "password": "secret", "port": 6379}),
        ("unix:///tmp/a%20b.sock?db=2", {"path": "/tmp/a b.sock", "db": 2}),
    ],
)
def test_an_address_can_carry_its_timeouts(url, known):
    options = redis.Redis.from_url(redis_clients.url_with_timeouts(url, 0.5)).connection_pool.connection_kwargs
    assert options | known | {"socket_timeout": 0.5, "socket_connect_timeout": 0.5} == options


def test_a_timeout_that_an_address_has_stays():
    url = redis_clients.url_with_timeouts("redis://localhost/0?socket_timeout=7", 0.5)
    options = redis.Redis.from_url(url).connection_pool.connection_kwargs
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (7, 0.5)
