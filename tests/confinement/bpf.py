"""Runs a seccomp filter here, also that of a machine which this one is not."""

import struct
from collections.abc import Iterable

from confinement.seccomp import AND, AUDIT_ARCH, JUMP_EQUAL, JUMP_SET, LOAD, RETURN


def run(program: bytes, machine: str, call: int, arguments: Iterable[int] = (), *, arch: int | None = None) -> int:
    """Return what the kernel would answer a system call with these arguments."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=iIQ6Q", call, arch or AUDIT_ARCH[machine], 0, *(value % 2**64 for value in padded))
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, k = struct.unpack_from("=HBBI", program, at * 8)
        at += 1
        if code == LOAD:
            accumulator = struct.unpack_from("=I", data, k)[0]
        elif code == AND:
            accumulator &= k
        elif code == JUMP_EQUAL:
            at += if_true if accumulator == k else if_false
        elif code == JUMP_SET:
            at += if_true if accumulator & k else if_false
        elif code == RETURN:
            return k
        else:
            raise AssertionError(f"an instruction {code:#x} that no filter of ours has")
