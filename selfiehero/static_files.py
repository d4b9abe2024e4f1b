"""Static files under hashed names, JavaScript imports included; with a bucket every release puts its own there.

While a release rolls out, a page of the new one may be read from one host and its files be asked of a host that still
runs the old one, and the other way round. Hashed names never mean two contents, so a host that does not have a file
gives it from the bucket (`selfiehero.releases`). On one host nothing of the release before is removed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone
from whitenoise.storage import CompressedManifestStaticFilesStorage

from jobs import storage

logger = logging.getLogger(__name__)

PREFIX = "static/"
# Pages that are still open may ask for files of the release that they came from.
KEPT = timedelta(days=30)


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Hashed and compressed files whose ES module imports are rewritten to the hashed names."""

    support_js_module_import_aggregation = True
    # A page with a picture missing is better than no page at all.
    manifest_strict = False

    def post_process(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        yield from super().post_process(*arguments, **options)
        if settings.S3_BUCKET and not options.get("dry_run"):
            publish(set(self.hashed_files.values()), Path(self.location))


def publish(names: set[str], folder: Path) -> None:
    """Put a release's files into the bucket, and remove those of releases long ago."""
    there = dict(storage.listed(PREFIX))
    missing = sorted(name for name in names if PREFIX + name not in there)
    for name in missing:
        with (folder / name).open("rb") as content:
            default_storage.save(PREFIX + name, File(content))
    oldest = timezone.now() - KEPT
    old = [key for key, at in there.items() if at < oldest and key.removeprefix(PREFIX) not in names]
    storage.delete(old)
    logger.info("static_files_published added=%d removed=%d", len(missing), len(old))
