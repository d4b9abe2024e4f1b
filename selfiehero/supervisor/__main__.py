"""`python -m selfiehero.supervisor`: `manage.py up` execs this, so that Django's memory is not kept."""

import asyncio
import os
import sys

from selfiehero import environment

from . import preflight
from .logs import Terminal, wants_colour
from .plan import make_plan
from .rundir import AlreadyRunning, Lock
from .runner import Supervisor


def run(chosen: environment.Environment) -> int:
    """Run the product; return 0 after a drain, 1 when starting failed, 2 when it cannot start here."""
    lock = Lock(chosen.run_dir / "up.lock")
    try:
        preflight.check_python()
        preflight.check_writable(chosen.var_dir)
        descriptor = lock.acquire(url=chosen.public_url)
        preflight.check(chosen)
    except (preflight.Problem, AlreadyRunning) as problem:
        sys.stderr.write(f"{problem}\n")
        lock.release()
        return 2
    try:
        plan = make_plan(chosen)
        terminal = Terminal(colour=wants_colour(sys.stdout.buffer, dict(os.environ)))
        return asyncio.run(Supervisor(plan, terminal=terminal, lock_descriptor=descriptor).run())
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(run(environment.read()))
