"""Where photos and films lie, under names nobody can guess, and the signed addresses that lead to them.

Keys: `raw/ab/<random>.bin`, `clean/…jpg`, `preview/…jpg`, `poster/…jpg`, `video/…mp4`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO
from urllib.parse import quote

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.urls import reverse

from common.timed_cache import TimedCache

logger = logging.getLogger(__name__)


KINDS = ("raw", "clean", "preview", "poster", "video")
_BATCH = 500
# Below both, what is left is for the films under way: no new photos.
LEAST_FREE_BYTES, LEAST_FREE_SHARE = 200 * 2**20, 0.05
_RECHECK_SECONDS = 1.0


class NearlyFull(OSError):
    """There is room left, and it is kept for what was accepted before."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, "nearly full")


def new_key(kind: str, extension: str) -> str:
    """Return a fresh storage key (128 random bits)."""
    name = secrets.token_hex(16)
    return f"{kind}/{name[:2]}/{name}.{extension}"


def keep_room() -> None:
    """Raise NearlyFull when no new photo should be taken. Asks the disk once a second at most."""
    if _disk_cache.get():
        raise NearlyFull


def _is_nearly_full() -> bool:
    try:
        return free_bytes_when_full() is not None
    except OSError:
        return False  # what is wrong with it, storing the photo will say


_disk_cache = TimedCache(_RECHECK_SECONDS, _is_nearly_full)


def free_bytes_when_full() -> int | None:
    """Return what is free when that is too little for new photos, None when there is room."""
    usage = shutil.disk_usage(_existing(Path(settings.MEDIA_ROOT)))
    if usage.free > LEAST_FREE_BYTES or usage.free > usage.total * LEAST_FREE_SHARE:
        return None
    return usage.free


def _existing(path: Path) -> Path:
    """Return the folder, or the nearest one above it that is there: media is made with the first photo."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def save(key: str, data: bytes | IO[bytes]) -> str:
    """Store a file and return the key it really has. Raise OSError, and leave nothing of it, when there is no room.

    `key` is one of `new_key`'s, which nobody else has.
    """
    content = ContentFile(data) if isinstance(data, bytes) else File(data)
    try:
        return default_storage.save(key, content)
    except BaseException:
        # Half a photo of somebody who was told that it was not taken.
        with contextlib.suppress(Exception):
            default_storage.delete(key)
        raise


def read(key: str) -> bytes:
    """Return a stored file. Raise FileNotFoundError when there is none."""
    with default_storage.open(key, "rb") as stored:
        return stored.read()


def delete(keys: Iterable[str]) -> None:
    """Remove files; one that is gone already is fine. Raise OSError when storage fails."""
    for key in keys:
        if key:
            default_storage.delete(key)


def discard(keys: Iterable[str]) -> None:
    """Remove files that no row names any more, as far as storage lets us; what stays is logged and swept later.

    For what has been written already: an error here must not look as if the writing had failed.
    """
    for key in keys:
        try:
            delete([key])
        except Exception as error:  # noqa: BLE001 - each storage backend has errors of its own
            logger.error("file_not_removed kind=%s error=%s", key.partition("/")[0], type(error).__name__)


def is_on_disk(key: str) -> bool:
    """Tell whether a file is there, on this machine's disk."""
    return os.path.isfile(os.path.join(settings.MEDIA_ROOT, key))


def keys_older_than(moment: datetime) -> Iterator[tuple[str, list[str]]]:
    """Yield (kind, keys) in batches of what was stored on this machine's disk before then; nothing with S3."""
    if settings.S3_BUCKET:
        return
    root, oldest = Path(settings.MEDIA_ROOT), moment.timestamp()
    for kind in KINDS:
        keys: list[str] = []
        for folder, _, names in os.walk(root / kind):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < oldest:
                        keys.append(path.relative_to(root).as_posix())
                if len(keys) >= _BATCH:
                    yield kind, keys
                    keys = []
        if keys:
            yield kind, keys


def signed_url(key: str, *, filename: str, now: datetime, base: str = "") -> str:
    """Return an address that shows this file to whoever has it, for one to two times MEDIA_URL_SECONDS.

    It stays the same within a period, so that a page does not load a picture anew with every snapshot.
    """
    if not key:
        return ""
    if settings.S3_BUCKET:
        if not key.endswith(".mp4"):
            return default_storage.url(key)
        # A film plays whatever this header says; saved, it has a name.
        disposition = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        return default_storage.url(key, parameters={"ResponseContentDisposition": disposition})
    period = settings.MEDIA_URL_SECONDS
    expires = (int(now.timestamp()) // period + 2) * period
    path = reverse("media", args=[expires, _signature(key, filename, expires), key, filename])
    return base + path


def signature_fits(key: str, filename: str, expires: int, signature: str, *, now: datetime) -> bool:
    """Tell whether a signed address is ours, name for a download included, and still good."""
    ours = _signature(key, filename, expires).encode()
    return hmac.compare_digest(ours, signature.encode("utf-8", "replace")) and expires > now.timestamp()


def _signature(key: str, filename: str, expires: int) -> str:
    # A name has no slash, so nothing can move from one to the other.
    message = f"media:{expires}:{key}/{filename}".encode("utf-8", "replace")
    return hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).hexdigest()[:40]
