"""The files by which processes show that they work. Without Django, because the supervisor reads them too."""

from __future__ import annotations

from pathlib import Path


def beat_path(var_dir: Path, name: str) -> Path:
    """Return the file whose modification time is the last heartbeat of the process of that name on this machine."""
    return var_dir / "run" / f"{name}.beat"
