"""Stores photos and films under unguessable keys, and signs the addresses that lead to them.

Keys: `raw/ab/<random>.bin`, `clean/…jpg`, `preview/…jpg`, `poster/…jpg`, `video/…mp4`. `sample/…` has the films of
look versions, which are of the sample photo, so no rule that removes people's files applies to them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import itertools
import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.urls import reverse

from common.timed_cache import TimedCache

from .s3 import signing as s3_signing
from .storage_guard import StorageAway, breaker

logger = logging.getLogger(__name__)


KINDS = ("raw", "clean", "preview", "poster", "video")
_BATCH = 500
# Below both, no new photos are taken: what is left is for the films under way.
LEAST_FREE_BYTES, LEAST_FREE_SHARE = 200 * 2**20, 0.05
_RECHECK_SECONDS = 1.0
# How long an answer of the bucket counts as a sign that it is there.
_PROBE_SECONDS = 2.0


class NearlyFull(OSError):
    """The little room that is left is kept for jobs that were accepted before."""

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
        return False  # storing the photo will raise the disk's error


_disk_cache = TimedCache(_RECHECK_SECONDS, _is_nearly_full)


def free_bytes_when_full() -> int | None:
    """Return the free bytes when they are too few for new photos, None when there is room."""
    usage = shutil.disk_usage(_existing(Path(settings.MEDIA_ROOT)))
    if usage.free > LEAST_FREE_BYTES or usage.free > usage.total * LEAST_FREE_SHARE:
        return None
    return usage.free


def _existing(path: Path) -> Path:
    """Return the folder, or its nearest existing parent: the media folder is created with the first photo."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def save(key: str, data: bytes | IO[bytes]) -> str:
    """Store a file and return its key. When it fails, for instance for lack of room (OSError), nothing is left of it.

    `key` comes from `new_key`, so it is unique. StorageAway when the bucket does not answer.
    """
    content = ContentFile(data) if isinstance(data, bytes) else File(data)
    try:
        with breaker.guard():
            return default_storage.save(key, content)
    except StorageAway:
        raise  # a bucket stores a file whole or not at all, and asking it again would only wait again
    except BaseException:
        # Half a photo must not stay after its sender was told that it was not taken.
        with contextlib.suppress(Exception):
            default_storage.delete(key)
        raise


def read(key: str) -> bytes:
    """Return a stored file. Raise FileNotFoundError when there is none, StorageAway when the bucket does not answer."""
    with breaker.guard(), default_storage.open(key, "rb") as stored:
        return stored.read()


class StoredFile:
    """A stored file that is open for reading; whoever opened it closes it.

    FileNotFoundError when there is none, StorageAway when the bucket does not answer, also while it is read.
    """

    def __init__(self, key: str) -> None:
        with breaker.guard():
            self._file = default_storage.open(key, "rb")
            try:
                self.size: int = self._file.size
                self.modified_at: datetime = default_storage.get_modified_time(key)
            except BaseException:
                self._file.close()
                raise

    def seek(self, position: int) -> None:
        with breaker.guard():
            self._file.seek(position)

    def read(self, size: int) -> bytes:
        with breaker.guard():
            return self._file.read(size)

    def close(self) -> None:
        self._file.close()


def delete(keys: Iterable[str]) -> None:
    """Remove files; missing ones are ignored. Raise OSError when storage fails."""
    for key in keys:
        if key:
            with breaker.guard():
                default_storage.delete(key)


def discard(keys: Iterable[str]) -> None:
    """Remove files that no row names any more; what cannot be removed is logged and swept later.

    It never raises, because its callers have committed already.
    """
    for key in keys:
        try:
            delete([key])
        except Exception as error:  # noqa: BLE001 - each storage backend has errors of its own
            logger.error("file_not_removed kind=%s error=%s", key.partition("/")[0], type(error).__name__)


def check_round_trip() -> None:
    """Write, read and delete a small file. Raise OSError when that fails, whatever the storage's own error is."""
    key, content = f"health/{secrets.token_hex(16)}", secrets.token_bytes(16)
    key = save(key, content)
    try:
        if read(key) != content:
            raise OSError(errno.EIO, "another content was read than was written")
    finally:
        delete([key])


def is_away() -> bool:
    """Tell whether the bucket does not answer; asks it once in two seconds at most. False with files on disk."""
    return bool(settings.S3_BUCKET) and (breaker.is_open or not _probe.get())


def _answers() -> bool:
    try:
        with breaker.guard():
            default_storage.exists("health/probe")
    except FileNotFoundError:
        return True
    except StorageAway:
        return False
    return True


_probe = TimedCache(_PROBE_SECONDS, _answers)


def is_on_disk(key: str) -> bool:
    """Return whether a file exists on this machine's disk."""
    return os.path.isfile(os.path.join(settings.MEDIA_ROOT, key))


def keys_older_than(moment: datetime) -> Iterator[tuple[str, list[str]]]:
    """Yield (kind, keys) in batches for files that were stored before `moment`."""
    if settings.S3_BUCKET:
        for kind in KINDS:
            old = (key for key, stored_at in listed(f"{kind}/") if stored_at < moment)
            while batch := list(itertools.islice(old, _BATCH)):
                yield kind, batch
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


def listed(prefix: str) -> Iterator[tuple[str, datetime]]:
    """Yield key and time of every stored file below a prefix that ends with a slash; a call for each thousand.

    StorageAway when the bucket does not answer.
    """
    if not settings.S3_BUCKET:
        root = Path(settings.MEDIA_ROOT)
        for path in (root / prefix).rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    yield path.relative_to(root).as_posix(), datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return
    bucket: Any = default_storage
    with breaker.guard():
        objects = iter(bucket.bucket.objects.filter(Prefix=prefix))
    while True:
        with breaker.guard():
            page = list(itertools.islice(objects, _BATCH))
        if not page:
            return
        yield from ((found.key, found.last_modified) for found in page)


def signed_url(key: str, *, filename: str, now: datetime, base: str = "") -> str:
    """Return an address that gives anyone access to this file, for one to two times MEDIA_URL_SECONDS.

    It stays the same within a period, so that a page does not reload a picture with every snapshot.
    """
    if not key:
        return ""
    period = settings.MEDIA_URL_SECONDS
    begun = int(now.timestamp()) // period * period
    if settings.S3_BUCKET:
        parameters = {}
        if key.endswith(".mp4"):
            # A film plays despite this header, and gets its name when it is saved.
            parameters = {"ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}"}
        s3: Any = default_storage
        with s3_signing.signed_at(begun):
            return s3.url(key, parameters=parameters, expire=2 * period)
    expires = begun + 2 * period
    path = reverse("media", args=[expires, _signature(key, filename, expires, settings.SECRET_KEY), key, filename])
    return base + path


def signature_fits(key: str, filename: str, expires: int, signature: str, *, now: datetime) -> bool:
    """Return whether a signed address is ours, including its file name, and has not expired."""
    given = signature.encode("utf-8", "replace")
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    fits = [hmac.compare_digest(_signature(key, filename, expires, secret).encode(), given) for secret in keys]
    return any(fits) and expires > now.timestamp()


def _signature(key: str, filename: str, expires: int, secret: str) -> str:
    # A file name has no slash, so the border between key and name is unambiguous.
    message = f"media:{expires}:{key}/{filename}".encode("utf-8", "replace")
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()[:40]
