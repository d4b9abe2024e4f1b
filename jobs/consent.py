"""What people agree to, as data: the exact text in their language, its version and digest, and the age they stated.

The text is the sentence beside the tick and the whole of the photo rules, made from the templates that show them and
the settings that enforce them. So a changed sentence or a changed hour is another text with another digest, and each
job names the one that its owner saw. `ConsentText` keeps every text that was ever agreed to. The database lets no job
past its preparation without all of it (`job_consent_before_dispatch`).
"""

from __future__ import annotations

import hashlib
import html
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import ngettext

from .models import ConsentText

_kept: set[str] = set()


def fields_of(locale: str, *, now: datetime) -> dict[str, Any]:
    """Return the consent of a new job, given now in this language, as fields of its row; keep its text."""
    language = locale if locale in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
    text = text_in(language)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    if sha256 not in _kept:
        ConsentText.objects.get_or_create(
            sha256=sha256,
            defaults={
                "version": settings.CONSENT_VERSION,
                "language": language,
                "age": settings.CONSENT_AGE,
                "text": text,
                "first_given_at": now,
            },
        )
        _kept.add(sha256)
    return {
        "consent_version": settings.CONSENT_VERSION,
        "consent_sha256": sha256,
        "consent_language": language,
        "consent_age": settings.CONSENT_AGE,
        "consent_at": now,
    }


@lru_cache(maxsize=8)
def text_in(language: str) -> str:
    """Return what is agreed to in a language, as plain text, one paragraph a line."""
    with translation.override(language):
        shown = render_to_string("pages/consent_words.html", rules()) + render_to_string("pages/rules.html", rules())
    plain = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"</(?:p|h2)>", "\n", shown)))
    lines = (" ".join(line.split()) for line in plain.splitlines())
    return f"{settings.CONSENT_VERSION}\n" + "\n".join(line for line in lines if line) + "\n"


def rules() -> dict[str, Any]:
    """Return the figures of the photo rules for their templates, from the settings by which they are enforced."""
    return {
        "photo_kept": in_words(settings.PHOTO_RETENTION),
        "film_kept": in_words(settings.RETENTION),
        "film_kept_long": in_words(settings.LONG_RETENTION) if settings.LONG_RETENTION > settings.RETENTION else "",
        "reports_kept": in_words(settings.DELIVERIES_RETENTION),
        "consent_version": settings.CONSENT_VERSION,
        "consent_age": settings.CONSENT_AGE,
    }


def in_words(span: timedelta) -> str:
    """Return a span of whole hours or days in words: "24 hours", "7 days"."""
    hours = round(span.total_seconds() / 3600)
    if hours > 24 and hours % 24 == 0:
        return ngettext("%(count)d day", "%(count)d days", hours // 24) % {"count": hours // 24}
    return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
