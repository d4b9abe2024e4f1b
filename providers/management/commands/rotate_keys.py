"""`manage.py rotate_keys`: encrypt all stored secrets with the first key in FIELD_KEYS.

Run it after a new key was put in front, before the old one is dropped. It may run again and while the product
serves; a second run changes nothing. Values that no key decrypts are listed by row, never shown, and make the exit
code 1: enter them again in the admin.

It records the keys too, by which every process is told that it has the product's (`providers.keys`). A host whose
FIELD_KEYS lack one that is recorded is refused, unless `--lost` says that the key is gone for good.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers import keys
from providers.secrets import rotate


class Command(BaseCommand):
    help = "Encrypt all stored secrets with the first key in FIELD_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--lost", action="store_true", help="go on without keys that are gone for good")

    def handle(self, *args: Any, lost: bool = False, **options: Any) -> None:
        if keys.FIELD_KEYS in keys.differing_keys() and not lost:
            raise CommandError(f"{keys.OtherKeys([keys.FIELD_KEYS])} If it is gone for good, add --lost.")
        unreadable = []
        for model, name in keys.encrypted_columns():
            rotation = rotate(model, name)
            column = f"{model._meta.label}.{name}"
            self.stdout.write(f"{column}: {rotation.changed} changed")
            if rotation.unreadable:
                unreadable.append(f"{column} of {', '.join(map(str, rotation.unreadable))}")
        for column, rotate_column in keys.other_rotations.items():
            changed, rows = rotate_column()
            self.stdout.write(f"{column}: {changed} changed")
            if rows:
                unreadable.append(f"{column} of {', '.join(map(str, rows))}")
        if lost or not unreadable:
            keys.record_keys()
        if unreadable:
            raise CommandError(f"No key in FIELD_KEYS decrypts {'; '.join(unreadable)}. Enter these values again.")
