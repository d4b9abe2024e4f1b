"""Stepping the wall clock of one process, by a library that is loaded before all others (`clock.c`).

libfaketime 0.9.10 cannot do it for Python from 3.11 on: `time.sleep` ends in EINVAL there (seen 2026-11).
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class Clocks:
    """The wall clocks of those processes that were started with `env_for`; `why_not` says why there are none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.why_not = ""
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            self.why_not = "no C compiler"
            return
        built = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"],
            capture_output=True,
            text=True,
        )
        if built.returncode:
            self.why_not = f"clock.c does not compile: {built.stderr.strip().splitlines()[-1:]}"

    @property
    def _library(self) -> Path:
        return self.folder / "clock.so"

    def env_for(self, name: str) -> dict[str, str]:
        """Return what a process needs in its environment for its clock to be stepped."""
        if self.why_not:
            return {}
        self.step(name, 0)
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._file(name))}

    def step(self, name: str, seconds: int) -> None:
        """Let a process's clock show so many seconds more than the machine's, at once."""
        path = self._file(name)
        with path.open("r+b" if path.exists() else "wb") as stream:
            stream.write(struct.pack("=q", seconds))

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.clock"
