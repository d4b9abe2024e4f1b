"""Static files of another release, which this process does not know (`selfiehero.static_files`)."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from common.timed_cache import TimedCache
from jobs import storage
from jobs.storage_guard import StorageAway

from .static_files import PREFIX

# A name with twelve digits of its content's hash before the extension.
_HASHED = re.compile(r"(?:[\w-]+/)*[\w.-]+\.[0-9a-f]{12}(?:\.\w+)+")
_LISTED_SECONDS = 10.0


@require_safe
def static_file(request: HttpRequest, name: str) -> HttpResponse:
    """Give a file that was collected after this process began, or that another host's release has put into the bucket.

    WhiteNoise answers for all files of this process's own release before a request comes here.
    """
    content = _read(name) if _HASHED.fullmatch(name) else None
    if content is None:
        raise Http404
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    response = HttpResponse(content, content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
    response["Cache-Control"] = "max-age=315360000, public, immutable"
    response["Access-Control-Allow-Origin"] = "*"
    return response


def _read(name: str) -> bytes | None:
    path = Path(settings.STATIC_ROOT) / name
    if path.is_file():
        return path.read_bytes()
    if not settings.S3_BUCKET:
        return None
    try:
        # One list for many seconds: names that somebody makes up cost the bucket nothing.
        return storage.read(PREFIX + name) if PREFIX + name in _published.get() else None
    except (FileNotFoundError, StorageAway):
        return None


_published: TimedCache[frozenset[str]] = TimedCache(
    _LISTED_SECONDS, lambda: frozenset(key for key, _ in storage.listed(PREFIX))
)
