"""Which socket addresses exist, and who may knock: pages of ours only."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from channels.routing import URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.urls import path, re_path

from .consumers import JobConsumer


async def refuse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer the handshake with 403, whether Redis is there or not."""
    await receive()
    await send({"type": "websocket.close"})


class OurPagesOnly(OriginValidator):
    """Lets in pages of ALLOWED_HOSTS. Channels' own denier needs the layer, so it cannot refuse without Redis."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        is_ours = self.valid_origin(read_origin(origin))
        await (self.application if is_ours else refuse)(scope, receive, send)


def read_origin(value: bytes | None) -> Any:
    try:
        return urlsplit(value.decode("latin-1")) if value is not None else None
    except ValueError:
        return None


sockets = OurPagesOnly(
    URLRouter([path("ws/jobs/<uuid:job_id>/", JobConsumer.as_asgi()), re_path("", refuse)]),
    settings.ALLOWED_HOSTS or (["localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else []),
)
