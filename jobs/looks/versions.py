"""Versions of what a look asks providers for: written, tried with a sample film, activated."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from jobs.models import Look, LookVersion
from providers.models import ProviderConfig


class NotTried(Exception):
    """A version cannot be activated: there is no sample film of it, and people never got it."""


def write(
    look: Look, *, prompt: str, negative_prompt: str = "", note: str = "", creator_name: str = "", now: datetime
) -> LookVersion:
    """Store a new version with the next number. People get it once it is activated."""
    with transaction.atomic():
        Look.objects.select_for_update().get(pk=look.pk)
        newest = look.versions.aggregate(newest=Max("number"))["newest"] or 0
        return look.versions.create(
            number=newest + 1,
            prompt=prompt,
            negative_prompt=negative_prompt,
            note=note,
            creator_name=creator_name,
            created_at=now,
        )


def write_first(look: Look, *, now: datetime) -> None:
    """Store what a shipped look asks for as its first version, activated as it is shipped."""
    if not look.versions.exists():
        first = write(look, prompt=look.prompt, negative_prompt=look.negative_prompt, note="As shipped.", now=now)
        LookVersion.objects.filter(pk=first.pk).update(activated_at=now)


def active_version(look: Look) -> LookVersion | None:
    """Return the version that people get now; None for a look whose wording was never a version."""
    return look.versions.is_activated().order_by("-activated_at", "-number").first()


def ask_for_sample(version: LookVersion, provider: ProviderConfig, *, now: datetime) -> bool:
    """Have reconcile make a sample film; False while one is being made already."""
    rows = LookVersion.objects.filter(pk=version.pk, sample_asked_at=None)
    return bool(rows.update(sample_asked_at=now, sample_provider=provider, sample_token="", sample_result=""))


def activate(version: LookVersion, *, now: datetime) -> None:
    """Ask for this version from the next submit on. Raise NotTried without a sample film, unless it was active before.

    The films that are being made stay as they were asked for.
    """
    with transaction.atomic():
        look = Look.objects.select_for_update().get(pk=version.look_id)
        version.refresh_from_db()
        if not version.has_sample and version.activated_at is None:
            raise NotTried
        LookVersion.objects.filter(pk=version.pk).update(activated_at=now)
        Look.objects.filter(pk=look.pk).update(**version.asked_for())
