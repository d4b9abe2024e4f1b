"""The studio's own API key and webhook secret, made once and kept in its folder."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..signatures import new_secret

FILE_NAME = "credentials.json"


@dataclass(frozen=True)
class Credentials:
    """What a caller shows to the studio, and what the studio signs its webhooks with."""

    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


def load(folder: Path, env: Mapping[str, str]) -> Credentials:
    """Return the credentials of the environment, or those kept in the folder."""
    api_key, webhook_secret = env.get("STUDIO_API_KEY", ""), env.get("STUDIO_WEBHOOK_SECRET", "")
    return Credentials(api_key, webhook_secret) if api_key and webhook_secret else load_or_create(folder)


def load_or_create(folder: Path) -> Credentials:
    """Return the credentials kept in the folder, making them first when there are none.

    Two processes that race get the same ones. Only the owner can read the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    directory = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        if path.exists():
            return Credentials(**json.loads(path.read_text(encoding="utf-8")))
        made = Credentials(api_key=secrets.token_urlsafe(32), webhook_secret=new_secret())
        temporary = path.with_suffix(".part")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(made), stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        return made
    finally:
        os.close(directory)
