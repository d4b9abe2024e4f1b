"""What a bucket that hangs or is gone costs: one wait of a few seconds for a process, not one for each use.

    closed ──time-out, refused, 5xx──► open for PAUSE_SECONDS ──► one caller tries ──answered──► closed
                                          ▲                          │ failed
                                          └──────────────────────────┘

botocore's errors have no class in common with the disk's; here both become OSError. `StorageAway` says that nothing is
wrong with the file or the request: whoever gets it answers 503 or tries again later. Files on this machine's disk are
not guarded: what the disk refuses comes at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
# While one caller tries, nobody else does: longer than connecting, sending and one retry may take together.
TRY_SECONDS = 15.0
# Answers by which the bucket says that it is there and the file is not.
_NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound"})


class StorageAway(OSError):
    """The bucket does not answer, or failed a moment ago, or refuses our keys: try again later."""


class StorageBreaker:
    """Stands before everything that speaks to the bucket in this process; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Know nothing of any failure."""
        self._open_until = 0.0
        self._away_since: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether a caller would be refused now."""
        return time.monotonic() < self._open_until

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let the caller ask the bucket within; raise StorageAway at once while the breaker is open.

        FileNotFoundError for a file that is not there; StorageAway for every other failure of the bucket.
        """
        if not settings.S3_BUCKET:
            yield
            return
        # Only with a bucket: boto3 costs every process 20 MB.
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        self._enter()
        try:
            yield
        except FileNotFoundError:
            self._answered()
            raise
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NOT_THERE:
                self._answered()
                raise FileNotFoundError(code) from error
            self._failed(code)
            raise StorageAway(f"the bucket refuses: {code}") from error
        except (BotoCoreError, Boto3Error) as error:
            self._failed(type(error).__name__)
            raise StorageAway(f"the bucket does not answer: {type(error).__name__}") from error
        except BaseException:
            self._answered()  # not of the bucket's making
            raise
        self._answered()

    def _enter(self) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._open_until:
                raise StorageAway("the bucket failed a moment ago")
            if self._away_since is not None:
                self._open_until = now + TRY_SECONDS

    def _failed(self, reason: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._open_until = now + PAUSE_SECONDS
            is_news, self._away_since = self._away_since is None, self._away_since or now
        if is_news:
            logger.error("storage_away error=%s", reason)

    def _answered(self) -> None:
        if self._away_since is None:
            return
        with self._lock:
            since, self._away_since = self._away_since, None
            self._open_until = 0.0
        if since is not None:
            logger.warning("storage_back after_seconds=%.1f", time.monotonic() - since)


breaker = StorageBreaker()
