"""The studio's HTTP API. It speaks as any vendor would; the product reaches it through its adapter only.

`Authorization: Bearer KEY` on everything but `/healthz` and the files, whose address cannot be guessed.

| call | answer |
| --- | --- |
| `POST /v1/predictions` | 202 and the prediction, at once; 200 and the same prediction when the reference is known |
| `GET /v1/predictions/{id}` | 200 and the prediction; 404 |
| `GET /v1/predictions?reference=X` | 200 `{"items": [prediction]}`, empty when none was made |
| `POST /v1/predictions/{id}/cancel` | 200 and the prediction; a running render stops within half a second |
| `DELETE /v1/predictions/{id}` | 204: photo, film, poster and record are gone, no webhook comes any more; 404 |
| `GET /files/{token}/film.mp4`, `…/poster.jpg` | 200, or 206 for a byte range; 404 after `expires_at` |
| `GET /healthz` | 200 `{"ok", "renderers", "warm", "running", "waiting"}`; 503 when it cannot render |

A submit is JSON of at most 16 MB:

    {"reference": "…", "look": "neon-noir", "hero_name": "NOVA-7", "seed": "…", "webhook": "https://…" or null,
     "photo": "base64 of a JPEG, PNG or WebP" or "photo_url": "https://…", "faceless": "hologram" or null}

`faceless` says what becomes of a picture without a face: a hologram of it, or the failure `no_face`.

A prediction is

    {"id", "reference", "look", "status": "queued|starting|running|succeeded|failed|canceled", "progress": 0..1,
     "queue_position": 1.. or null, "error": {"code": "no_face|unreadable_photo|render_failed", "message"} or null,
     "poster": address or null, "video": address or null, "metrics": {"render_seconds", "cpu_seconds"},
     "created_at", "started_at", "finished_at", "expires_at"}

Webhooks, signed by Standard Webhooks, are POSTs of `{"type": "prediction.started|progress|preview|succeeded|
failed|canceled", "timestamp", "prediction"}`, in order; see `webhooks`.

Errors are `{"error": {"code", "message"}}`: 401 wrong key, 404, 413 more than 16 MB, 422 an order that cannot be
made, 429 with `Retry-After` while every place is taken, 503 while stopping or when no renderer starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from .predictions import NotRendering, Prediction, QueueFull
from .render_requests import BadOrder, read_order
from .scheduler import Studio
from .settings import StudioSettings

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 2**20
STUDIO = web.AppKey("studio", Studio)
SETTINGS = web.AppKey("settings", StudioSettings)
CONTENT_TYPES = {"film.mp4": "video/mp4", "poster.jpg": "image/jpeg"}
PUBLIC = ("/healthz", "/files/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(settings: StudioSettings) -> web.Application:
    """Return the application; its studio starts and closes with it."""
    # The body's real limit; a longer one is refused while it is read.
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_answer_in_json, _check_key])
    app[SETTINGS] = settings
    app.cleanup_ctx.append(_run_studio)
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
    """Serve until SIGTERM or SIGINT, then stop within five seconds. Raise OSError when the port cannot be had."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    runner = web.AppRunner(make_app(settings), access_log=None, shutdown_timeout=1.0)
    try:
        await runner.setup()
        await web.TCPSite(runner, settings.host, settings.port).start()
        logger.info("studio_listening port=%d renderers=%d", settings.port, settings.renderers)
        await stopping.wait()
        logger.info("studio_stopping")
    finally:
        await runner.cleanup()


async def _run_studio(app: web.Application) -> AsyncIterator[None]:
    app[STUDIO] = studio = Studio(app[SETTINGS])
    await studio.start()
    yield
    await studio.close()


async def submit(request: web.Request) -> web.Response:
    studio = request.app[STUDIO]
    if request.content_length is not None and request.content_length > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length)
    try:
        order = read_order(await request.read(), request.app[SETTINGS])
        prediction, is_new = await studio.submit(order, origin=str(request.url.origin()))
    except BadOrder as error:
        return problem(422, "bad_order", str(error))
    except QueueFull as error:
        return problem(429, "full", "Every place is taken.", retry_after=error.retry_after)
    except NotRendering:
        return problem(503, "not_rendering", "No films are made here now.", retry_after=5)
    except OSError as error:
        logger.error("prediction_not_kept error=%s", error.strerror)
        return problem(503, "no_room", "The order could not be kept.", retry_after=30)
    return web.json_response(studio.view(prediction), status=202 if is_new else 200)


async def look_up(request: web.Request) -> web.Response:
    studio = request.app[STUDIO]
    reference = request.query.get("reference", "")
    if not reference:
        return problem(422, "bad_order", "reference is missing.")
    return web.json_response({"items": [studio.view(prediction) for prediction in studio.find(reference)]})


async def show(request: web.Request) -> web.Response:
    return web.json_response(request.app[STUDIO].view(_asked_for(request)))


async def cancel(request: web.Request) -> web.Response:
    prediction = _asked_for(request)
    request.app[STUDIO].cancel(prediction)
    return web.json_response(request.app[STUDIO].view(prediction))


async def delete(request: web.Request) -> web.Response:
    request.app[STUDIO].delete(_asked_for(request))
    return web.Response(status=204)


async def send_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    path = request.app[STUDIO].file(request.match_info["token"], name)
    if path is None:
        raise web.HTTPNotFound
    headers = {"Content-Type": CONTENT_TYPES[name], "Cache-Control": "private", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(path, headers=headers)


async def health(request: web.Request) -> web.Response:
    facts = request.app[STUDIO].health()
    return web.json_response(facts, status=200 if facts["ok"] else 503)


def problem(status: int, code: str, message: str, *, retry_after: int | None = None) -> web.Response:
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)


def _asked_for(request: web.Request) -> Prediction:
    prediction = request.app[STUDIO].get(request.match_info["id"])
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
async def _answer_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return problem(413, "too_long", "At most 16 MB are taken.")
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem(error.status, "no_such_thing" if error.status == 404 else "refused", f"{error.reason}.")


def run(settings: StudioSettings) -> None:
    """Serve in this thread until a signal says stop."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(settings))
