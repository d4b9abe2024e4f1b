"""`manage.py rotate_keys`: encrypt all stored secrets with the first key in FIELD_KEYS.

Run it after a new key was put in front, before the old one is dropped. It may run again and while the product
serves; a second run changes nothing. Values that no key decrypts are listed by row, never shown, and make the exit
code 1: enter them again in the admin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from providers.secrets import EncryptedTextField, rotate


class Command(BaseCommand):
    help = "Encrypt all stored secrets with the first key in FIELD_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        unreadable = []
        for model, name in encrypted_columns():
            rotation = rotate(model, name)
            column = f"{model._meta.label}.{name}"
            self.stdout.write(f"{column}: {rotation.changed} changed")
            if rotation.unreadable:
                unreadable.append(f"{column} of {', '.join(map(str, rotation.unreadable))}")
        if unreadable:
            raise CommandError(f"No key in FIELD_KEYS decrypts {'; '.join(unreadable)}. Enter these values again.")


def encrypted_columns() -> Iterator[tuple[type[Model], str]]:
    """Yield every model with an encrypted column, and the column's name."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy or not model._meta.managed:
            continue
        for field in model._meta.local_concrete_fields:
            if isinstance(field, EncryptedTextField):
                yield model, field.name
