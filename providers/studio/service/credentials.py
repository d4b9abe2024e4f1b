"""The studio's API key and webhook secret: from the environment, or generated once and stored in its folder.

The studio's process and the command that seeds the product's row both call `load_or_create`, in any order or at the
same time, and get the same values.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.files import create_file
from providers import signatures

FILE_NAME = "credentials.json"


class BadCredentials(Exception):
    """The credentials cannot be used; the message says which and what to do."""


@dataclass(frozen=True)
class Credentials:
    """The secrets that product and studio share. Never log them."""

    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


def load_or_create(folder: Path, environ: Mapping[str, str] = os.environ) -> Credentials:
    """Return STUDIO_API_KEY and STUDIO_WEBHOOK_SECRET, or the values stored in `folder` for what is not set.

    A missing file is created with random values, readable by its owner only. Raise BadCredentials.
    """
    api_key = environ.get("STUDIO_API_KEY", "")
    webhook_secret = environ.get("STUDIO_WEBHOOK_SECRET", "")
    if not (api_key and webhook_secret):
        kept = _read(folder / FILE_NAME) or _create(folder / FILE_NAME)
        api_key = api_key or kept.api_key
        webhook_secret = webhook_secret or kept.webhook_secret
    try:
        signatures.secret_key(webhook_secret)
    except ValueError as error:
        raise BadCredentials(f"STUDIO_WEBHOOK_SECRET cannot be used: {error}.") from error
    return Credentials(api_key, webhook_secret)


def _read(path: Path) -> Credentials | None:
    try:
        values = json.loads(path.read_text(encoding="ascii"))
        return Credentials(str(values["api_key"]), str(values["webhook_secret"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadCredentials(f"{path} cannot be read; remove it, then seed again.") from error


def _create(path: Path) -> Credentials:
    """Create the file atomically. When several processes do so at once, the first wins and all read its values."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    values = {"api_key": f"studio_{secrets.token_urlsafe(32)}", "webhook_secret": signatures.new_secret()}
    create_file(path, json.dumps(values))
    made = _read(path)
    assert made is not None
    return made
