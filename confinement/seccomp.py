"""The seccomp filter of a child: which system calls it may make, as a BPF program. Built here, run by the kernel.

What is not named is refused with EPERM, so that a library which only tried goes on. What nobody but an intruder asks
for (another program, a process, a socket, someone else's memory) ends the process with SIGSYS, and the parent says so
in its log. The program is plain numbers, so tests can run that of a machine which this one is not.
"""

import ctypes
import errno
import struct
from dataclasses import dataclass

from .syscalls import AARCH64, X86_64, number

ALLOW, KILL = 0x7FFF0000, 0x80000000  # SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS
ERRNO = 0x00050000  # SECCOMP_RET_ERRNO, plus the number
REFUSE, MISSING, NO_TERMINAL = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS, ERRNO | errno.ENOTTY

AUDIT_ARCH = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
X32 = 0x40000000  # the second set of calls on x86-64

LOAD, AND, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x54, 0x15, 0x45, 0x06  # BPF: W|ABS, ALU|AND|K, JMP|JEQ|K, JSET, RET|K
NUMBER_AT, ARCH_AT, ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data

PROT_EXEC = 4
CLONE_THREAD, CLONE_NEW = 0x00010000, 0x7E020080  # every CLONE_NEW*
PR_SET_NAME, PR_GET_NO_NEW_PRIVS = 15, 39

