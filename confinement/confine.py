"""Give up, for good, what a process that opens untrusted bytes does not need: Landlock and seccomp, as far as they go.

    confined = confine()                                   # a child: nothing but what is open already
    confined = confine(readable=[...], writable=[...])     # a renderer: these folders
    str(confined)                                          # "landlock 7 (files, TCP, signals), seccomp"

Once, after everything is loaded and before the first foreign byte. Linux on x86-64 and aarch64; elsewhere, and on
kernels without one of the two, the other and the limits remain, and the answer says what is missing.
"""

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.processes import prctl

from . import landlock, seccomp
from .syscalls import AARCH64, X86_64

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Confinement:
    """What confines a process, or could: the version of Landlock (0: none), whether calls are filtered, what is amiss.

    Landlock holds files from version 1 on, TCP from 4, signals and abstract sockets from 6.
    """

    landlock: int = 0
    is_filtered: bool = False
    problem: str = ""

    @property
    def is_complete(self) -> bool:
        return self.landlock >= 1 and self.is_filtered and not self.problem

    def __str__(self) -> str:
        held = [what for since, what in ((1, "files"), (4, "TCP"), (6, "signals")) if self.landlock >= since]
        parts = [
            f"landlock {self.landlock} ({', '.join(held)})" if held else "no landlock",
            "seccomp" if self.is_filtered else "no seccomp",
        ]
        return ", ".join(parts) + (f": {self.problem}" if self.problem else "")


def offered() -> Confinement:
    """Return what this kernel offers, without giving anything up."""
    if sys.platform != "linux":
        return Confinement(problem=f"{sys.platform} has neither")
    machine = known_machine()
    if machine is None:
        return Confinement(landlock.version(), problem=f"no filter for {platform.machine()}")
    return Confinement(landlock.version(), seccomp.is_available(machine))


def confine(readable: Iterable[Path] = (), writable: Iterable[Path] = (), *, may_map_code: bool = False) -> Confinement:
    """Give up what a decoder never needs, and return what the kernel could do about it.

    Folders named here stay open for reading or writing; a process with none may open no file at all. It may map no new
    code, and so load no library, unless `may_map_code`. OSError when a folder is not there.
    """
    if sys.platform != "linux":
        return offered()
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_DUMPABLE, 0)
    readable, writable = list(readable), list(writable)
    problems = []
    if landlock.version() and (others := len(os.listdir("/proc/self/task")) - 1):
        problems.append(f"landlock does not hold {others} threads that ran before")
    version, is_filtered, machine = 0, False, known_machine()
    try:
        version = landlock.restrict(readable, writable)
    except landlock.LandlockRefused as error:
        problems.append(str(error))
    if machine is None:
        problems.append(f"no filter for {platform.machine()}")
    else:
        has_folders = bool(readable or writable)
        program = seccomp.build(machine, os.getpid(), has_folders=has_folders, may_map_code=may_map_code)
        try:
            seccomp.install(program, machine)
            is_filtered = True
        except OSError as error:
            problems.append(str(error))
    return Confinement(version, is_filtered, "; ".join(problems))


def known_machine() -> str | None:
    """Return this machine by the name under which its system calls are known here, if they are."""
    return platform.machine() if platform.machine() in (X86_64, AARCH64) else None
