"""The filters of both machines, call by call, and the numbers that they are made of."""

import platform
import re
from pathlib import Path

import pytest

from confinement.seccomp import ALLOW, FOLDERS, INTRUDERS, KILL, MISSING, NO_TERMINAL, REFUSE, WORK, X32, build
from confinement.syscalls import AARCH64, NUMBERS, X86_64, number
from tests.confinement import bpf

MACHINES = (X86_64, AARCH64)
PID = 4321
CLOSED = {machine: build(machine, PID, has_folders=False, may_map_code=False) for machine in MACHINES}
RENDERER = {machine: build(machine, PID, has_folders=True, may_map_code=True) for machine in MACHINES}
THREAD, FORK, NEW_USER = 0x3D0F00, 0x1200011, 0x10000000 | 0x10000
HEADERS = {
    X86_64: ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    AARCH64: ("/usr/include/asm-generic/unistd.h",),  # the table that aarch64 uses
}
# Written down from the kernel's own tables (Linux 6.18), independently of those that the filter is made of.
RECORDED = {
    X86_64: {"read": 0, "openat": 257, "socket": 41, "execve": 59, "clone": 56, "ptrace": 101, "seccomp": 317}
    | {"clone3": 435, "io_uring_setup": 425, "process_vm_readv": 310, "recvmsg": 47, "mmap": 9, "unshare": 272},
    AARCH64: {"read": 63, "openat": 56, "socket": 198, "execve": 221, "clone": 220, "ptrace": 117, "seccomp": 277}
    | {"clone3": 435, "io_uring_setup": 425, "process_vm_readv": 270, "recvmsg": 212, "mmap": 222, "unshare": 97},
}


def verdict(machine, name, *arguments, programs=CLOSED):
    return bpf.run(programs[machine], machine, number(name, machine), arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_kernel(machine, record_property):
    """Against this machine's headers where it has any, else against the recorded ones; either way it is said which."""
    header = next((Path(path) for path in HEADERS[machine] if Path(path).exists()), None)
    known = RECORDED[machine]
    if header is not None:
        found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
        known = known | {name: int(value) for name, value in found if name in NUMBERS}
    record_property("compared", f"{len(known)} numbers of {machine} with {header or 'the recorded ones'}")
    assert {name: number(name, machine) for name in known} == known


def test_every_call_that_a_filter_names_has_a_number():
    assert {*WORK, *FOLDERS, *INTRUDERS} <= set(NUMBERS)
    assert platform.machine() in MACHINES, "the filter does not know this machine"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_closed_child_may_work_and_nothing_else(machine):
    for name in ("read", "write", "futex", "brk", "exit_group", "recvmsg"):
        assert verdict(machine, name) == ALLOW
    for name in ("openat", "unlinkat", "mkdirat", "getdents64", "sendto", "memfd_create", "newfstatat", "statx"):
        assert verdict(machine, name) == REFUSE
    assert verdict(machine, "clone3") == MISSING
    assert verdict(machine, "ioctl", 1, 0x5401) == NO_TERMINAL
    assert bpf.run(CLOSED[machine], machine, 9999) == REFUSE


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("programs", [CLOSED, RENDERER], ids=["child", "renderer"])
def test_what_only_an_intruder_asks_for_ends_the_process(machine, programs):
    for name in INTRUDERS:
        if number(name, machine) >= 0:
            assert verdict(machine, name, programs=programs) == KILL, name


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_depend_on_an_argument(machine):
    assert verdict(machine, "clone", THREAD) == ALLOW
    assert verdict(machine, "clone", FORK) == verdict(machine, "clone", NEW_USER) == KILL
    assert verdict(machine, "kill", PID, 6) == verdict(machine, "tgkill", PID, PID, 6) == ALLOW
    assert verdict(machine, "kill", PID + 1, 9) == verdict(machine, "kill", -1, 9) == REFUSE
    assert verdict(machine, "kill", 0, 9) == verdict(machine, "tkill", PID, 9) == REFUSE
    assert verdict(machine, "mmap", 0, 4096, 3) == verdict(machine, "mprotect", 0, 4096, 1) == ALLOW
    assert verdict(machine, "mmap", 0, 4096, 7) == verdict(machine, "mprotect", 0, 4096, 5) == REFUSE
    assert verdict(machine, "mmap", 0, 4096, 5, programs=RENDERER) == ALLOW
    assert verdict(machine, "prlimit64", 0, 0) == ALLOW
    assert verdict(machine, "prlimit64", PID + 1, 0) == REFUSE
    assert verdict(machine, "prctl", 15) == ALLOW
    assert verdict(machine, "prctl", 22, 2) == REFUSE
    assert verdict(machine, "fcntl", 5, 1) == verdict(machine, "fcntl", 5, 1030) == ALLOW
    assert verdict(machine, "fcntl", 5, 8, PID) == REFUSE


def test_calls_of_another_kind_of_machine_end_the_process():
    assert bpf.run(CLOSED[X86_64], X86_64, 11, arch=0x40000003) == KILL  # execve by int 0x80
    assert bpf.run(CLOSED[X86_64], X86_64, X32 | 1) == KILL
    assert bpf.run(CLOSED[AARCH64], AARCH64, 4, arch=0x40000028) == KILL  # 32-bit ARM


@pytest.mark.parametrize("machine", MACHINES)
def test_no_number_stands_for_two_calls_and_the_programs_fit(machine):
    known = [number(name, machine) for name in NUMBERS if number(name, machine) >= 0]
    assert len(known) == len(set(known))
    assert max(len(CLOSED[machine]), len(RENDERER[machine])) // 8 < 4096
