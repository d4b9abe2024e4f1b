"""Small disks of a storm's own, which can be filled and freed: tmpfs, where this user may mount one."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path

BALLAST = ".ballast"
PIECE = 2**20


class Disk:
    """`with Disk(path, megabytes=64) as disk:` mounts a small disk there; `why_not` says why there is none."""

    def __init__(self, path: Path, *, megabytes: int, mode: str = "0700") -> None:
        self.path, self.megabytes, self.mode = path, megabytes, mode
        self.why_not = ""

    def __enter__(self) -> Disk:
        self.path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0:
            self.why_not = "only root mounts disks"
            return self
        options = f"size={self.megabytes}m,mode={self.mode}"
        try:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)], capture_output=True, text=True
            )
        except OSError as error:
            self.why_not = f"mount cannot be run: {error}"
            return self
        if done.returncode:
            self.why_not = f"mount: {done.stderr.strip() or done.returncode}"
        return self

    def __exit__(self, *_: object) -> None:
        if not self.why_not:
            subprocess.run(["umount", "-l", str(self.path)], capture_output=True, check=True)

    def fill(self) -> int:
        """Leave not a byte; return how many were taken."""
        with (self.path / BALLAST).open("ab", buffering=0) as ballast:
            for size in (PIECE, 4096):
                while True:
                    try:
                        if ballast.write(b"\0" * size) < size:
                            break
                    except OSError as error:
                        if error.errno != errno.ENOSPC:
                            raise
                        break
            return ballast.tell()

    def free(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.path / BALLAST).unlink()

    def free_bytes(self) -> int:
        room = os.statvfs(self.path)
        return room.f_bavail * room.f_frsize
