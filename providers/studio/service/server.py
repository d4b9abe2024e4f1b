"""The studio's HTTP API. The product calls it like any other vendor, through its adapter.

Every call needs `Authorization: Bearer KEY`, except `/healthz` and the files, whose URLs cannot be guessed.

| call | response |
| --- | --- |
| `POST /v1/predictions` | 202 and the prediction, at once; 200 and the prediction when the reference is known |
| `GET /v1/predictions/{id}` | 200 and the prediction; 404 |
| `GET /v1/predictions?reference=X` | 200 `{"items": [prediction]}`, empty when none was made |
| `POST /v1/predictions/{id}/cancel` | 200 and the prediction; a running render stops within half a second |
| `DELETE /v1/predictions/{id}` | 204: photo, film, poster and record are removed, and no more webhooks are sent; 404 |
| `GET /files/{token}/film.mp4`, `…/poster.jpg` | 200, or 206 for a byte range; 404 after `expires_at` |
| `GET /healthz` | 200 `{"ok", "renderers", "warm", "running", "waiting"}`; 503 when it cannot render |

A submit is JSON of at most 16 MB:

    {"reference": "…", "look": "neon-noir", "hero_name": "NOVA-7", "seed": "…", "webhook": "https://…" or null,
     "photo": "base64 of a JPEG, PNG or WebP" or "photo_url": "https://…", "faceless": "hologram" or null,
     "watermark": "base64 of a key's 32 bytes and a number's 4" or null}

With `faceless` a picture without a face becomes a film of a hologram; without it the prediction fails with `no_face`.
With `watermark` the film and its poster say that number to whoever has the key (`providers.watermark`).

A prediction is

    {"id", "reference", "look", "status": "queued|starting|running|succeeded|failed|canceled", "progress": 0..1,
     "queue_position": 1.. or null, "error": {"code": "no_face|unreadable_photo|render_failed", "message"} or null,
     "poster": URL or null, "video": URL or null, "metrics": {"render_seconds", "cpu_seconds"},
     "created_at", "started_at", "finished_at", "expires_at"}

Webhooks, signed by Standard Webhooks, are POSTs of `{"type": "prediction.started|progress|preview|succeeded|
failed|canceled", "timestamp", "prediction"}`, in order; see `webhooks`.

Errors are `{"error": {"code", "message"}}`: 401 wrong key, 404, 413 more than 16 MB, 422 an invalid request, 429 with
`Retry-After` while the queue is full, 503 while stopping or when no renderer starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hmac
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from aiohttp import web

from .predictions import NotRendering, Prediction, QueueFull
from .render_requests import BadRenderRequest, parse_render_request
from .scheduler import Scheduler
from .settings import BadSetting, StudioSettings

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 2**20
BACKLOG = 128
SCHEDULER = web.AppKey("scheduler", Scheduler)
SETTINGS = web.AppKey("settings", StudioSettings)
CONTENT_TYPES = {"film.mp4": "video/mp4", "poster.jpg": "image/jpeg"}
PUBLIC = ("/healthz", "/files/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(settings: StudioSettings) -> web.Application:
    """Return the application. It starts its studio at start-up and closes it at shutdown."""
    # This limits bodies without Content-Length too: they are rejected while they are read.
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_respond_in_json, _check_key])
    app[SETTINGS] = settings
    app.cleanup_ctx.append(_run_scheduler)
    app.add_routes(
        [
            web.get("/healthz", health),
            web.post("/v1/predictions", submit),
            web.get("/v1/predictions", look_up),
            web.get("/v1/predictions/{id}", show),
            web.post("/v1/predictions/{id}/cancel", cancel),
            web.delete("/v1/predictions/{id}", delete),
            web.get("/files/{token}/{name}", send_file),
        ]
    )
    return app


async def serve(settings: StudioSettings) -> None:
    """Serve until SIGTERM or SIGINT, then stop within five seconds.

    Raise OSError when the port is not available, BadSetting when another studio uses the folder. Both are taken before
    anything else is done: a studio removes what an earlier one has left in its folder, and starts renderers.
    """
    with _owning(settings.folder), _listener(settings.host, settings.port) as listener:
        await _serve(settings, listener)


@contextlib.contextmanager
def _owning(folder: Path) -> Iterator[None]:
    """Keep other studios off this folder; the lock ends with the process, however that ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadSetting(
                f"Another studio uses {folder}: end it, or give this one a STUDIO_DIR of its own."
            ) from None
        yield
    finally:
        os.close(descriptor)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


