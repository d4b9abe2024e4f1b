"""Private files of VAR_DIR: a folder closed to other users, and secrets made once. No Django."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from common.files import replace_file

SHARED_FOLDERS = frozenset(map(Path, ("/", "/etc", "/home", "/media", "/mnt", "/opt", "/srv", "/usr", "/var")))


class BadEnvironment(ValueError):
    """A variable cannot be used; the message names it and says what to write."""


def make_private(folder: Path) -> None:
    """Make this folder, or make the one there is readable for its owner only, because it holds photos of people.

    Only a folder of this user is closed, and never one that a whole machine shares.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        is_shared = folder in SHARED_FOLDERS or bool(state.st_mode & stat.S_ISVTX)
        if state.st_uid == os.geteuid() and not is_shared and stat.S_IMODE(state.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise BadEnvironment(
            f"{folder} cannot be made or closed to others ({error.strerror}). Give it back, or choose another VAR_DIR."
        ) from error


def keep_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret kept in this file, making it first (readable by the owner only) when there is none.

    Processes that start together all get the same one, and a crash half-way leaves no half a secret.
    """
    try:
        return read_secret(path) or make_secret(path, make)
    except OSError as error:
        raise BadEnvironment(
            f"{path} cannot be read or written ({error.strerror}). Give its folder back, or choose another VAR_DIR."
        ) from error


def make_secret(path: Path, make: Callable[[], str]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked_directory(path.parent):
        kept = read_secret(path)
        if not kept:
            kept = make()
            replace_file(path, kept + "\n")
    return kept


def read_secret(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


@contextlib.contextmanager
def locked_directory(path: Path) -> Iterator[None]:
    """Let one process at a time work in this directory, without a lock file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
