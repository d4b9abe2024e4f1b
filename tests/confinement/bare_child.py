"""A sandbox's child that has nothing to load, tries what it is ordered to, and may lack what kernels may lack."""

import sys
from typing import Any

from confinement import landlock, seccomp
from jobs.sandbox.child import Work, serve
from jobs.sandbox.wire import Frame, Kind
from tests.confinement import intruder


def refuse(*_: object) -> None:
    raise OSError(22, "seccomp")


def load(options: dict[str, Any]) -> Work:
    if "landlock" in options["lacks"]:
        landlock.version = lambda: 0
    if "seccomp" in options["lacks"]:
        seccomp.install = refuse

    def work(order: Frame) -> Frame:
        return Frame(Kind.DONE, {"successes": intruder.successes(order.header["attempts"], order.header["told"])})

    return work


if __name__ == "__main__":
    serve(sys.argv[1], load)
