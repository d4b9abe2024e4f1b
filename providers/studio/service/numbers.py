"""Validation of a studio's numeric settings. It imports little, so that the supervisor can validate them too."""

from __future__ import annotations

import os
from collections.abc import Mapping


class BadSetting(ValueError):
    """A variable cannot be used; the message names it."""


def default_renderers() -> int:
    """Return the default number of renderers: one per core, except one core for everything else."""
    return max(1, cores() - 1)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def numbers(environ: Mapping[str, str]) -> tuple[int, int, int, int]:
    """Return port, renderers, waiting places and seconds to keep; raise BadSetting for the first invalid one."""
    return (
        _number(environ, "STUDIO_PORT", 9000, highest=65535),
        _number(environ, "STUDIO_RENDERERS", default_renderers(), highest=256),
        _number(environ, "STUDIO_QUEUE", 10, highest=100_000),
        _number(environ, "STUDIO_KEEP_SECONDS", 3600, highest=30 * 86400),
    )


def _number(environ: Mapping[str, str], name: str, default: int, *, highest: int) -> int:
    text = (environ.get(name) or "").strip()
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= highest:
        return int(text)
    raise BadSetting(f"{name} must be a whole number from 1 to {highest}, not “{' '.join(text.split())[:60]}”.")
