"""The whole journey over the public API, for a terminal. Standard library only: it is a client, not the product."""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

POLL_SECONDS = (0.3, 2.0)
UNREACHABLE_SECONDS = 60.0
CALL_SECONDS = 30.0
CHUNK = 256 * 1024
_LOST = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)


class Refused(Exception):
    """The server did not take it; the message is for people."""


class Unreachable(Exception):
    """The server cannot be reached."""


class HeroClient:
    """One visitor of one server. Keeps its cookie."""

    def __init__(self, server: str) -> None:
        self.server = server.rstrip("/") + "/"
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies, urllib.request.ProxyHandler({}))

    def arrive(self) -> None:
        """Get the visitor cookie that will own the film."""
        self._json("GET", "api/v1/looks/")

    def order(self, photo: bytes, *, file_name: str, look: str, hero_name: str) -> dict[str, Any]:
        """Send the photo. A lost answer or a 429 is tried again under the same key, so it stays one job."""
        fields = {"look": look, "consent": "true", "hero_name": hero_name}
        body, content_type = _multipart(fields, photo, file_name)
        headers = {"Content-Type": content_type, "Idempotency-Key": str(uuid.uuid4())}
        return self._json("POST", "api/v1/jobs/", body, headers)

    def follow(self, job: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Read the job until it is final, telling every state; survives a server that restarts."""
        wait = POLL_SECONDS[0]
        while job["finished_at"] is None:
            time.sleep(wait)
            job = self.read(job)
            tell(job)
            wait = min(POLL_SECONDS[1], wait * 1.1)
        return job

    def read(self, job: dict[str, Any]) -> dict[str, Any]:
        return self._json("GET", job["links"]["self"])

    def cancel(self, job: dict[str, Any]) -> None:
        """Stop the job at the server."""
        self._json("POST", job["links"]["cancel"], b"")

    def download(self, job: dict[str, Any], target: Path) -> int:
        """Write the film to `target`, whole or not at all; an address that ran out is asked for anew."""
        part = target.with_name(target.name + ".part")
        for attempt in range(3):
            try:
                with self._open("GET", job["links"]["video"]) as answer, part.open("wb") as film:
                    size = 0
                    while chunk := answer.read(CHUNK):
                        size += film.write(chunk)
                part.replace(target)
                return size
            except urllib.error.HTTPError as error:
                if error.code not in (403, 404, 410) or attempt == 2:
                    raise Refused(f"The film could not be downloaded (HTTP {error.code}).") from None
                job = self.read(job)
            except _LOST:
                time.sleep(1)
            finally:
                part.unlink(missing_ok=True)
        raise Unreachable(f"The film could not be downloaded from {self.server}.")

    def _json(
        self, method: str, address: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the answer's JSON, trying again while the server is busy or away."""
        end = time.monotonic() + UNREACHABLE_SECONDS
        while True:
            try:
                with self._open(method, address, body, headers) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                again = error.code in (429, 502, 503) and time.monotonic() < end
                if not again:
                    raise Refused(_sentence(error)) from None
                time.sleep(min(10.0, float(error.headers.get("Retry-After") or 1)))
            except _LOST as error:
                if time.monotonic() > end or (method == "GET" and address.endswith("looks/")):
                    raise Unreachable(f"No answer from {self.server} ({_reason(error)}). Is it running?") from None
                time.sleep(0.5)

    def _open(self, method: str, address: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        url = urljoin(self.server, address)
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})  # noqa: S310
        return self._opener.open(request, timeout=CALL_SECONDS)


def _multipart(fields: dict[str, str], photo: bytes, file_name: str) -> tuple[bytes, str]:
    """Return the body of the form and its content type."""
    boundary = uuid.uuid4().hex
    safe_name = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in file_name)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="selfie"; filename="{safe_name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    return b"".join([*parts, photo, f"\r\n--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        problem = json.load(error)
        return " ".join(part for part in (problem["detail"], problem.get("next_step")) if part)
    except (ValueError, KeyError, TypeError, OSError):
        return f"The server refused the request (HTTP {error.code})."


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or type(error).__name__)
