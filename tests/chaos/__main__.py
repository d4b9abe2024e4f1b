"""`python -m tests.chaos --seed 1 --minutes 10 --database sqlite`: one storm; 0 when every law holds, else 1."""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.settings")
django.setup()

from tests.chaos import report, storm  # noqa: E402 after Django is set up
from tests.chaos.faults import KINDS  # noqa: E402
from tests.chaos.plan import make_plan  # noqa: E402

PER_SECOND = 3.0
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000  # linux/sched.h, linux/mount.h


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, help="repeats a storm; a new one without")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--per-second", type=float, default=PER_SECOND, help="uploads a second")
    parser.add_argument("--only", default="", help="only faults whose name begins with one of these words, by commas")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    keep_mounts_to_ourselves()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 10_000)
    kinds = [kind for kind in KINDS if kind.name.startswith(tuple(options.only.split(",")))]
    plan = make_plan(seed, seconds=options.minutes * 60, database=options.database, kinds=kinds)
    again = f"--seed {seed} --minutes {options.minutes:g} --database {options.database}"
    say(f"storm {again}: {len(plan)} faults")
    for blow in plan:
        say(f"  {blow}")
    kept = Path(tempfile.gettempdir()) / f"storm-{options.database}-{seed}"
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        result = storm.run(
            Path(folder),
            plan,
            seed=seed,
            seconds=options.minutes * 60,
            database=options.database,
            per_second=options.per_second,
            say=say,
            logs=kept,
        )
    for line in report.lines(result):
        say(line)
    if not result.is_fine:
        say(f"logs, rows and the ledger of answers are in {kept}; once more: python -m tests.chaos {again}")
    return 0 if result.is_fine else 1


def keep_mounts_to_ourselves() -> None:
    """Have what is mounted here vanish with this process, however it ends."""
    if os.geteuid() == 0 and hasattr(ctypes.CDLL(None), "unshare"):
        libc = ctypes.CDLL(None)
        if libc.unshare(CLONE_NEWNS) == 0:
            libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