async def _serve(settings: StudioSettings, listener: socket.socket) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    runner = web.AppRunner(make_app(settings), access_log=None, shutdown_timeout=1.0)
    try:
        await runner.setup()
        await web.SockSite(runner, listener, backlog=BACKLOG).start()
        logger.info("studio_listening port=%d renderers=%d", settings.port, settings.renderers)
        await stopping.wait()
        logger.info("studio_stopping")
    finally:
        await runner.cleanup()


async def _run_scheduler(app: web.Application) -> AsyncIterator[None]:
    app[SCHEDULER] = scheduler = Scheduler(app[SETTINGS])
    await scheduler.start()
    yield
    await scheduler.close()


async def submit(request: web.Request) -> web.Response:
    scheduler = request.app[SCHEDULER]
    if request.content_length is not None and request.content_length > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length)
    try:
        render_request = parse_render_request(await request.read(), request.app[SETTINGS])
        prediction, is_new = await scheduler.submit(render_request, origin=str(request.url.origin()))
    except BadRenderRequest as error:
        return problem(422, "bad_request", str(error))
    except QueueFull as error:
        return problem(429, "full", "Every place is taken.", retry_after=error.retry_after)
    except NotRendering:
        return problem(503, "not_rendering", "No films are made here now.", retry_after=5)
    except OSError as error:
        logger.error("prediction_not_kept error=%s", error.strerror)
        return problem(503, "no_room", "The prediction could not be stored.", retry_after=30)
    return web.json_response(scheduler.view(prediction), status=202 if is_new else 200)


async def look_up(request: web.Request) -> web.Response:
    scheduler = request.app[SCHEDULER]
    reference = request.query.get("reference", "")
    if not reference:
        return problem(422, "bad_request", "reference is missing.")
    return web.json_response({"items": [scheduler.view(prediction) for prediction in scheduler.find(reference)]})


async def show(request: web.Request) -> web.Response:
    return web.json_response(request.app[SCHEDULER].view(_prediction_of(request)))


async def cancel(request: web.Request) -> web.Response:
    prediction = _prediction_of(request)
    request.app[SCHEDULER].cancel(prediction)
    return web.json_response(request.app[SCHEDULER].view(prediction))


async def delete(request: web.Request) -> web.Response:
    request.app[SCHEDULER].delete(_prediction_of(request))
    return web.Response(status=204)


async def send_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    path = request.app[SCHEDULER].file(request.match_info["token"], name)
    if path is None:
        raise web.HTTPNotFound
    headers = {"Content-Type": CONTENT_TYPES[name], "Cache-Control": "private", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(path, headers=headers)


async def health(request: web.Request) -> web.Response:
    facts = request.app[SCHEDULER].health()
    return web.json_response(facts, status=200 if facts["ok"] else 503)


def problem(status: int, code: str, message: str, *, retry_after: int | None = None) -> web.Response:
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)


def _prediction_of(request: web.Request) -> Prediction:
    prediction = request.app[SCHEDULER].get(request.match_info["id"])
    if prediction is None:
        raise web.HTTPNotFound
    return prediction


@web.middleware
async def _check_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not request.path.startswith(PUBLIC):
        wanted = f"Bearer {request.app[SETTINGS].credentials.api_key}".encode()
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(wanted, given):
            return problem(401, "wrong_key", "The key is missing or wrong.")
    return await handler(request)


@web.middleware
async def _respond_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return problem(413, "too_long", "At most 16 MB are taken.")
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem(error.status, "no_such_thing" if error.status == 404 else "refused", f"{error.reason}.")


def run(settings: StudioSettings) -> None:
    """Serve in this thread until SIGTERM or SIGINT."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(settings))
