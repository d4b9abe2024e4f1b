"""What `/readyz` says beyond the first checks: whether this process could serve what it would accept.

| what | "ok" when |
| --- | --- |
| `static_files` | the manifest of hashed names is loaded: without it pages name files that are not there |
| `migrations` | none is unapplied |
| `keys` | SECRET_KEY and FIELD_KEYS are the database's (`providers.keys`) |
| `storage_round_trip` | a small file can be written, read and deleted |

It is checked at most every EVERY_SECONDS in a thread that nobody waits for, except whoever asks first. A check that was
ok is made again after EVERY_SECONDS, one that failed sooner.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from jobs import storage
from jobs.reconcile import erasures
from providers import keys

logger = logging.getLogger(__name__)

OK, NOT_YET = "ok", "not checked yet"
EVERY_SECONDS, AFTER_A_FAILURE = 30.0, 2.0
# An erasure counts as overdue from then on: reconcile comes by every few seconds, and a file may take a few tries.
OVERDUE_AFTER = timedelta(minutes=10)


def static_files() -> str:
    """Return "ok", or what is wrong with the manifest of static files."""
    if settings.DEBUG or not isinstance(staticfiles_storage, ManifestFilesMixin):
        return OK
    if staticfiles_storage.hashed_files:
        return OK
    return "no manifest: run `manage.py up --prepare` or `collectstatic`, then restart"


def migrations() -> str:
    """Return "ok", or how many migrations are not applied."""
    executor = MigrationExecutor(connection)
    unapplied = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    return OK if not unapplied else f"{unapplied} not applied: run `manage.py migrate`"


def known_keys() -> str:
    """Return "ok", or which keys are not the database's."""
    names = keys.differing_keys()
    return OK if not names else f"{' and '.join(names)} differ from the database's"


def storage_round_trip() -> str:
    """Return "ok" when a file can be written, read and deleted."""
    try:
        storage.check_round_trip()
    except storage.StorageAway as error:
        from selfiehero import s3_client  # only with a bucket: botocore costs every process 20 MB

        advice = s3_client.advice() if "refuses" in str(error) else ""
        return "; ".join(filter(None, (f"failed: {error}", advice)))
    except Exception as error:  # noqa: BLE001 - each storage backend has errors of its own
        return f"failed: {type(error).__name__}"
    return OK


CHECKS: dict[str, Callable[[], str]] = {
    "static_files": static_files,
    "migrations": migrations,
    "keys": known_keys,
    "storage_round_trip": storage_round_trip,
}


class ServingChecks:
    """The newest results, and the thread that gets the next ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._next_at = float("-inf")
        self._seen: dict[str, Any] = dict.fromkeys(CHECKS, NOT_YET) | {"overdue_erasures": None}

    def results(self, *, wait_seconds: float) -> dict[str, Any]:
        """Return the newest results, and see to it that they are renewed; the first caller waits for them so long."""
        with self._lock:
            is_first = self._thread is None
            is_running = self._thread is not None and self._thread.is_alive()
            if not is_running and time.monotonic() >= self._next_at:
                self._thread = threading.Thread(target=self._check, name="health-serving", daemon=True)
                self._thread.start()
        if is_first:
            self.wait(wait_seconds)
        with self._lock:
            return dict(self._seen)

    def wait(self, seconds: float) -> None:
        """Wait for the check that is under way, if there is one."""
        if self._thread is not None:
            self._thread.join(max(0.0, seconds))

    def _check(self) -> None:
        try:
            seen: dict[str, Any] = {name: _result(check) for name, check in CHECKS.items()}
            seen["overdue_erasures"] = _overdue_erasures()
        finally:
            connection.close()
        failed = {name: text for name, text in seen.items() if name in CHECKS and text != OK}
        with self._lock:
            is_news = {name: self._seen[name] for name in failed} != failed
            self._seen = seen
            self._next_at = time.monotonic() + (AFTER_A_FAILURE if failed else EVERY_SECONDS)
        if failed and is_news:
            logger.error("cannot_serve %s", " ".join(f"{name}={text!r}" for name, text in failed.items()))


def _result(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported and the other checks are made
        return f"failed: {type(error).__name__}"


def _overdue_erasures() -> int | None:
    try:
        return erasures.overdue(now=timezone.now(), by=OVERDUE_AFTER)
    except DatabaseError:
        return None  # the database has a line of its own in the answer
