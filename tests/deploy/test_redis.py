"""Redis behind TLS with a user of an access list, by its address alone: through each client that the product makes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer

from common import redis_clients
from tests.support.certificates import Authority
from tests.support.processes import free_port, start_process, stop_process, wait_for

pytestmark = [pytest.mark.deploy, pytest.mark.slow]

PASSWORD = "a-password-for-the-tests"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    authority, port = Authority(), free_port()
    authority.server(tmp_path, "localhost")
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    options = {
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(tmp_path / "localhost.pem"),
        "tls-key-file": str(tmp_path / "localhost.pem"),
        "tls-ca-cert-file": str(tmp_path / "ca.pem"),
        "tls-auth-clients": "no",
        "bind": "127.0.0.1",
        "dir": str(tmp_path),
        "save": "",
    }
    lines = [f"{name} {value or chr(34) * 2}" for name, value in options.items()]
    lines += ["user default off", f"user hero on >{PASSWORD} ~* &* +@all -@dangerous +client +info +keys"]
    (tmp_path / "redis.conf").write_text("\n".join(lines) + "\n")
    program = shutil.which("redis-server") or "redis-server"
    process = start_process([program, str(tmp_path / "redis.conf")], log_path=tmp_path / "log")
    url = f"rediss://hero:{PASSWORD}@localhost:{port}/0?ssl_ca_certs={tmp_path}/ca.pem"

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "log").read_text()
        try:
            with redis_clients.client(url, timeout=2) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    try:
        wait_for(answers, "Redis to answer")
        yield url
    finally:
        stop_process(process, 15)


def test_nudges_and_the_cache_go_over_tls(address: str):
    with redis.Redis.from_url(redis_clients.url_with_timeouts(address, 0.5)) as client:
        assert client.set("nudge", 1) and client.get("nudge") == b"1"
    with (
        pytest.raises(redis.RedisError),
        redis_clients.client(address.replace(PASSWORD, "another"), timeout=2) as client,
    ):
        client.ping()


def test_pushes_go_over_tls(address: str):
    async def push() -> dict:
        host = {"address": address, **redis_clients.async_client_options(2)}
        layer = RedisPubSubChannelLayer(hosts=[host])
        channel = await layer.new_channel()
        await layer.group_add("job", channel)
        await layer.group_send("job", {"type": "changed"})
        try:
            return await asyncio.wait_for(layer.receive(channel), 10)
        finally:
            await layer.flush()

    assert asyncio.run(push()) == {"type": "changed"}
