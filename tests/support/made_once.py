"""What is dear to make and the same for all who need it: made once a process, or once for all workers of a test run."""

import atexit
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

# Where the workers of a test run share what they make; `tests/conftest.py` makes it and takes it away, or
# `scripts/run-tests` for all of its runs.
SHARED = "TESTS_SHARED_DIR"
_made_once: dict[str, Path] = {}


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` filled, the first time it was asked for; it is there until this process ends."""
    if name not in _made_once:
        folder = tempfile.TemporaryDirectory(prefix=f"tests-{name}-", ignore_cleanup_errors=True)
        atexit.register(folder.cleanup)
        make(Path(folder.name))
        _made_once[name] = Path(folder.name)
    return _made_once[name]


def made_once_for_all(name: str, make: Callable[[Path], None]) -> Path:
    """Return such a folder for all workers of a test run; whoever comes while one of them makes it waits."""
    if SHARED not in os.environ:
        return made_once(name, make)
    folder = Path(os.environ[SHARED], name)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = folder.with_suffix(".making")
            making.mkdir(exist_ok=True)
            make(making)
            making.rename(folder)
    return folder
