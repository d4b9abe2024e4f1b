"""The studio: a video provider like any other, behind HTTP, that renders on this machine's CPU.

    POST   /v1/predictions                 202, or 200 when the reference is known; 422, 429 + Retry-After, 401, 413
           {"reference", "look", "hero_name", "seed", "photo": base64 JPEG | "photo_url", "webhook"}
    GET    /v1/predictions?reference=…     200 {"items": […]}
    GET    /v1/predictions/{id}            200
    POST   /v1/predictions/{id}/cancel     200
    DELETE /v1/predictions/{id}            204; photo, film and record are gone
    GET    /files/{token}/film.mp4, poster.jpg   until they expire; byte ranges
    GET    /healthz

All but files and health want `Authorization: Bearer KEY`. Webhooks are signed by Standard Webhooks:
`{"type": "prediction.started|progress|preview|succeeded|failed|canceled", "timestamp", "prediction"}`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from .credentials import Credentials
from .pool import Pool, every
from .settings import StudioSettings
from .store import FINAL, QUEUED, Prediction, Store, new_prediction
from .webhooks import WebhookSender

logger = logging.getLogger(__name__)

LOOKS = frozenset({"neon-noir", "chrome-samurai", "netrunner"})
FILES = {"film.mp4": "video/mp4", "poster.jpg": "image/jpeg"}
SWEEP_SECONDS = 30.0
PHOTO_URL_SECONDS = 20.0


class Studio:
    """The application's state and its handlers."""

    def __init__(self, settings: StudioSettings, credentials: Credentials) -> None:
        self.settings = settings
        self.credentials = credentials
        self.store = Store(settings.folder)
        self.sender = WebhookSender(settings, credentials.webhook_secret)
        self.pool = Pool(settings, self.store, self._tell)
        self._sweeper: Any = None

    def application(self) -> web.Application:
        """Return the aiohttp application; it starts and stops the renderers with itself."""
        app = web.Application(client_max_size=self.settings.body_bytes, middlewares=[self._guard])
        app.add_routes(
            [
                web.post("/v1/predictions", self.submit),
                web.get("/v1/predictions", self.search),
                web.get("/v1/predictions/{id}", self.read),
                web.post("/v1/predictions/{id}/cancel", self.cancel),
                web.delete("/v1/predictions/{id}", self.delete),
                web.get("/files/{token}/{name}", self.file),
                web.get("/healthz", self.health),
            ]
        )
        app.on_startup.append(self._start)
        app.on_shutdown.append(self._stop)
        return app

    # --- Handlers ---------------------------------------------------------------------------

    async def submit(self, request: web.Request) -> web.Response:
        """Take a prediction, once for each reference."""
        values = await _order(request)
        known = self.store.by_reference(values["reference"]) if values["reference"] else None
        if known:
            return web.json_response(self.body(known))
        if self.pool.is_stopping:
            raise _problem(web.HTTPServiceUnavailable, "stopping", {"Retry-After": "5"})
        if not self.pool.has_room:
            wait = str(self.pool.seconds_until_room())
            raise _problem(web.HTTPTooManyRequests, "queue_full", {"Retry-After": wait})
        photo = values["photo"] if values["photo"] is not None else await _fetch(values["photo_url"], self.settings)
        if not photo.startswith(b"\xff\xd8"):
            raise _problem(web.HTTPUnprocessableEntity, "photo_not_jpeg")
        prediction = new_prediction(values, now=time.time())
        self.store.add(prediction, photo)
        await self.pool.add(prediction)
        return web.json_response(self.body(prediction), status=202)

    async def search(self, request: web.Request) -> web.Response:
        """Look a prediction up by the caller's reference."""
        found = self.store.by_reference(request.query.get("reference", ""))
        return web.json_response({"items": [self.body(found)] if found else []})

    async def read(self, request: web.Request) -> web.Response:
        """Answer with a prediction as it is."""
        return web.json_response(self.body(self._prediction(request)))

    async def cancel(self, request: web.Request) -> web.Response:
        """Stop a prediction; a final one stays as it is."""
        prediction = self._prediction(request)
        self.pool.cancel(prediction)
        return web.json_response(self.body(prediction))

    async def delete(self, request: web.Request) -> web.Response:
        """Forget a prediction, its photo and its film."""
        prediction = self._prediction(request)
        self.pool.cancel(prediction)
        self.sender.forget(prediction.id)
        self.store.remove(prediction)
        return web.Response(status=204)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Serve a film or a poster until it expires."""
        prediction, name = self.store.by_token(request.match_info["token"]), request.match_info["name"]
        if prediction is None or name not in FILES:
            raise _problem(web.HTTPNotFound, "not_found")
        path = self.store.path(prediction) / name
        if not path.is_file():
            raise _problem(web.HTTPNotFound, "not_found")
        return web.FileResponse(path, headers={"Content-Type": FILES[name], "Cache-Control": "private, no-store"})

    async def health(self, request: web.Request) -> web.Response:
        """Tell how many renderers there are and what they do."""
        return web.json_response(
            {
                "ok": True,
                "renderers": len(self.pool.renderers),
                "warm": sum(renderer.is_warm for renderer in self.pool.renderers),
                "running": len(self.pool.rendering),
                "waiting": len(self.pool.waiting),
            }
        )

    def body(self, prediction: Prediction) -> dict[str, Any]:
        """Return a prediction as the API shows it."""
        files = f"{self.settings.base_url}/files/{prediction.token}"
        status = prediction.status
        if status == QUEUED and not any(renderer.is_warm for renderer in self.pool.renderers):
            status = "starting"
        return {
            "id": prediction.id,
            "reference": prediction.reference,
            "status": status,
            "progress": round(prediction.progress, 3),
            "queue_position": self.pool.position(prediction),
            "error": {"code": prediction.error_code, "message": prediction.error_message}
            if prediction.error_code
            else None,
            "poster": f"{files}/poster.jpg" if prediction.has_poster else None,
            "video": f"{files}/film.mp4" if prediction.has_video else None,
            "metrics": {"render_seconds": prediction.render_seconds, "cpu_seconds": prediction.cpu_seconds},
            "created_at": _iso(prediction.created_at),
            "started_at": _iso(prediction.started_at),
            "finished_at": _iso(prediction.finished_at),
            "expires_at": _iso(prediction.expires_at),
        }

    # --- Inside -----------------------------------------------------------------------------

    def _prediction(self, request: web.Request) -> Prediction:
        prediction = self.store.get(request.match_info["id"])
        if prediction is None:
            raise _problem(web.HTTPNotFound, "not_found")
        return prediction

    def _tell(self, prediction: Prediction, kind: str) -> None:
        """Send a webhook; the last one of a prediction is remembered until it was taken."""

        def taken() -> None:
            prediction.told_final = True
            self.store.save(prediction)

        on_taken = taken if kind in FINAL else lambda: None
        self.sender.tell(prediction.id, prediction.webhook, kind, self.body(prediction), on_taken)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Let in who shows the key; files carry their own."""
        if request.path.startswith("/v1/"):
            given = request.headers.get("Authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, b"Bearer " + self.credentials.api_key.encode()):
                raise _problem(web.HTTPUnauthorized, "unauthorized")
        return await handler(request)

    async def _start(self, app: web.Application) -> None:
        self.store.load()
        await self.pool.start()
        for prediction in self.store:
            if prediction.is_final and not prediction.told_final:
                self._tell(prediction, prediction.status)
        self._sweeper = asyncio.create_task(every(SWEEP_SECONDS, self._sweep))

    async def _stop(self, app: web.Application) -> None:
        self._sweeper.cancel()
        await self.pool.stop()
        await self.sender.close()

    def _sweep(self) -> None:
        for prediction in self.store.expired(now=time.time()):
            self.sender.forget(prediction.id)
            self.store.remove(prediction)


async def _order(request: web.Request) -> dict[str, Any]:
    """Return the checked values of a submit, or raise the 4xx that says what is wrong."""
    try:
        given = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise _problem(web.HTTPBadRequest, "not_json") from None
    if not isinstance(given, dict):
        raise _problem(web.HTTPBadRequest, "not_json")
    texts = {name: given.get(name) or "" for name in ("reference", "look", "hero_name", "seed", "webhook", "photo_url")}
    if any(not isinstance(value, str) or len(value) > 2000 for value in texts.values()):
        raise _problem(web.HTTPUnprocessableEntity, "value_not_text")
    if texts["look"] not in LOOKS:
        raise _problem(web.HTTPUnprocessableEntity, "look_unknown")
    if texts["webhook"] and urlsplit(texts["webhook"]).scheme not in ("http", "https"):
        raise _problem(web.HTTPUnprocessableEntity, "webhook_not_http")
    photo: bytes | None = None
    if given.get("photo"):
        try:
            photo = base64.b64decode(given["photo"], validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise _problem(web.HTTPUnprocessableEntity, "photo_not_base64") from None
    elif urlsplit(texts["photo_url"]).scheme not in ("http", "https"):
        raise _problem(web.HTTPUnprocessableEntity, "photo_missing")
    return {**texts, "hero_name": texts["hero_name"][:24], "photo": photo}


async def _fetch(url: str, settings: StudioSettings) -> bytes:
    """Return the photo behind an address, no longer than a photo may be."""
    timeout = aiohttp.ClientTimeout(total=PHOTO_URL_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise _problem(web.HTTPUnprocessableEntity, "photo_not_reachable")
            photo = await answer.content.read(settings.body_bytes + 1)
            while len(photo) <= settings.body_bytes and not answer.content.at_eof():
                photo += await answer.content.read(settings.body_bytes + 1 - len(photo))
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise _problem(web.HTTPUnprocessableEntity, "photo_not_reachable") from None
    if len(photo) > settings.body_bytes:
        raise _problem(web.HTTPUnprocessableEntity, "photo_too_big")
    return photo


def _problem(kind: type[web.HTTPException], code: str, headers: dict[str, str] | None = None) -> web.HTTPException:
    text = json.dumps({"error": {"code": code}})
    return kind(text=text, content_type="application/json", headers=headers)


def _iso(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z") if seconds else None


def serve(settings: StudioSettings, credentials: Credentials) -> None:
    """Run the studio until SIGTERM or Ctrl-C."""
    app = Studio(settings, credentials).application()
    web.run_app(app, host=settings.host, port=settings.port, access_log=None, print=None, shutdown_timeout=2.0)
