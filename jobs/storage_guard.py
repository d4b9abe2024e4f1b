"""What a bucket that hangs or is gone costs: one wait of a few seconds for a process, not one for each use.

botocore's errors have no class in common with the disk's; here both become OSError. `StorageAway` says that nothing is
wrong with the file or the request: whoever gets it answers 503 or tries again later. Files on this machine's disk are
not guarded: what the disk refuses comes at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from common.circuit_breaker import CircuitBreaker, CircuitOpen

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
# Longer than connecting, sending and one retry may take together.
TRY_SECONDS = 15.0
# Answers by which the bucket says that it is there and the file is not.
_NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound"})


class StorageAway(OSError):
    """The bucket does not answer, or failed a moment ago, or refuses our keys: try again later."""


class StorageBreaker(CircuitBreaker):
    """Stands before everything that speaks to the bucket in this process."""

    def __init__(self) -> None:
        super().__init__(
            "storage", logger, pause_seconds=PAUSE_SECONDS, try_seconds=TRY_SECONDS, away_level=logging.ERROR
        )

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

        try:
            self.enter()
        except CircuitOpen as error:
            raise StorageAway(str(error)) from None
        try:
            yield
        except FileNotFoundError:
            self.answered()
            raise
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NOT_THERE:
                self.answered()
                raise FileNotFoundError(code) from error
            self.failed(code)
            raise StorageAway(f"the bucket refuses: {code}") from error
        except (BotoCoreError, Boto3Error) as error:
            self.failed(type(error).__name__)
            raise StorageAway(f"the bucket does not answer: {type(error).__name__}") from error
        except BaseException:
            self.answered()  # not of the bucket's making
            raise
        self.answered()


breaker = StorageBreaker()
