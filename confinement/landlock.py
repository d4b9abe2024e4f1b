"""Landlock: a process gives up files, TCP and signals to others, by asking the kernel. No root, no way back.

Numbers and structures are those of `linux/landlock.h`.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from .syscalls import X86_64, number

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = (
    number(f"landlock_{name}", X86_64)  # the same on every machine
    for name in ("create_ruleset", "add_rule", "restrict_self")
)
ASK_VERSION, RULE_PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, REFER, TRUNCATE = 1 << 7, 1 << 8, 1 << 13, 1 << 14
# The rights that a version knows: all of them are handled, so that what no rule allows is denied.
KNOWN_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
NEWEST_FILE_RIGHTS = 16  # since version 5, with ioctl on devices
TCP = 0b11  # bind and connect, since version 4
SCOPES = 0b11  # abstract unix sockets and signals stay within, since version 6

FOR_READING = READ_FILE | READ_DIR
FOR_WRITING = FOR_READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE
FOR_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True)


class LandlockRefused(OSError):
    """The kernel has Landlock and does not do what it was asked for."""


def version() -> int:
    """Return the version of Landlock that this kernel has, 0 for none."""
    if sys.platform != "linux":
        return 0
    return max(0, _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(ASK_VERSION)))


def restrict(readable: Iterable[Path] = (), writable: Iterable[Path] = ()) -> int:
    """Close all files, TCP and others' signals but for these; return the version that did it, 0 for none.

    For the calling thread and those it starts: call it before there are others. Needs no_new_privs. What is open
    stays open. Raise OSError for a path that is not there, LandlockRefused when the kernel does not do it.
    """
    abi = version()
    if not abi:
        return 0
    handled = (1 << KNOWN_FILE_RIGHTS.get(abi, NEWEST_FILE_RIGHTS)) - 1
    attributes = struct.pack("=QQQ", handled, TCP if abi >= 4 else 0, SCOPES if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _call(CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint(0))
    try:
        for paths, rights in ((readable, FOR_READING), (writable, FOR_WRITING)):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        _call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)
    return abi


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = rights if path.is_dir() else rights & FOR_A_FILE
        rule = struct.pack("=Qi", rights, descriptor)
        _call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(RULE_PATH_BENEATH), rule, ctypes.c_uint(0))
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        raise LandlockRefused(ctypes.get_errno() or errno.EINVAL, f"landlock, call {number}")
    return result
