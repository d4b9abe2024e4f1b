"""The WSGI environment of an ASGI request (PEP 3333), as Django's handler reads it."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import IO, Any
from urllib.parse import unquote_to_bytes

Scope = MutableMapping[str, Any]


def environ_of(scope: Scope, body: IO[bytes], length: int) -> dict[str, Any]:
    """Return the environment of a request whose whole body is there, `length` bytes of it."""
    server = scope.get("server") or ("localhost", 80)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path_of(scope),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "CONTENT_LENGTH": str(length),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        add_header(environ, name.decode("latin-1"), value.decode("latin-1"))
    return environ


def path_of(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = unquote_to_bytes(raw.partition(b"?")[0]) if raw else scope["path"].encode()
    return path.decode("latin-1")


def add_header(environ: dict[str, Any], name: str, value: str) -> None:
    # An underscore could pass for a dash: X_Forwarded_For for X-Forwarded-For (CVE-2015-0219).
    if "_" in name or name in ("content-length", "transfer-encoding"):
        return
    key = "CONTENT_TYPE" if name == "content-type" else "HTTP_" + name.upper().replace("-", "_")
    if key in environ:
        value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
    environ[key] = value
