"""Small disks that a test may fill: `with small_disk(path, megabytes=64):` mounts one there."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ADVICE = "Only root may mount the small disk that this test fills: run it as root, or leave it to CI."


@contextlib.contextmanager
def small_disk(path: Path, *, megabytes: int) -> Iterator[Path]:
    """Mount a disk of this size. Where that is not allowed the test is skipped, and fails in CI."""
    path.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{ADVICE} {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@contextlib.contextmanager
def filled(disk: Path, *, leave: int = 0) -> Iterator[None]:
    """Take all room of a disk but this many bytes, until the end."""
    filler = disk / ".filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while (free := shutil.disk_usage(disk).free) > leave:
            file.write(b"\0" * min(2**20, max(1, free - leave)))
    try:
        yield
    finally:
        filler.unlink()
