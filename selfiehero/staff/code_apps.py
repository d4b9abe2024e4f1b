"""The keys of code apps (TOTP) are encrypted in the database with FIELD_KEYS, as providers' secrets are.

django-otp keeps them in plain hexadecimal digits: whoever reads a backup could make the codes of all staff. Its model
stays as it is; a key is decrypted when a device is loaded and encrypted when it is saved. AES-GCM, because the text of
Fernet is longer than the column. `manage.py seed` encrypts what was kept in plain, `manage.py rotate_keys` what an
older key did.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from binascii import hexlify, unhexlify
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db.models.signals import post_init, post_save, pre_save
from django_otp.plugins.otp_totp.models import TOTPDevice

from common import base64url

logger = logging.getLogger(__name__)

# No hexadecimal key begins like this.
SEALED = "s1:"
_PURPOSE = b"selfiehero: keys of code apps "
_NONCE_BYTES = 12


def listen() -> None:
    """Encrypt on the way into the database and decrypt on the way out."""
    for signal, receiver in ((post_init, _on_loaded), (pre_save, _on_saving), (post_save, _on_saved)):
        signal.connect(receiver, sender=TOTPDevice, dispatch_uid=f"selfiehero.staff.code_apps{receiver.__name__}")


def seal(key: str) -> str:
    """Return what is kept of a hexadecimal key; at most 80 characters for one of 20 bytes."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return SEALED + base64url.encode(nonce + _ciphers()[0].encrypt(nonce, unhexlify(key), None))


def unseal(kept: str) -> str | None:
    """Return the hexadecimal key of what is kept, None when no key in FIELD_KEYS decrypts it."""
    if not kept.startswith(SEALED):
        return kept
    sealed = base64url.decode(kept.removeprefix(SEALED))
    for cipher in _ciphers():
        try:
            return hexlify(cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)).decode()
        except InvalidTag:
            continue
    return None


def rotate() -> tuple[int, list[Any]]:
    """Encrypt every key with the first of FIELD_KEYS; return how many, and the rows that none decrypts."""
    unreadable, changed = [], 0
    for device in TOTPDevice.objects.order_by("pk"):
        if hasattr(device, "_stands_for"):
            unreadable.append(device.pk)
        else:
            device.save(update_fields=["key"])
            changed += 1
    return changed, unreadable


def seal_plain() -> int:
    """Encrypt the keys that are kept in plain, from before they were encrypted; return how many."""
    plain = TOTPDevice.objects.exclude(key__startswith=SEALED)
    devices = list(plain)
    for device in devices:
        device.save(update_fields=["key"])
    return len(devices)


def _ciphers() -> list[AESGCM]:
    return [AESGCM(hashlib.sha256(_PURPOSE + key.encode()).digest()) for key in settings.FIELD_KEYS]


def _on_loaded(sender: Any, instance: TOTPDevice, **_: Any) -> None:
    kept = instance.__dict__.get("key", "")
    if not kept.startswith(SEALED):
        return
    key = unseal(kept)
    if key is None:
        # Not an empty key, whose codes anybody could make: one that nobody has. It is never written.
        logger.error("code_app_unreadable device=%s", instance.pk)
        key = secrets.token_hex(20)
        instance._stands_for = (key, kept)
    instance.key = key


def _on_saving(sender: Any, instance: TOTPDevice, **_: Any) -> None:
    shown, kept = getattr(instance, "_stands_for", ("", ""))
    instance.key = kept if kept and instance.key == shown else seal(instance.key)


def _on_saved(sender: Any, instance: TOTPDevice, **_: Any) -> None:
    shown, kept = getattr(instance, "_stands_for", ("", ""))
    instance.key = shown if kept and instance.key == kept else unseal(instance.key) or shown
