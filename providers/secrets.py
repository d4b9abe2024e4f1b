"""Secrets at rest: encrypted with the keys in FIELD_KEYS, newest first.

Rotation: put a new key in front, save the rows (or `manage.py rotate_keys`), drop the old one.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


def _box() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])


class EncryptedTextField(models.TextField):
    """Text that only this installation's keys can read; the database holds ciphertext.

    A value that no key opens reads as empty, so that staff can enter it anew; `is_readable`
    in the admin tells the difference from one never set.
    """

    def get_prep_value(self, value: Any) -> Any:
        return self.encrypted(super().get_prep_value(value))

    @staticmethod
    def encrypted(text: str | None) -> str:
        """Return the ciphertext of a text, '' for none."""
        return _box().encrypt(text.encode()).decode() if text else ""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str:
        if not value:
            return ""
        try:
            return _box().decrypt(value.encode()).decode()
        except InvalidToken:
            return ""

    def get_lookup(self, lookup_name: str) -> Any:
        raise TypeError("an encrypted field cannot be searched")


class EncryptedListField(EncryptedTextField):
    """A list of secrets, all live: during a rotation the old and the new one."""

    def get_prep_value(self, value: Any) -> Any:
        return self.encrypted(json.dumps(list(value)) if value else "")

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> list[str]:  # type: ignore[override]
        text = super().from_db_value(value, expression, connection)
        return json.loads(text) if text else []

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, str):
            return json.loads(value) if value else []
        return list(value or [])
