"""A process that ends with its parent, also when the parent is killed and can tell nobody."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Loaded here, because a child between fork and exec should load nothing.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def prctl(option: int, value: int) -> None:
    """Set an option of this process (Linux only). Raise OSError when the kernel refuses."""
    assert _LIBC is not None
    if _LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent, whose id is given, ends; end at once when it has ended.

    The kernel counts the thread that started this process as its parent. Elsewhere than on Linux only the second half
    is done. Raise OSError when the kernel refuses. May run between fork and exec.
    """
    if _LIBC is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)
