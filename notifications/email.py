"""Texts of notifications, as e-mail and as push: one message and a link, in the language of the order."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from common import base64url
from jobs import magic_links, messages
from jobs.models import Job

from . import confirmation, mail_limits

logger = logging.getLogger(__name__)

FILES = "django.core.mail.backends.filebased.EmailBackend"


class Text(NamedTuple):
    """A title and a body, translated."""

    title: str
    body: str


def text_of(job: Job) -> Text:
    """Return what to say about a job that has ended, in the language that is active."""
    if job.status == Job.Status.SUCCEEDED:
        if job.hero_name:
            return Text(_("Your film is ready"), _("%(name)s is waiting for you.") % {"name": job.hero_name})
        return Text(_("Your film is ready"), _("Your hero is waiting for you."))
    if job.status == Job.Status.CANCELED:
        return Text(_("Your film was canceled"), _("Nothing more is made from your photo."))
    failure = messages.failure(job.failure_code) or {}
    said = " ".join(part for part in (failure.get("message"), failure.get("next_step")) if part)
    return Text(_("No film this time"), said)


def push_content(job: Job) -> bytes:
    """Return the payload that our service worker shows; well under the 4 kB that a push may have."""
    with translation.override(job.locale or settings.LANGUAGE_CODE):
        title, body = text_of(job)
    page = reverse("job", args=[job.id])
    payload = {"title": title, "body": body[:300], "url": page, "tag": f"job-{job.id}"}
    return json.dumps(payload, ensure_ascii=False).encode()


def push_topic(job: Job) -> str:
    """Return the name under which a repeated push replaces the first: at most 32 URL-safe characters (RFC 8030)."""
    return base64url.encode(job.id.bytes)


def mail(job: Job, *, now: datetime) -> EmailMultiAlternatives:
    """Return the mail about a job that has ended; sent twice it is the same message.

    Its link is a magic link: the phone that gets the mail need not be the device that sent the photo.
    """
    link = urljoin(settings.PUBLIC_URL, magic_links.url_for(job, now=now))
    with translation.override(job.locale or settings.LANGUAGE_CODE):
        title, body = text_of(job)
        context = {
            "title": title,
            "body": body,
            "link": link,
            "is_ready": job.status == Job.Status.SUCCEEDED,
            "erase_at": job.erase_at,
            "language": translation.get_language(),
        }
        plain, page = render_to_string("mail/ended.txt", context), render_to_string("mail/ended.html", context)
    return _message(job, job.status, title, plain, page)


def confirmation_mail(job: Job) -> EmailMultiAlternatives:
    """Return the mail that asks whether its reader wants mail about this job.

    It has a link and nothing of the job, not even the hero's name: nobody can write to a stranger through us.
    """
    link = urljoin(settings.PUBLIC_URL, confirmation.url_for(job))
    with translation.override(job.locale or settings.LANGUAGE_CODE):
        title = _("Confirm your address")
        body = _("Somebody asked us to write to this address when a film is ready.")
        context = {"title": title, "body": body, "link": link, "language": translation.get_language()}
        plain, page = render_to_string("mail/confirm.txt", context), render_to_string("mail/confirm.html", context)
    return _message(job, f"confirm.{mail_limits.digest(job.email)[:16]}", title, plain, page)


def _message(job: Job, about: str, title: str, plain: str, page: str) -> EmailMultiAlternatives:
    """Return a message to the job's address whose id begins with the job's, by which `forget_files` finds it."""
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    message = EmailMultiAlternatives(
        subject=f"{title} – Selfie Hero",
        body=plain,
        to=[job.email],
        headers={"Message-ID": f"<{job.id}.{about}@{host}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(page, "text/html")
    return message


def forget_files(job_ids: Collection[UUID]) -> None:
    """Remove the mails about these jobs that were written to files for want of a mail server."""
    if settings.EMAIL_BACKEND != FILES or not (folder := Path(settings.EMAIL_FILE_PATH)).is_dir():
        return
    names = [f"<{job_id}.".encode() for job_id in job_ids]
    for path in folder.iterdir():
        try:
            content = path.read_bytes()
            if any(name in content for name in names):
                path.unlink(missing_ok=True)
        except OSError as error:
            logger.error("mail_file_not_removed error=%s", type(error).__name__)
