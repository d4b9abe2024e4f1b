"""Checks before anything starts. Each raises Problem with a message that says what to do."""

import contextlib
import errno
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selfiehero.environment import Environment

from .rundir import bind_once

OLDEST_PYTHON = (3, 11)
SPACE_NEEDED = 2**30
PATIENCE = 5  # seconds that a server of REDIS_URL or DATABASE_URL may take


class Problem(RuntimeError):
    """Why the product cannot start here; the message is for the person at the terminal."""


def check(environment: Environment) -> None:
    """Return when the product can start; raise the first Problem."""
    check_python()
    check_writable(environment.var_dir)
    check_space(environment.var_dir)
    check_port(environment.host, environment.port)
    if environment.given_redis_url:
        check_redis(environment.given_redis_url)
    for url in environment.channels_redis_urls:
        check_redis(url, name="CHANNELS_REDIS_URLS")
    if environment.cache_redis_url:
        check_redis(environment.cache_redis_url, name="CACHE_REDIS_URL")
    if environment.database_url:
        check_database(environment.database_url)
    if bucket := os.environ.get("S3_BUCKET"):
        check_bucket(bucket, os.environ)


def check_python() -> None:
    if sys.version_info[:2] < OLDEST_PYTHON:
        wanted, present = (".".join(map(str, version[:2])) for version in (OLDEST_PYTHON, sys.version_info))
        raise Problem(f"Python {wanted} or newer is needed, this is {present}. Install it and remove .venv.")


def check_writable(var_dir: Path) -> None:
    try:
        var_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=var_dir):
            pass
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise Problem(f"The disk that holds {var_dir} is full. Free 1 GB or choose another VAR_DIR.") from error
        raise Problem(
            f"{var_dir} cannot be written ({error.strerror}). Give its owner back, or choose another VAR_DIR."
        ) from error


def check_space(var_dir: Path) -> None:
    free = shutil.disk_usage(var_dir).free
    if free < SPACE_NEEDED:
        raise Problem(
            f"Only {free / 2**20:.0f} MB are free where {var_dir} is, and films need 1 GB. "
            "Free some space, or choose another VAR_DIR."
        )


def check_port(host: str, port: int) -> None:
    try:
        bind_once(host, port)
    except OSError as error:
        raise Problem(port_message(host, port, error)) from error


def port_message(host: str, port: int, error: OSError) -> str:
    other = port + 1 if port < 65535 else port - 1
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Stop it, or choose another: PORT={other} make up"
    if error.errno == errno.EACCES:
        return f"Port {port} is for the system's own services. Choose one above 1023: PORT=8000 make up"
    return f"HOST is {host}, which is not an address of this machine. Choose another: HOST=127.0.0.1 make up"


def check_redis(url: str, *, name: str = "REDIS_URL") -> None:
    import redis  # late: the embedded default needs no check

    from common import redis_clients

    other = "the embedded Valkey" if name == "REDIS_URL" else "the server of REDIS_URL"
    try:
        with contextlib.closing(redis_clients.client(url, timeout=PATIENCE, retries=3)) as client:
            client.ping()
            check_rights(client, name)
    # TypeError: the address has an option (`?…=`) that the client does not know.
    except (redis.RedisError, OSError, ValueError, TypeError) as error:
        raise Problem(
            f"{name} ({without_password(url)}) does not answer: {first_line(error, url)}. "
            f"Start that server, correct the address, or unset {name} to use {other}."
        ) from error


def check_rights(client: Any, name: str) -> None:
    """Try what the product does there: keep a value, and tell others by a channel."""
    import redis

    key = f"selfiehero:start:{secrets.token_hex(8)}"
    try:
        client.set(key, "1", ex=10)
        if client.get(key) != b"1":
            raise Problem(f"{name} does not keep what is written: another value was read.")
        client.publish(key, "1")
    except redis.exceptions.NoPermissionError as error:
        raise Problem(
            f"The user of {name} may not do what is needed ({str(error)[:100]}). Give it keys and channels: "
            "ACL SETUSER NAME ~* &* +@all"
        ) from error


def check_bucket(bucket: str, env: Mapping[str, str]) -> None:
    """Write, read and delete a small object with the product's own client."""
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    from selfiehero import s3_client

    key, content = f"health/{secrets.token_hex(16)}", secrets.token_bytes(16)
    try:
        client = boto3.client(
            "s3",
            endpoint_url=env.get("S3_ENDPOINT_URL") or None,
            region_name=env.get("S3_REGION") or None,
            config=s3_client.client_config(),
        )
        client.put_object(Bucket=bucket, Key=key, Body=content)
        if client.get_object(Bucket=bucket, Key=key)["Body"].read() != content:
            raise Problem(f"S3_BUCKET {bucket} does not keep what is written: another content was read.")
        client.delete_object(Bucket=bucket, Key=key)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        told = "Check its name, S3_ENDPOINT_URL, S3_REGION and the keys"
        advice = s3_client.advice()
        raise Problem(
            f"S3_BUCKET {bucket} refuses a small file: {code}. {told}{'; ' + advice if advice else ''}."
        ) from error
    except (BotoCoreError, Boto3Error, OSError, ValueError) as error:
        raise Problem(
            f"S3_BUCKET {bucket} does not answer: {first_line(error, '')}. Start that server, correct S3_ENDPOINT_URL, "
            "or unset S3_BUCKET to keep files in VAR_DIR."
        ) from error


def check_database(url: str) -> None:
    import dj_database_url
    import psycopg

    try:
        settings = dj_database_url.parse(url)
        if "postgres" not in settings["ENGINE"]:
            return
        parameters: dict[str, Any] = {
            "host": settings["HOST"],
            "port": settings["PORT"],
            "dbname": settings["NAME"],
            "user": settings["USER"],
            "password": settings["PASSWORD"],
            "connect_timeout": PATIENCE,
        }
        psycopg.connect(**{name: value for name, value in parameters.items() if value}).close()
    except (psycopg.Error, OSError, ValueError) as error:
        raise Problem(
            f"DATABASE_URL ({without_password(url)}) does not answer: {first_line(error, url)}. "
            "Start that server, correct the address, or unset DATABASE_URL to use SQLite."
        ) from error


def without_password(url: str) -> str:
    """Return the address with neither password nor query, which may hold one."""
    try:
        parts = urlsplit(url)
        user = f"{parts.username}@" if parts.username else ""
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"
    except ValueError:
        return "an address that cannot be read"


def first_line(error: Exception, url: str) -> str:
    """Return the error's first line, without what the address keeps secret."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
    with contextlib.suppress(ValueError):
        if password := urlsplit(url).password:
            text = text.replace(password, "***")
    return text
