"""Storage in an S3 bucket, ready for the first upload: all threads share one boto3 session.

django-storages makes a session for each thread, and each reads the description of S3 anew: a fifth of a second of CPU
at the first upload of every thread. `/readyz` writes and reads a file before it says ready, so that session is there
by then. Clients stay one for each thread, because boto3's resources are not made to be shared.
"""

from __future__ import annotations

import threading
from typing import Any

from storages.backends.s3 import S3Storage

_lock = threading.RLock()


class Bucket(S3Storage):
    """The bucket of all photos and films, and of every release's static files."""

    _session: Any = None

    def _create_session(self) -> Any:
        if self._session is None:
            self._session = super()._create_session()
        return self._session

    @property
    def connection(self) -> Any:
        # A session may be used by one thread at a time to make a client.
        if getattr(self._connections, "connection", None) is None:
            with _lock:
                return super().connection
        return self._connections.connection
