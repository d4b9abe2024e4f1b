"""The whole journey over the public API, for a terminal. Standard library only: it is a client, not the product.

A server that has answered before is forgiven a minute of being busy or away: it is being restarted. One that never
answered is probably not there at all.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

from common import plain_json

POLL_SECONDS = (0.3, 2.0)
PATIENCE_SECONDS = 60.0
# A person who presses Ctrl-C does not want to wait for that.
CANCEL_SECONDS = 5.0
CALL_SECONDS = 30.0
AGAIN_SECONDS = 0.5
LOOKS = "api/v1/looks/"
BUSY = (429, 502, 503, 504)
# What storage answers for a signed address that ran out, or for a file that is gone.
EXPIRED = (403, 404, 410)
LOST = (OSError, http.client.HTTPException)


class Refused(Exception):
    """The server did not take it; the message is for people."""


class Unreachable(Exception):
    """The server cannot be reached."""


class HeroClient:
    """One visitor of one server. Keeps its cookie. `tell_trouble` hears why a call takes long."""

    def __init__(self, server: str, *, tell_trouble: Callable[[str], None] = lambda trouble: None) -> None:
        self.server = server.rstrip("/") + "/"
        self._tell_trouble = tell_trouble
        self._has_answered = False
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies, urllib.request.ProxyHandler({}))

    def arrive(self) -> None:
        """Get the visitor cookie that will own the film, and learn where the server really is."""
        answer, url = self._call("GET", LOOKS)
        if not isinstance(answer, list):
            raise self._not_ours()
        # A redirect, such as from http to https, would turn the POST that follows into a GET.
        self.server = url.removesuffix(LOOKS)

    def order(self, photo: bytes, *, file_name: str, look: str, hero_name: str) -> dict[str, Any]:
        """Send the photo. A lost answer or a 429 is tried again under the same key, so it stays one job."""
        fields = {"look": look, "consent": "true", "hero_name": hero_name}
        body, content_type = _multipart(fields, photo, file_name)
        headers = {"Content-Type": content_type, "Idempotency-Key": str(uuid.uuid4())}
        return self._job("POST", "api/v1/jobs/", body, headers)

    def follow(self, job: dict[str, Any], on_state: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Read the job until it is final, calling `on_state` with every state; survives a server that restarts."""
        wait = POLL_SECONDS[0]
        while job["finished_at"] is None:
            time.sleep(wait)
            job = self.read(job)
            on_state(job)
            wait = min(POLL_SECONDS[1], wait * 1.1)
        return job

    def read(self, job: dict[str, Any]) -> dict[str, Any]:
        return self._job("GET", job["links"]["self"])

    def cancel(self, job: dict[str, Any]) -> dict[str, Any]:
        """Stop the job at the server, and return what it is then: it may have ended just before."""
        return self._job("POST", job["links"]["cancel"], b"", patience=CANCEL_SECONDS)

    def download(self, job: dict[str, Any]) -> bytes:
        """Return the whole film; an address that ran out is asked for anew, once."""
        give_up_at, is_renewed = time.monotonic() + PATIENCE_SECONDS, False
        while True:
            address = job["links"]["video"]
            if not address:
                raise Refused("The film is not on the server any more.")
            try:
                with self._open("GET", address) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in EXPIRED and not is_renewed:
                    job, is_renewed = self.read(job), True
                elif error.code not in BUSY or not self._wait(_retry_after(error), give_up_at, "is busy"):
                    raise Refused(f"The film could not be downloaded (HTTP {error.code}).") from None
            except LOST as error:
                if not self._wait(AGAIN_SECONDS, give_up_at, "does not answer"):
                    text = f"The film could not be downloaded from {self.server} ({_reason(error)})."
                    raise Unreachable(text) from None

    def _job(self, method: str, address: str, *args: Any, **choices: Any) -> dict[str, Any]:
        answer, _url = self._call(method, address, *args, **choices)
        if not isinstance(answer, dict) or not {"status", "finished_at", "links"} <= answer.keys():
            raise self._not_ours()
        return answer

    def _call(
        self,
        method: str,
        address: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> tuple[Any, str]:
        """Return the answer's JSON and address, trying again while the server is busy or away."""
        give_up_at = time.monotonic() + patience
        while True:
            try:
                with self._open(method, address, body, headers) as answer:
                    found = plain_json.loads(answer.read())
                self._has_answered = True
                return found, answer.url
            except urllib.error.HTTPError as error:
                with error:
                    self._has_answered = True
                    if error.code not in BUSY or not self._wait(_retry_after(error), give_up_at, "is busy"):
                        raise Refused(_sentence(error)) from None
            except LOST as error:
                if not self._has_answered or not self._wait(AGAIN_SECONDS, give_up_at, "does not answer"):
                    raise Unreachable(f"No answer from {self.server} ({_reason(error)}). Is it running?") from None
            except ValueError:
                raise self._not_ours() from None

    def _wait(self, seconds: float, give_up_at: float, trouble: str) -> bool:
        """Wait before the next try and return True; return False at once when that would be too long."""
        if time.monotonic() + seconds > give_up_at:
            return False
        self._tell_trouble(trouble)
        time.sleep(seconds)
        return True

    def _open(self, method: str, address: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        url = urljoin(self.server, address)
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})  # noqa: S310
        return self._opener.open(request, timeout=CALL_SECONDS)

    def _not_ours(self) -> Refused:
        return Refused(f"{self.server} answers, but not as Selfie Hero does.")


def read_server(text: str) -> str:
    """Return the address of a server with its scheme; raise ValueError when it is none."""
    address = text if "://" in text else f"http://{text}"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or not address.isascii():
        raise ValueError(text)
    return address


def _multipart(fields: dict[str, str], photo: bytes, file_name: str) -> tuple[bytes, str]:
    """Return the body of the form and its content type."""
    boundary = uuid.uuid4().hex
    safe_name = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in file_name)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode("utf-8", "replace")
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="selfie"; filename="{safe_name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    return b"".join([*parts, photo, f"\r\n--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def _retry_after(error: urllib.error.HTTPError) -> float:
    """Return how long the server asks to wait; a second where it does not say so in seconds."""
    said = (error.headers.get("Retry-After") or "").strip()
    return max(AGAIN_SECONDS, float(said)) if said.isascii() and said.isdigit() else 1.0


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        problem = plain_json.loads(error.read())
        return " ".join(part for part in (problem["detail"], problem.get("next_step")) if part)
    except (ValueError, KeyError, TypeError, AttributeError, OSError, http.client.HTTPException):
        return f"The server refused the request (HTTP {error.code})."


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or type(error).__name__)
