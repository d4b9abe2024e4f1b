"""How the studio is set up, from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REAL_RENDERER = "providers.studio.render:Renderer"


def default_renderers() -> int:
    """Return how many films are rendered at once: cores − 1, at least one."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


@dataclass(frozen=True)
class StudioSettings:
    """Times are in seconds, sizes in bytes."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    renderers: int = 1
    waiting: int = 10
    renderer: str = REAL_RENDERER
    keep_seconds: float = 3600.0
    stall_seconds: float = 60.0
    body_bytes: int = 16 * 2**20
    recycle_after: int = 500
    recycle_rss: int = 900 * 2**20
    webhook_seconds: float = 10.0
    webhook_give_up_seconds: float = 3600.0

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"


def from_environment(env: Mapping[str, str], *, folder: Path, host: str, port: int) -> StudioSettings:
    """Return the settings that STUDIO_RENDERERS, STUDIO_QUEUE, STUDIO_KEEP_SECONDS and STUDIO_RENDERER ask for."""
    return StudioSettings(
        folder=folder,
        host=host,
        port=port,
        renderers=max(1, int(env.get("STUDIO_RENDERERS") or default_renderers())),
        waiting=int(env.get("STUDIO_QUEUE") or 10),
        renderer=env.get("STUDIO_RENDERER") or REAL_RENDERER,
        keep_seconds=float(env.get("STUDIO_KEEP_SECONDS") or 3600),
    )
