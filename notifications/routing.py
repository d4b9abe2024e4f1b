"""Which socket addresses exist, and who may knock: pages of ours, and programs."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

import jobs.intake.converters  # noqa: F401  <id:…>
from jobs import identity

from .consumers import JobConsumer, headers_of


async def refuse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer the handshake with 403, whether Redis is there or not."""
    await receive()
    await send({"type": "websocket.close"})


class OurPagesOnly:
    """Lets in our own pages, port and all, and programs, which send no Origin; the same rule as for HTTP.

    Channels' own validator takes every page of ALLOWED_HOSTS on any port, and cannot refuse without Redis.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        is_ours = identity.is_same_origin_handshake(headers_of(scope))
        await (self.application if is_ours else refuse)(scope, receive, send)


sockets = OurPagesOnly(URLRouter([path("ws/jobs/<id:job_id>/", JobConsumer.as_asgi()), re_path("", refuse)]))  # type: ignore[arg-type]  # an ASGI application