# Most asked for first: the kernel reads from the top (and remembers what needs no argument, since 5.11).
WORK = (
    *("read", "write", "futex", "getrusage", "rt_sigprocmask", "brk", "munmap", "mremap", "madvise", "close"),
    *("lseek", "fstat", "readv", "writev", "pread64", "pwrite64", "dup", "dup2", "dup3", "poll", "ppoll", "select"),
    *("pselect6", "set_robust_list", "set_tid_address", "rseq", "exit", "exit_group", "rt_sigaction", "rt_sigreturn"),
    *("rt_sigtimedwait", "sigaltstack", "restart_syscall", "getpid", "getppid", "gettid", "getuid", "geteuid"),
    *("getgid", "getegid", "getrlimit", "setrlimit", "getpriority", "sched_yield", "sched_getaffinity", "getcpu"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "uname"),
    *("sysinfo", "getrandom", "mincore", "recvmsg"),
)
# For a process that has folders of its own; Landlock says which.
FOLDERS = (
    *("open", "openat", "newfstatat", "stat", "lstat", "statx", "access", "faccessat", "faccessat2", "readlink"),
    *("readlinkat", "getdents64", "getcwd", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink"),
    *("unlinkat", "rmdir", "ftruncate", "fsync", "fdatasync", "fallocate", "fadvise64", "statfs", "fstatfs"),
    *("fcntl", "pipe2", "sendto", "sendmsg", "recvfrom", "shutdown", "getsockopt", "getsockname"),
    *("epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2"),
)
INTRUDERS = (
    *("socket", "connect", "bind", "listen", "accept", "accept4", "execve", "execveat", "fork", "vfork", "ptrace"),
    *("process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_open", "pidfd_getfd", "pidfd_send_signal"),
    *("kcmp", "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "bpf", "perf_event_open"),
    *("userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key"),
    *("init_module", "finit_module", "kexec_load", "open_by_handle_at", "name_to_handle_at", "modify_ldt"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A call that depends on one argument (its lower half: flags and process ids need no more)."""

    name: str
    argument: int
    mask: int
    value: int  # allowed when argument & mask == value
    otherwise: int = REFUSE


def conditions(pid: int, *, has_folders: bool, may_map_code: bool) -> list[Rule]:
    """Return the calls that are allowed with some arguments only."""
    rules = [
        # Threads, not processes. `clone3` hides its flags from filters; without it libc uses `clone`.
        Rule("clone", 0, CLONE_THREAD | CLONE_NEW, CLONE_THREAD, KILL),
        # Signals to itself (abort) and nobody else.
        Rule("kill", 0, 0xFFFFFFFF, pid),
        Rule("tgkill", 0, 0xFFFFFFFF, pid),
        Rule("prctl", 0, 0xFFFFFFFF, PR_SET_NAME),
        Rule("prctl", 0, 0xFFFFFFFF, PR_GET_NO_NEW_PRIVS),
        Rule("setpriority", 1, 0xFFFFFFFF, 0),
        Rule("prlimit64", 0, 0xFFFFFFFF, 0),
    ]
    if not may_map_code:
        rules += [Rule("mmap", 2, PROT_EXEC, 0), Rule("mprotect", 2, PROT_EXEC, 0)]
    if not has_folders:
        rules += descriptor_flags()
    return rules


def descriptor_flags() -> list[Rule]:
    """F_DUPFD, F_GETFD, F_SETFD, F_GETFL: 0 to 3; never F_SETOWN or F_NOTIFY, which send signals."""
    return [Rule("fcntl", 1, 0xFFFFFFFC, 0), Rule("fcntl", 1, 0xFFFFFFFF, 1030)]  # and F_DUPFD_CLOEXEC


def build(machine: str, pid: int, *, has_folders: bool, may_map_code: bool) -> bytes:
    """Return the filter of a process as a BPF program, 8 bytes an instruction.

    `pid` is the process that it is for, `has_folders` lets it name files, `may_map_code` lets it load libraries.
    """
    program = [
        (LOAD, 0, 0, ARCH_AT),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, KILL),  # 32-bit calls have other numbers
        (LOAD, 0, 0, NUMBER_AT),
    ]
    if machine == X86_64:
        program += [(JUMP_SET, 0, 1, X32), (RETURN, 0, 0, KILL)]

    def answer(name: str, action: int) -> None:
        if number(name, machine) >= 0:
            program.extend([(JUMP_EQUAL, 0, 1, number(name, machine)), (RETURN, 0, 0, action)])

    allowed = [*WORK, *(FOLDERS if has_folders else ())]
    if may_map_code:
        allowed += ["mmap", "mprotect"]
    rules = conditions(pid, has_folders=has_folders, may_map_code=may_map_code)
    for name in allowed:
        answer(name, ALLOW)
    for name in dict.fromkeys(rule.name for rule in rules):
        mine = [rule for rule in rules if rule.name == name]
        if number(name, machine) < 0:
            continue
        body = []
        for rule in mine:
            body += [
                (LOAD, 0, 0, ARGUMENTS_AT + 8 * rule.argument),
                (AND, 0, 0, rule.mask),
                (JUMP_EQUAL, 0, 1, rule.value),
                (RETURN, 0, 0, ALLOW),
            ]
        body.append((RETURN, 0, 0, mine[-1].otherwise))
        program += [(JUMP_EQUAL, 0, len(body), number(name, machine)), *body]
    answer("clone3", MISSING)
    answer("ioctl", NO_TERMINAL)
    for name in INTRUDERS:
        answer(name, KILL)
    program.append((RETURN, 0, 0, REFUSE))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


SET_MODE_FILTER, GET_ACTION_AVAIL, TSYNC, SPEC_ALLOW = 1, 2, 1, 4


def is_available(machine: str) -> bool:
    """Tell whether this kernel runs such filters and knows how to end a process for them."""
    action = ctypes.c_uint32(KILL)
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(number("seccomp", machine), GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0


def install(program: bytes, machine: str) -> None:
    """Put the filter on every thread of this process, for good. Needs no_new_privs. Raise OSError where it cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = _Program(len(program) // 8, program)
    # SPEC_ALLOW: kernels before 5.16 slow a filtered process down for a danger that only concerns scripts in browsers.
    result = libc.syscall(number("seccomp", machine), SET_MODE_FILTER, TSYNC | SPEC_ALLOW, ctypes.byref(wanted))
    if result != 0:
        raise OSError(ctypes.get_errno() or errno.EBUSY, "seccomp")
