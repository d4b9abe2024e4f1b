"""Forms with a photo, read in one pass as browsers and HTTP libraries write them.

Django's parser reads a form in pieces, through streams within streams, whatever its size: a tenth of what an accepted
photo costs. A form that fits into memory and is written as nearly all are is taken apart here by its boundary. Every
other one is left to Django, which reads the same bytes from the beginning; a test plays both against each other.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

Form = tuple[QueryDict, MultiValueDict[str, Any]]

MOST_PARTS = 20
# Longer boundaries and those with spaces are read by Django, or refused.
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=?-]{1,70}")
# Names without anything that is quoted, encoded or taken for a path.
_HEAD = re.compile(
    rb'Content-Disposition: form-data; name="(?P<name>[A-Za-z0-9_-]{1,40})"'
    rb'(?:; filename="(?P<file>[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})"'
    rb"(?:\r\nContent-Type: (?P<type>[a-z]+/[a-z0-9.+-]+))?)?",
    re.IGNORECASE,
)


def read(request: HttpRequest) -> Form:
    """Return the fields and files of a form (multipart/form-data). Raise what Django raises for one it cannot read."""
    return _usual(request) or (request.POST, request.FILES)


def fault_of(request: HttpRequest) -> str:
    """Return in words why a form that was read is not what its sender wrote, '' when nothing is known against it.

    Django leaves out the last part when no end follows it, and takes lines that end in LF for one long header. What it
    keeps on disk is not looked at.
    """
    body, mark = getattr(request, "_body", b""), b"--" + (request.content_params or {}).get("boundary", "").encode()
    if not body.startswith(mark):
        return ""
    if body[len(mark) :].startswith(b"\n"):
        return _("The lines of this form end with LF alone. End them with CR and LF.")
    if mark + b"--" not in body:
        return _("This form does not end with its boundary and two dashes, so a part of it may be missing.")
    return ""


def _usual(request: HttpRequest) -> Form | None:
    """Return a form that is small and written as nearly all are; None leaves it to Django, which finds it unread."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdigit()) or int(length[:20]) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
        return None  # Django keeps it on disk
    boundary = (request.content_params or {}).get("boundary", "")
    if set(request.content_params or {}) != {"boundary"} or not _BOUNDARY.fullmatch(boundary):
        return None
    body, mark = request.read(), b"--" + boundary.encode()
    # As `request.body` keeps it, which takes no photo: from there Django reads what is left to it.
    request._body = body
    first, last = mark + b"\r\n", b"\r\n" + mark + b"--"
    body = body.removesuffix(b"\r\n")
    if not (body.startswith(first) and body.endswith(last)) or len(body) < len(first) + len(last):
        return None
    parts = body[len(first) : -len(last)].split(b"\r\n" + first)
    # Django ends a part at the mark wherever it stands, also within a line.
    if len(parts) > MOST_PARTS or body.count(mark) != len(parts) + 1:
        return None
    return _taken_apart(parts)


def _taken_apart(parts: list[bytes]) -> Form | None:
    fields, files, length_of_fields = QueryDict(mutable=True), MultiValueDict[str, Any](), 0
    for part in parts:
        head, end, content = part.partition(b"\r\n\r\n")
        found = _HEAD.fullmatch(head)
        if found is None or not end:
            return None
        name = found["name"].decode()
        if found["file"] is None:
            length_of_fields += len(content) + len(name) + 2  # as Django counts them
            fields.appendlist(name, content.decode("utf-8", "replace"))
        else:
            kind, file_name = (found["type"] or b"").decode().lower(), found["file"].decode()
            files.appendlist(name, InMemoryUploadedFile(BytesIO(content), name, file_name, kind, len(content), None))
    file_count = sum(len(each) for _name, each in files.lists())
    if length_of_fields > settings.DATA_UPLOAD_MAX_MEMORY_SIZE or file_count > settings.DATA_UPLOAD_MAX_NUMBER_FILES:
        return None  # Django says what is wrong with it
    fields._mutable = False
    return fields, files
