"""What the commands that act like staff have in common: who acts, and which provider is meant."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from jobs.audit import Shell, audit
from jobs.clock import database_now
from providers.models import ProviderConfig
from providers.switches import Record


def who() -> Shell:
    """Return the user of this shell, also of one that sudo opened."""
    try:
        return Shell(os.environ.get("SUDO_USER") or getpass.getuser())
    except (OSError, KeyError):
        return Shell(f"user {os.getuid()}")  # in a container the number may have no name


def provider(slug: str) -> QuerySet[ProviderConfig]:
    """Return the row of a provider; a slug that there is none of ends the command with those that there are."""
    rows = ProviderConfig.objects.filter(slug=slug)
    if not rows:
        there = ", ".join(ProviderConfig.objects.order_by("order", "id").values_list("slug", flat=True))
        raise CommandError(f"No provider is called {slug}; there are: {there or 'none'}.", returncode=2)
    return rows


def record(action: str) -> Record:
    """Return what writes an entry of this action into the audit log."""

    def write(row: ProviderConfig, data: dict[str, Any]) -> None:
        audit(who(), action, row.slug, data, now=database_now())

    return write


def told(changed: Iterable[ProviderConfig], words: str, *, otherwise: str) -> str:
    """Return the one line that says what became of it."""
    names = ", ".join(str(row) for row in changed)
    return f"{names}: {words}" if names else otherwise
