"""Where processes show that they are at work. No Django here: the supervisor looks too."""

from __future__ import annotations

from pathlib import Path


def beat_path(var_dir: Path, name: str) -> Path:
    """Return the file whose time is the last sign of life of this machine's process of that name."""
    return var_dir / "run" / f"{name}.beat"
