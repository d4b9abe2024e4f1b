"""Parsing and validation of requests for a prediction, and fetching of photos that are sent by URL."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from providers.studio.errors import HOLOGRAM
from providers.types import Watermark

from .settings import StudioSettings

MAX_PHOTO_BYTES = 16 * 2**20
FETCH_SECONDS = 10.0
FETCH_PAUSES = (0.5, 2.0, 5.0)
LONGEST = {"reference": 128, "hero_name": 64, "seed": 128, "webhook": 2000, "photo_url": 4000, "watermark": 48}


class BadRenderRequest(ValueError):
    """The request is invalid; the message says why."""


class PhotoNotFetched(Exception):
    """The photo could not be fetched."""


@dataclass(frozen=True)
class RenderRequest:
    """A valid request for a prediction. The photo is base64 text or a URL."""

    reference: str
    look: str
    hero_name: str
    seed: str
    webhook: str
    photo_url: str
    faceless: str  # for a photo without a face: "hologram" renders one, "" fails
    encoded_photo: str = field(repr=False)
    watermark: str = field(default="", repr=False)  # see `providers.types.Watermark.to_text`; "" for none

    def photo(self) -> bytes | None:
        """Return the photo in the request, or None when it is to be fetched. Raise BadRenderRequest."""
        if self.photo_url:
            return None
        try:
            photo = base64.b64decode(self.encoded_photo, validate=True)
        except (binascii.Error, ValueError):
            raise BadRenderRequest("photo is not base64.") from None
        if not looks_like_a_photo(photo):
            raise BadRenderRequest("photo is not a JPEG, PNG or WebP file.")
        return photo


def parse_render_request(body: bytes, settings: StudioSettings) -> RenderRequest:
    """Return the request in an HTTP body. Raise BadRenderRequest."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRenderRequest("The body is not JSON.") from None
    if not isinstance(values, dict):
        raise BadRenderRequest("The body is not a JSON object.")
    reference = _text(values, "reference")
    if not reference:
        raise BadRenderRequest("reference is missing.")
    if values.get("look") not in settings.looks:
        raise BadRenderRequest(f"look must be one of: {', '.join(settings.looks)}.")
    photo, photo_url = values.get("photo"), _address(values, "photo_url")
    if bool(photo) == bool(photo_url) or not isinstance(photo or "", str):
        raise BadRenderRequest("One of photo (base64) and photo_url is needed.")
    return RenderRequest(
        reference=reference,
        look=values["look"],
        hero_name=_text(values, "hero_name"),
        seed=_text(values, "seed"),
        webhook=_address(values, "webhook"),
        photo_url=photo_url,
        faceless=_faceless(values),
        encoded_photo=photo or "",
        watermark=_watermark(values),
    )


def looks_like_a_photo(content: bytes | bytearray) -> bool:
    """Tell by its first bytes whether this may be a JPEG, PNG or WebP; the renderer decodes it later."""
    return content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (
        content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    )


async def fetch_photo(session: aiohttp.ClientSession, url: str) -> bytes:
    """Fetch a photo of at most 16 MB without redirects, in four tries of ten seconds each. Raise PhotoNotFetched."""
    for pause in FETCH_PAUSES:
        with contextlib.suppress(PhotoNotFetched):
            return await _fetch_once(session, url)
        await asyncio.sleep(pause)
    return await _fetch_once(session, url)


async def _fetch_once(session: aiohttp.ClientSession, url: str) -> bytes:
    photo = bytearray()
    try:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with session.get(url, allow_redirects=False, timeout=timeout) as response:
            if response.status != 200:
                raise PhotoNotFetched(f"HTTP {response.status}")
            async for chunk in response.content.iter_chunked(65536):
                photo += chunk
                if len(photo) > MAX_PHOTO_BYTES:
                    raise PhotoNotFetched("too long")
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise PhotoNotFetched(type(error).__name__) from error
    if not looks_like_a_photo(photo):
        raise PhotoNotFetched("not a photo")
    return bytes(photo)


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > LONGEST[name] or not _is_clean(value):
        raise BadRenderRequest(f"{name} must be text of at most {LONGEST[name]} printable characters.")
    return value


def _faceless(values: dict[str, Any]) -> str:
    value = values.get("faceless") or ""
    if value not in ("", HOLOGRAM):
        raise BadRenderRequest(f"faceless must be {HOLOGRAM} or left out.")
    return HOLOGRAM if value else ""


def _watermark(values: dict[str, Any]) -> str:
    text = _text(values, "watermark")
    try:
        return Watermark.from_text(text).to_text() if text else ""
    except ValueError:
        raise BadRenderRequest("watermark must be a key and a number in base64.") from None


def _is_clean(text: str) -> bool:
    """Tell whether text has no control characters and can be written as UTF-8."""
    return not any(
        ord(character) < 32 or ord(character) == 127 or 0xD800 <= ord(character) < 0xE000 for character in text
    )


def _address(values: dict[str, Any], name: str) -> str:
    url = _text(values, name)
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise BadRenderRequest(f"{name} must be an http or https address.")
    return url
