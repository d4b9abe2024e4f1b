"""What callers send: read, checked and, for a photo by address, fetched."""

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

from providers.studio.outcomes import HOLOGRAM

from .settings import StudioSettings

MAX_PHOTO_BYTES = 16 * 2**20
FETCH_SECONDS = 10.0
FETCH_PAUSES = (0.5, 2.0, 5.0)
LONGEST = {"reference": 128, "hero_name": 64, "seed": 128, "webhook": 2000, "photo_url": 4000}


class BadOrder(ValueError):
    """The caller asked for something that cannot be made; the message is a sentence."""


class PhotoNotThere(Exception):
    """The photo could not be fetched."""


@dataclass(frozen=True)
class Order:
    """A checked wish for a prediction. The photo is either still in base64 or at an address."""

    reference: str
    look: str
    hero_name: str
    seed: str
    webhook: str
    photo_url: str
    faceless: str  # "hologram": what becomes of a photo without a face; "" fails it
    encoded_photo: str = field(repr=False)

    def photo(self) -> bytes | None:
        """Return the photo that came with the order, or None when it is to be fetched. Raise BadOrder."""
        if self.photo_url:
            return None
        try:
            photo = base64.b64decode(self.encoded_photo, validate=True)
        except (binascii.Error, ValueError):
            raise BadOrder("photo is not base64.") from None
        if not looks_like_a_photo(photo):
            raise BadOrder("photo is not a JPEG, PNG or WebP file.")
        return photo


def read_order(body: bytes, settings: StudioSettings) -> Order:
    """Return what a request's body asks for. Raise BadOrder when it cannot be made."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise BadOrder("The body is not JSON.") from None
    if not isinstance(values, dict):
        raise BadOrder("The body is not a JSON object.")
    reference = _text(values, "reference")
    if not reference:
        raise BadOrder("reference is missing.")
    if values.get("look") not in settings.looks:
        raise BadOrder(f"look must be one of: {', '.join(settings.looks)}.")
    photo, photo_url = values.get("photo"), _address(values, "photo_url")
    if bool(photo) == bool(photo_url) or not isinstance(photo or "", str):
        raise BadOrder("One of photo (base64) and photo_url is needed.")
    return Order(
        reference=reference,
        look=values["look"],
        hero_name=_text(values, "hero_name"),
        seed=_text(values, "seed"),
        webhook=_address(values, "webhook"),
        photo_url=photo_url,
        faceless=_faceless(values),
        encoded_photo=photo or "",
    )


def looks_like_a_photo(content: bytes | bytearray) -> bool:
    """Tell by its first bytes whether this may be a photo; whether it can be decoded is the renderer's to say."""
    return content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (
        content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    )


async def fetch_photo(session: aiohttp.ClientSession, url: str) -> bytes:
    """Fetch a photo, in a few tries: no redirects, at most 16 MB, within ten seconds each. Raise PhotoNotThere."""
    for pause in FETCH_PAUSES:
        with contextlib.suppress(PhotoNotThere):
            return await _fetch_once(session, url)
        await asyncio.sleep(pause)
    return await _fetch_once(session, url)


async def _fetch_once(session: aiohttp.ClientSession, url: str) -> bytes:
    photo = bytearray()
    try:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with session.get(url, allow_redirects=False, timeout=timeout) as answer:
            if answer.status != 200:
                raise PhotoNotThere(f"HTTP {answer.status}")
            async for chunk in answer.content.iter_chunked(65536):
                photo += chunk
                if len(photo) > MAX_PHOTO_BYTES:
                    raise PhotoNotThere("too long")
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise PhotoNotThere(type(error).__name__) from error
    if not looks_like_a_photo(photo):
        raise PhotoNotThere("not a photo")
    return bytes(photo)


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > LONGEST[name] or not _is_clean(value):
        raise BadOrder(f"{name} must be text of at most {LONGEST[name]} printable characters.")
    return value


def _faceless(values: dict[str, Any]) -> str:
    wish = values.get("faceless") or ""
    if wish not in ("", HOLOGRAM):
        raise BadOrder(f"faceless must be {HOLOGRAM} or left out.")
    return HOLOGRAM if wish else ""


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
        raise BadOrder(f"{name} must be an http or https address.")
    return url
