"""How much CPU another process has used: the only clock that tells work from waiting."""

import sys
import time

# What clock_getcpuclockid(3) makes of a process id: the bits of `linux/posix-timers.h`.
CPUCLOCK_SCHED = 2


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of all threads of a process; 0 for one that is gone, and where the system does not say."""
    if sys.platform != "linux":
        return 0.0
    try:
        return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)
    except OSError:
        return 0.0
