"""A studio's settings, read once from the environment and without Django.

| variable | default | |
| --- | --- | --- |
| `STUDIO_DIR` | `VAR_DIR/studio` | the studio's files |
| `STUDIO_PORT` | 9000 | the port, when `--port` is not given |
| `STUDIO_PUBLIC_URL` | as the caller reached it | the base of film URLs |
| `STUDIO_RENDERERS` | cores − 1, at least 1 | films rendered at the same time |
| `STUDIO_QUEUE` | 10 | predictions that may wait for a renderer |
| `STUDIO_KEEP_SECONDS` | 3600 | how long films are served |
| `STUDIO_RENDERER` | `providers.studio.film.render:Renderer` | the class that makes films |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from .credentials import Credentials, load_or_create
from .numbers import BadSetting, default_renderers, numbers

__all__ = ["BadSetting", "StudioSettings", "default_renderers", "from_environment", "studio_folder"]

PROJECT_DIR = Path(__file__).resolve().parents[3]
LOOKS = ("neon-noir", "chrome-samurai", "netrunner", "daybreak", "dust-nomad", "frost-warden")
DEFAULT_RENDERER = "providers.studio.film.render:Renderer"


@dataclass(frozen=True)
class StudioSettings:
    """The settings of one studio process. Times that are not a `timedelta` are in seconds."""

    folder: Path
    credentials: Credentials
    host: str = "127.0.0.1"
    port: int = 9000
    public_url: str = ""
    renderers: int = 1
    waiting_places: int = 10
    keep: timedelta = timedelta(hours=1)
    renderer: str = DEFAULT_RENDERER
    looks: tuple[str, ...] = LOOKS
    warm_up_seconds: float = 120.0
    stall_seconds: float = 30.0  # without progress, after which a renderer counts as hung
    film_seconds: float = 180.0  # the longest that one film may take, with or without progress
    stop_seconds: float = 0.3  # between asking a renderer to stop and killing it
    films_per_process: int = 500
    max_process_bytes: int = 600 * 2**20
    webhook_seconds: float = 10.0
    webhook_patience: timedelta = timedelta(hours=1)
    webhook_backoff: tuple[float, float] = (0.5, 60.0)

    @property
    def capacity(self) -> int:
        """How many unfinished predictions there may be."""
        return self.renderers + self.waiting_places


def studio_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the studio's folder: STUDIO_DIR, or `studio` in VAR_DIR. Relative paths start at the project's folder."""
    chosen = environ.get("STUDIO_DIR") or str(Path(environ.get("VAR_DIR") or "var").expanduser() / "studio")
    return Path(os.path.abspath(PROJECT_DIR / Path(chosen).expanduser()))


def from_environment(
    environ: Mapping[str, str] = os.environ, *, host: str = "127.0.0.1", port: int | None = None
) -> StudioSettings:
    """Return the settings of this environment, and create missing credentials.

    Raise BadSetting or `credentials.BadCredentials`, with a message for people.
    """
    folder = studio_folder(environ)
    listen, renderers, waiting_places, keep_seconds = numbers(environ)
    return StudioSettings(
        folder=folder,
        credentials=load_or_create(folder, environ),
        host=host,
        port=listen if port is None else port,
        public_url=environ.get("STUDIO_PUBLIC_URL", "").rstrip("/"),
        renderers=renderers,
        waiting_places=waiting_places,
        keep=timedelta(seconds=keep_seconds),
        renderer=environ.get("STUDIO_RENDERER") or DEFAULT_RENDERER,
    )
