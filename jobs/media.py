"""Photos, posters and films by signed address, with byte ranges (Safari plays nothing without).

Only for files on this machine's disk; with S3 the signed addresses lead there.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from typing import IO

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified, StreamingHttpResponse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.http import parse_etags
from django.views.decorators.http import require_safe

from . import storage

CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE | re.ASCII)


@require_safe
def media(request: HttpRequest, expires: int, signature: str, key: str, filename: str) -> HttpResponseBase:
    """Answer with a stored file; 403 when the address is not ours or over, 404 when the file is gone."""
    if not storage.signature_fits(key, expires, signature, now=timezone.now()):
        return HttpResponse(status=403)
    try:
        stored = default_storage.open(key, "rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return HttpResponse(status=404)
    size = stored.size
    # A key is random and its file never changes: the key is the entity tag.
    etag = f'"{key.rsplit("/", 1)[-1].split(".")[0]}"'
    if {"*", etag} & {tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))}:
        stored.close()
        response: HttpResponseBase = HttpResponseNotModified()
        response["ETag"] = etag
        return response
    wanted = request.headers.get("Range", "")
    if request.headers.get("If-Range", etag) != etag:
        wanted = ""
    span = _span(wanted, size)
    if span is None:
        stored.close()
        response = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{size}"
        return response
    first, last, partial = span
    response = StreamingHttpResponse(_Part(stored, first, last - first + 1), status=206 if partial else 200)
    if partial:
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    response["Content-Length"] = str(last - first + 1)
    response["Content-Type"] = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    disposition = "attachment" if request.GET.get("download") else "inline"
    safe_name = re.sub(r"[^A-Za-z0-9._-]", "-", filename)
    response["Content-Disposition"] = f'{disposition}; filename="{safe_name}"'
    patch_cache_control(response, private=True, max_age=3600)
    if request.method == "HEAD":
        response.close()
    return response


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
    """A part of a stored file in chunks. Closing it closes the file, also when nobody read any of it."""

    def __init__(self, stored: IO[bytes], first: int, length: int) -> None:
        self._stored, self._first, self._length = stored, first, length

    def __iter__(self) -> Iterator[bytes]:
        rest = self._length
        self._stored.seek(self._first)
        while rest > 0 and (chunk := self._stored.read(min(CHUNK, rest))):
            rest -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._stored.close()
