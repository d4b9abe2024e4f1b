"""Fields for secrets at rest. They are encrypted with the first key in FIELD_KEYS; all keys decrypt.

To rotate: put a new key in front of FIELD_KEYS and restart, run `manage.py rotate_keys`, then drop the old key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.models import F, TextField, Value
from django.db.models.expressions import ExpressionWrapper

ROTATION_BATCH = 500  # rows read at a time


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])


# Each claim, webhook and poll reads a provider with its secrets: decrypting them again takes as long as the query.
@lru_cache(maxsize=256)
def _decrypted(keys: tuple[str, ...], stored: str) -> str:
    """Return the text of a ciphertext, an UnreadableText when no key decrypts it."""
    try:
        return MultiFernet([Fernet(key) for key in keys]).decrypt(stored.encode()).decode()
    except InvalidToken:
        return UnreadableText(stored)


class UnreadableText(str):
    """An empty text in place of one that no key in FIELD_KEYS decrypts. Saving it keeps the ciphertext."""

    stored: str

    def __new__(cls, stored: str) -> UnreadableText:
        made = super().__new__(cls)
        made.stored = stored
        return made

    def __getnewargs__(self) -> tuple[str]:
        return (self.stored,)


class UnreadableList(list[str]):
    """An empty list in place of secrets that no key in FIELD_KEYS decrypts. Saving it keeps the ciphertext."""

    def __init__(self, stored: str) -> None:
        super().__init__()
        self.stored = stored


def is_unreadable(value: object) -> bool:
    """Return whether a field's value stands for one that no key in FIELD_KEYS decrypts."""
    return isinstance(value, UnreadableText | UnreadableList)


class EncryptedTextField(models.TextField):
    """Text that is stored as Fernet ciphertext.

    A value that no key in FIELD_KEYS decrypts reads as an empty `UnreadableText`, so that staff can enter it again:
    the admin shows “unreadable” instead of “not set” (`forms.describe_secrets`), `ProviderConfig.account` raises.
    """

    def get_prep_value(self, value: Any) -> Any:
        return value.stored if isinstance(value, UnreadableText) else self.encrypted(super().get_prep_value(value))

    @staticmethod
    def encrypted(text: str | None) -> str:
        """Return the ciphertext of a text, '' for none."""
        return _fernet().encrypt(text.encode()).decode() if text else ""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str:
        return _decrypted(tuple(settings.FIELD_KEYS), value) if value else ""

    def get_lookup(self, lookup_name: str) -> Any:
        raise TypeError("an encrypted field cannot be searched")


class EncryptedListField(EncryptedTextField):
    """A list of secrets that are all accepted, as during the rotation of a webhook secret."""

    # What a row's attribute takes and gives, for mypy (django-stubs reads these two names).
    _pyi_private_set_type: Sequence[str]  # type: ignore[assignment]  # a text field's is a text
    _pyi_private_get_type: list[str]  # type: ignore[assignment]  # likewise

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, UnreadableList) and not value:
            return value.stored
        return self.encrypted(json.dumps(list(value)) if value else "")

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> list[str]:  # type: ignore[override]  # a text field gives a text
        text = super().from_db_value(value, expression, connection)
        if isinstance(text, UnreadableText):
            return UnreadableList(text.stored)
        return json.loads(text) if text else []

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, UnreadableList):
            return value
        if isinstance(value, str):
            return json.loads(value) if value else []
        return list(value or [])


def ciphertext_of(name: str) -> ExpressionWrapper:
    """Return an expression for an encrypted column as it is stored, without decryption."""
    return ExpressionWrapper(F(name), output_field=TextField())


@dataclass
class Rotation:
    """What `rotate` did to one column: how many values it changed, and the rows that no key decrypts."""

    changed: int = 0
    unreadable: list[Any] = field(default_factory=list)


def rotate(model: type[models.Model], name: str) -> Rotation:
    """Encrypt every value of an encrypted column with the first key in FIELD_KEYS.

    Values that already are, and empty ones, stay as they are. A value that somebody replaces meanwhile is left
    alone: it was written with the first key.
    """
    newest, fernet = Fernet(settings.FIELD_KEYS[0]), _fernet()
    rotation = Rotation()
    for pk, stored in _stored_values(model, name):
        if not stored or _decrypts(newest, stored):
            continue
        try:
            renewed = fernet.rotate(stored.encode()).decode()
        except InvalidToken:
            rotation.unreadable.append(pk)
            continue
        unchanged = model._base_manager.annotate(stored=ciphertext_of(name)).filter(pk=pk, stored=stored)
        rotation.changed += unchanged.update(**{name: Value(renewed, output_field=TextField())})
    return rotation


def _stored_values(model: type[models.Model], name: str) -> Iterator[tuple[Any, str]]:
    """Yield (primary key, ciphertext) of every row, reading a batch at a time."""
    rows = model._base_manager.annotate(stored=ciphertext_of(name)).order_by("pk").values_list("pk", "stored")
    batch = list(rows[:ROTATION_BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1][0])[:ROTATION_BATCH])


def _decrypts(key: Fernet, stored: str) -> bool:
    try:
        key.decrypt(stored.encode())
    except InvalidToken:
        return False
    return True
