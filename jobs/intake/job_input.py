"""The fields of a new job, checked one by one before anything is stored."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import MaxLengthValidator, validate_email
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from jobs.models import Look, plain_sql
from jobs.photos import upload_checks
from jobs.photos.outcomes import BadPhoto, read_point
from jobs.services import JobInput

from .problems import Problem

EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp", "heic": "heic"}
MAX_KEY_CHARACTERS = 200
MAX_EMAIL_CHARACTERS = 254  # what the row holds; validate_email lets 320 through
# Of the photo's width or height, as programs print numbers: 0.25, .25, 0.30000000000000004, 1e-05.
_PART = r" {0,2}(?:0?\.[0-9]{1,24}|0\.?|[0-9](?:\.[0-9]{1,24})?[eE]-0?[1-9][0-9]{0,2}|1(?:\.0{0,24})?) {0,2}"
FACE = rf"{_PART},{_PART}(?:,{_PART},{_PART})?"  # as a regular expression that Python and JavaScript read alike
_LINE_ENDS = {"Zl", "Zp"}
# What names need although it is not seen: joiners of several scripts, and what the flags of regions are spelled with.
_ALLOWED_INVISIBLE = {"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))}
# What keyboards and copying leave between letters, and what a name says without. What turns text around is refused.
_LEFT_OUT = dict.fromkeys([0xAD, 0x061C, 0x200B, 0x200E, 0x200F, 0x2060, *range(0x2066, 0x206A), 0xFEFF])


def read_job_input(
    fields: QueryDict, files: MultiValueDict[str, UploadedFile], *, idempotency_key: str | None, locale: str
) -> JobInput:
    """Return the checked fields of a new job, or raise the Problem of the first wrong one."""
    if idempotency_key is not None:
        _check_key(idempotency_key)
    if fields.get("consent") != "true":
        raise Problem(
            422,
            "consent_missing",
            _("Your consent is needed before a photo of a face may be used."),
            field="consent",
            next_step=_("Tick the box, or send consent=true."),
        )
    look = _look(fields.get("look", ""))
    hero_name = clean_hero_name(fields.get("hero_name", ""))
    email = clean_email(fields.get("email", ""))
    if fields.get("selfie") and "selfie" not in files:
        raise Problem(
            422,
            "photo_without_name",
            _("The photo came as a text and not as a file, because its part of the form has no file name."),
            field="selfie",
            next_step=_('Give the part a file name, whichever: filename="selfie.jpg".'),
        )
    face = clean_face(fields.get("face", ""))
    photo, extension, cost = _photo(files.get("selfie"))
    keeps_long = _keeps_long(fields.get("keep", "short"))
    return JobInput(photo, extension, look, hero_name, email, locale, idempotency_key or None, cost, keeps_long, face)


def _keeps_long(value: str) -> bool:
    if value not in ("", "short", "long"):
        raise Problem(422, "keep_invalid", _("A film is kept for a short or a long time."), field="keep")
    return value == "long"


def read_remix(fields: Mapping[str, Any], *, idempotency_key: str | None) -> tuple[Look, str | None]:
    """Return the look and hero name of a remix (None keeps the old name), or raise a Problem."""
    if idempotency_key is not None:
        _check_key(idempotency_key)
    name = fields.get("hero_name")
    if name is not None and not isinstance(name, str):
        raise _odd_name()
    return _look(str(fields.get("look", ""))), None if name is None else clean_hero_name(name)


def read_change(fields: Mapping[str, Any]) -> tuple[Look | None, str | None]:
    """Return the look and hero name that a waiting job is to have (None keeps the old one), or raise a Problem."""
    look = _look(str(fields["look"])) if "look" in fields else None
    if "hero_name" not in fields:
        return look, None
    if not isinstance(fields["hero_name"], str):
        raise _odd_name()
    return look, clean_hero_name(fields["hero_name"])


def clean_hero_name(value: str) -> str:
    """Return the name as the film will show it, or raise a Problem."""
    name = unicodedata.normalize("NFC", value).translate(_LEFT_OUT).strip()
    if len(name) > settings.HERO_NAME_MAX:
        raise Problem(
            422,
            "hero_name_too_long",
            _("A hero name has at most {most} characters; this one has {count}.").format(
                most=settings.HERO_NAME_MAX, count=len(name)
            ),
            field="hero_name",
        )
    if any(_is_odd(char) for char in name if char not in _ALLOWED_INVISIBLE):
        raise _odd_name()
    return name


def _is_odd(char: str) -> bool:
    """Whether a name cannot have this character. Those that this Python does not know yet are taken: newer emoji."""
    kind = unicodedata.category(char)
    if kind == "Cn":  # not assigned yet, or never to be: the last two of each plane, and 32 of the first
        return ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF
    return kind[0] == "C" or kind in _LINE_ENDS


def clean_face(value: str) -> str:
    """Return which face of several is meant, as "x,y" in thousandths of the photo, '' for none, or raise a Problem."""
    if not value:
        return ""
    point = read_point(value) if re.fullmatch(FACE, value) else None
    if point is None:
        raise Problem(
            422,
            "face_invalid",
            _("A face is named by a point or a box in fractions of the photo, from 0 to 1."),
            field="face",
            next_step=_("Send “x,y” or “x,y,width,height”, or leave it out."),
        )
    return f"{point[0]:.3f},{point[1]:.3f}"


def _odd_name() -> Problem:
    return Problem(
        422, "hero_name_characters", _("A hero name is made of letters, digits and signs."), field="hero_name"
    )


def _check_key(key: str) -> None:
    if not key or len(key) > MAX_KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise Problem(
            400,
            "idempotency_key_invalid",
            _("An Idempotency-Key has 1 to {most} printable ASCII characters.").format(most=MAX_KEY_CHARACTERS),
            field="Idempotency-Key",
        )


def _look(slug: str) -> Look:
    look = plain_sql.first(Look, "slug = %s AND active", slug) if slug and "\x00" not in slug else None
    if look is None:
        slugs = ", ".join(Look.objects.filter(active=True).values_list("slug", flat=True))
        raise Problem(
            422,
            "look_unknown",
            _("There is no such look."),
            field="look",
            next_step=_("Choose one of: {slugs}.").format(slugs=slugs),
        )
    return look


def clean_email(value: str) -> str:
    """Return an e-mail address, '' for none, or raise a Problem.

    Japanese keyboards write `＠` and `．`, and what is pasted brings invisible characters along.
    """
    value = unicodedata.normalize("NFKC", value)
    value = "".join(char for char in value if unicodedata.category(char) != "Cf").strip()
    if value:
        try:
            validate_email(value)
            MaxLengthValidator(MAX_EMAIL_CHARACTERS)(value)
        except ValidationError:
            raise Problem(422, "email_invalid", _("This is not an e-mail address."), field="email") from None
    return value


def _photo(upload: UploadedFile | None) -> tuple[bytes, str, int]:
    if upload is None:
        raise Problem(422, "photo_missing", _("There is no photo in this request."), field="selfie")
    limits = upload_checks.Limits(bytes=settings.PHOTO_MAX_BYTES, pixels=settings.PHOTO_MAX_PIXELS)
    try:
        if (upload.size or 0) > limits.bytes:
            raise BadPhoto("photo_too_big")
        photo = upload.read()
        facts = upload_checks.inspect(photo, limits=limits)
    except BadPhoto as bad:
        raise Problem(bad.status, bad.code, _(bad.message), field="selfie", next_step=_(bad.next_step)) from None
    return photo, EXTENSIONS[facts.format], facts.cost
