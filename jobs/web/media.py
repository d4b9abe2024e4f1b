"""Photos, posters and films, with byte ranges (Safari plays no video without them).

/media/…               for anyone with the signed address, until it expires; with S3 such addresses lead to the bucket
/v/<slug>/film.mp4     for everyone, while the owner shares the film; checked with every request
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.http import http_date, parse_etags
from django.views.decorators.http import require_safe

from jobs import snapshots, storage
from jobs.storage_guard import PAUSE_SECONDS, StorageAway

from . import shared

CHUNK = 256 * 1024
# The type follows from the storage key, never from the file name in the address.
_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".mp4": "video/mp4"}
# Long enough for a player to start; after "stop sharing" the bucket's address is valid for this long at most.
_SHARED_S3_SECONDS = 60
# Films show people's faces, so they are not for search engines.
NO_ROBOTS = "noindex, noimageindex"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE | re.ASCII)


@require_safe
def media(request: HttpRequest, expires: int, signature: str, key: str, filename: str) -> HttpResponseBase:
    """Answer with a stored file; 403 when the address is not ours or has expired, 404 when the file is gone."""
    if not storage.signature_fits(key, filename, expires, signature, now=timezone.now()):
        return HttpResponse(status=403)
    response = _serve(request, key, filename)
    patch_cache_control(response, private=True, max_age=3600)
    return response


@shared.says_when_taken_down
@require_safe
def shared_film(request: HttpRequest, share_slug: str) -> HttpResponseBase:
    """Answer with a film that its owner shares; 404 once it is no longer shared, 410 once taken down."""
    job = shared.find(share_slug)
    return _serve_shared(request, job.video_key, snapshots.film_name(job))


@shared.says_when_taken_down
@require_safe
def shared_poster(request: HttpRequest, share_slug: str) -> HttpResponseBase:
    """Answer with the poster of a film that its owner shares; 404 once it is no longer shared."""
    return _serve_shared(request, shared.find(share_slug).poster_key, "poster.jpg")


def _serve_shared(request: HttpRequest, key: str, filename: str) -> HttpResponseBase:
    """Answer with a shared file. A CDN may store it, but revalidates it with every request, so sharing ends at once."""
    if not key:
        raise Http404
    if settings.S3_BUCKET:
        # A presigned address is valid for one HTTP method only.
        s3: Any = default_storage
        address = s3.url(key, expire=_SHARED_S3_SECONDS, http_method=request.method)
        response: HttpResponseBase = HttpResponseRedirect(address)
        patch_cache_control(response, no_store=True)
        return response
    response = _serve(request, key, filename)
    patch_cache_control(response, public=True, no_cache=True)
    response["X-Robots-Tag"] = NO_ROBOTS
    return response


def _serve(request: HttpRequest, key: str, filename: str) -> HttpResponseBase:
    """Answer with a stored file, or with the byte range of it that was asked for.

    A list of ranges is answered with the whole file, which RFC 9110 allows.
    """
    try:
        stored = storage.StoredFile(key)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return HttpResponse(status=404)
    except StorageAway:
        return HttpResponse(status=503, headers={"Retry-After": str(math.ceil(PAUSE_SECONDS))})
    size = stored.size
    # A key is random and its file never changes: the key is the entity tag.
    etag = f'"{key.rsplit("/", 1)[-1].split(".")[0]}"'
    if {"*", etag} & {tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))}:
        stored.close()
        response: HttpResponseBase = HttpResponseNotModified()
        response["ETag"] = etag
        return response
    modified = http_date(stored.modified_at.timestamp())
    wanted = request.headers.get("Range", "")
    # A weak tag does not match here, and a date has to be exactly the same (RFC 9110, 13.1.5).
    if request.headers.get("If-Range", etag) not in (etag, modified):
        wanted = ""
    span = _span(wanted, size)
    if span is None:
        stored.close()
        response = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{size}"
        return response
    first, last, partial = span
    status, length = 206 if partial else 200, last - first + 1
    if request.method == "HEAD":
        stored.close()
        response = HttpResponse(status=status)
    else:
        response = StreamingHttpResponse(_Part(stored, first, length), status=status)
    if partial:
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    response["Content-Length"] = str(length)
    response["Content-Type"] = _TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Last-Modified"] = modified
    response["Content-Disposition"] = _disposition(filename, is_download=bool(request.GET.get("download")))
    return response


def _disposition(filename: str, *, is_download: bool) -> str:
    """Return the Content-Disposition header: the name in ASCII, and in its own script as RFC 5987 says."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", snapshots.plain_name(filename))
    kind = "attachment" if is_download else "inline"
    if plain == filename:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _span(header: str, size: int) -> tuple[int, int, bool] | None:
    """Return (first, last, is partial) in bytes, the whole file for no or an odd header, None if out of range.

    One range only: a server may ignore a list of them (RFC 9110, 14.2).
    """
    match = _RANGE.fullmatch(header.strip())
    if not match or match[1] == match[2] == "":
        return 0, size - 1, False
    if match[1] == "":
        length = int(match[2])
        return None if 0 in (length, size) else (max(0, size - length), size - 1, True)
    first = int(match[1])
    last = min(int(match[2]) if match[2] else size - 1, size - 1)
    if match[2] and int(match[2]) < first:
        return 0, size - 1, False
    return None if first >= size else (first, last, True)


class _Part:
    """A part of a stored file in chunks. Closing it closes the file, even if nothing was read."""

    def __init__(self, stored: storage.StoredFile, first: int, length: int) -> None:
        self._stored, self._first, self._length = stored, first, length

    def __iter__(self) -> Iterator[bytes]:
        rest = self._length
        self._stored.seek(self._first)
        while rest > 0 and (chunk := self._stored.read(min(CHUNK, rest))):
            rest -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._stored.close()
