"""Where the readiness report writes to itself, through whatever stands at the public address.

A signed call to /webhooks/readiness/{token}/ is told what arrived: digest and length of the body, how many proxies are
in its headers, the clock of the host that answers. A token says how long the answer waits; it is good for two minutes,
and to whoever has none the address looks like that of a provider that does not exist. A socket at
/ws/readiness/{token}/ says nothing until its other side closes it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from jobs.intake.deliveries import MAX_BYTES
from jobs.routing.hosts import this_host

_SALT = "selfiehero.readiness"
_SOCKETS = "/ws/readiness/"
_GOOD_FOR_SECONDS = 120
LONGEST_WAIT = 30.0
# One slow answer at a time, so that the others of this process's threads are there for people.
_slow = threading.Lock()


def path_of(*, wait: float = 0.0) -> str:
    """Return the path of a call that is answered after so many seconds."""
    return f"/webhooks/readiness/{signing.dumps(min(wait, LONGEST_WAIT), salt=_SALT)}/"


def socket_path() -> str:
    """Return the path of a socket that stays open."""
    return f"{_SOCKETS}{signing.dumps('socket', salt=_SALT)}/"


class ProbedSockets:
    """The product's sockets, and that of the report; without a good token the handshake is refused."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if not scope["path"].startswith(_SOCKETS):
            await self.application(scope, receive, send)
            return
        await receive()
        try:
            token = scope["path"].removeprefix(_SOCKETS).strip("/")
            is_good = signing.loads(token, salt=_SALT, max_age=_GOOD_FOR_SECONDS) == "socket"
        except signing.BadSignature:
            is_good = False
        if not is_good:
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass


@csrf_exempt
@require_POST
def probe(request: HttpRequest, token: str) -> HttpResponse:
    """Tell what arrived; 401 without a good token, 413 for what is too long, 429 while another slow answer waits."""
    try:
        wait = float(signing.loads(token, salt=_SALT, max_age=_GOOD_FOR_SECONDS))
    except (signing.BadSignature, TypeError, ValueError):
        return HttpResponse(status=401)
    body = request.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        return HttpResponse(status=413)
    if wait:
        if not _slow.acquire(blocking=False):
            return HttpResponse(status=429)
        try:
            time.sleep(wait)
        finally:
            _slow.release()
    return JsonResponse(_told(request, body))


def _told(request: HttpRequest, body: bytes) -> dict[str, Any]:
    forwarded = [part for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    return {
        "sha256": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
        "at": time.time(),
        "host": this_host(),
        "version": settings.PRODUCT_VERSION,
        "proxies": len(forwarded),
        "trusted": settings.TRUSTED_PROXIES,
    }
