"""Files that are replaced or created in one step: a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def replace_file(path: Path, content: str | bytes, *, is_durable: bool = True) -> None:
    """Replace the file, or create it, readable by its owner only.

    Unless `is_durable` is False the content is on the disk before the file has its name. Raise OSError, and leave the
    file as it was, when that fails; FileNotFoundError when its folder is gone.
    """
    with _temporary(path, content, is_durable=is_durable) as temporary:
        os.replace(temporary, path)


def create_file(path: Path, content: str | bytes) -> bool:
    """Create the file, readable by its owner only. Return False, and leave it as it is, when it exists already.

    Of several processes that create the same file one wins.
    """
    with _temporary(path, content, is_durable=True) as temporary:
        try:
            os.link(temporary, path)  # unlike a rename, a link never replaces a file
        except FileExistsError:
            return False
        return True


def sync_folder(folder: Path) -> None:
    """Return when the names in this folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _temporary(path: Path, content: str | bytes, *, is_durable: bool) -> Iterator[str]:
    """Yield the name of a file beside `path` with this content, and remove it if it is still there at the end."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            if is_durable:
                stream.flush()
                os.fsync(stream.fileno())
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
