"""Whether this process has the product's keys: SECRET_KEY and FIELD_KEYS, compared by fingerprint with the database.

Two hosts that make keys of their own on one database would send empty API keys to the vendors and refuse each other's
cookies and media addresses. So the first start writes a fingerprint of each key, and a process that has others does
not start.

| the process's keys | what happens |
| --- | --- |
| all that are recorded | it starts; its first key, which encrypts or signs, is recorded when it is new |
| not all that are recorded | it refuses: it could not decrypt every value, or would refuse what others signed |

The keys of SECRET_KEY are itself and then SECRET_KEY_FALLBACKS.

`manage.py rotate_keys` encrypts everything with the first key, and records that key alone and the present SECRET_KEY.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import Error, connection, models, transaction

from .models import KeyFingerprints
from .secrets import EncryptedTextField, ciphertext_of, is_unreadable

logger = logging.getLogger(__name__)

SECRET_KEY, FIELD_KEYS = "SECRET_KEY", "FIELD_KEYS"
_FILES = {SECRET_KEY: "secret_key", FIELD_KEYS: "field_key"}
_PURPOSE = b"selfiehero: fingerprint of "
# What apps above encrypt with FIELD_KEYS in columns of other packages: by column, a function that encrypts all of it
# with the first key, and returns how many values it changed and the rows that no key decrypts.
other_rotations: dict[str, Callable[[], tuple[int, list[Any]]]] = {}


class OtherKeys(Exception):
    """This process has other keys than the database was set up with. The text says what to copy."""

    def __init__(self, names: Sequence[str]) -> None:
        files = " and ".join(f"VAR_DIR/{_FILES[name]}" for name in names)
        super().__init__(
            f"This host's {' and '.join(names)} differ from those of its database: copy {' and '.join(names)} from the "
            f"environment of a host that already runs, or its {files} to {settings.VAR_DIR} here; keys that were "
            "changed on purpose are recorded by `manage.py rotate_keys`."
        )
        self.names = tuple(names)


def fingerprint(name: str, key: str) -> str:
    """Return 32 hexadecimal digits by which a key can be told from others, and from which it cannot be had."""
    return hmac.new(key.encode(), _PURPOSE + name.encode(), hashlib.sha256).hexdigest()[:32]


def digest_of_own() -> str:
    """Return 16 hexadecimal digits that are the same on every host with this process's keys, in whatever order."""
    prints = sorted(one for several in _own().values() for one in several)
    return hashlib.sha256(",".join(prints).encode()).hexdigest()[:16]


def encrypted_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Yield every model with an encrypted column, and the column's name."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy or not model._meta.managed:
            continue
        for field in model._meta.local_concrete_fields:
            if isinstance(field, EncryptedTextField):
                yield model, field.name


def differing_keys() -> list[str]:
    """Return which of SECRET_KEY and FIELD_KEYS are not the recorded ones; none when nothing is recorded yet."""
    return lacking(recorded_fingerprints())


def recorded_fingerprints() -> dict[str, list[str]]:
    """Return the fingerprints of the keys that the database's values may need, by name of the key."""
    return dict(KeyFingerprints.objects.values_list("name", "fingerprints"))


def lacking(recorded: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of keys that these fingerprints need and this process does not have."""
    return [name for name, own in _own().items() if not set(recorded.get(name, ())) <= set(own)]


def record_keys() -> None:
    """Record this process's keys as the product's, those not needed any more left out. For `rotate_keys`."""
    for name, own in _own().items():
        KeyFingerprints.objects.update_or_create(name=name, defaults={"fingerprints": own[:1]})


def require_known_keys() -> None:
    """Raise OtherKeys when this process has other keys than the database knows; record them at the first start.

    A database that does not answer or is not migrated yet is no reason to refuse: `/readyz` compares again.
    """
    try:
        if KeyFingerprints._meta.db_table not in connection.introspection.table_names():
            return
        names = [] if _is_recorded() else _compare_and_record()
    except Error as error:
        logger.warning("keys_not_compared error=%s", type(error).__name__)
        return
    if names:
        raise OtherKeys(names)


def _is_recorded() -> bool:
    """Return whether nothing has to be written: the usual start, which shall not wait for SQLite's one writer."""
    recorded = recorded_fingerprints()
    return all(own[0] in recorded.get(name, ()) and set(recorded[name]) <= set(own) for name, own in _own().items())


@transaction.atomic
def _compare_and_record() -> list[str]:
    differing = []
    for name, own in _own().items():
        # Of two first starts at once one makes the row and the other one compares with it.
        row, is_new = KeyFingerprints.objects.get_or_create(name=name, defaults={"fingerprints": own})
        if is_new:
            if name == FIELD_KEYS and _decrypts_nothing():
                row.delete()
                differing.append(name)
            continue
        row = KeyFingerprints.objects.select_for_update().get(name=name)
        if not set(row.fingerprints) <= set(own):
            differing.append(name)
        elif own[0] not in row.fingerprints:
            row.fingerprints = [own[0], *row.fingerprints]
            row.save(update_fields=["fingerprints", "changed_at"])
    return differing


def _own() -> dict[str, list[str]]:
    return {
        SECRET_KEY: [fingerprint(SECRET_KEY, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)],
        FIELD_KEYS: [fingerprint(FIELD_KEYS, key) for key in settings.FIELD_KEYS],
    }


def _decrypts_nothing() -> bool:
    """Return whether there are encrypted values of which this process can decrypt none: they are another host's."""
    found = False
    for model, name in encrypted_columns():
        rows = model._base_manager.annotate(stored=ciphertext_of(name)).exclude(stored="")
        for value in rows.values_list(name, flat=True).iterator():
            if not is_unreadable(value):
                return False
            found = True
    return found
