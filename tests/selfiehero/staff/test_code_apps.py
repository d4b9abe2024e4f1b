"""What the database keeps of a code app's key, and that its codes are good all the same."""

from __future__ import annotations

import io
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from selfiehero.staff import code_apps

pytestmark = [pytest.mark.django_db, pytest.mark.database]

KEY = "00112233445566778899aabbccddeeff00112233"


def kept() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM otp_totp_totpdevice")
        return str(cursor.fetchone()[0])


@pytest.fixture
def device() -> TOTPDevice:
    ada = get_user_model().objects.create_user("ada")
    return TOTPDevice.objects.create(user=ada, key=KEY)


def test_the_database_has_no_key_and_codes_are_good(device: TOTPDevice) -> None:
    assert kept().startswith(code_apps.SEALED)
    assert len(kept()) <= 80
    assert KEY not in kept()
    assert device.key == KEY
    loaded = TOTPDevice.objects.get()
    assert loaded.key == KEY
    assert loaded.verify_token(totp(loaded.bin_key))
    assert kept().startswith(code_apps.SEALED)
    assert TOTPDevice.objects.get().key == KEY


def test_keys_from_before_are_encrypted_by_seed(device: TOTPDevice) -> None:
    TOTPDevice.objects.update(key=KEY)
    assert TOTPDevice.objects.get().key == KEY
    call_command("seed", "--no-admin", verbosity=0)
    assert kept().startswith(code_apps.SEALED)
    assert TOTPDevice.objects.get().key == KEY


def test_they_are_rotated_with_everything_else(device: TOTPDevice, settings: Any) -> None:
    old, new = settings.FIELD_KEYS[0], Fernet.generate_key().decode()
    settings.FIELD_KEYS = (new, old)
    assert TOTPDevice.objects.get().key == KEY
    call_command("rotate_keys", stdout=io.StringIO())
    settings.FIELD_KEYS = (new,)
    assert TOTPDevice.objects.get().key == KEY


def test_what_no_key_decrypts_takes_no_code_and_is_not_written_over(device: TOTPDevice, settings: Any) -> None:
    before = kept()
    settings.FIELD_KEYS = (Fernet.generate_key().decode(),)
    lost = TOTPDevice.objects.get()
    assert not lost.verify_token(totp(b""))
    assert not lost.verify_token(totp(bytes.fromhex(KEY)))
    lost.save()
    assert kept() == before
    with pytest.raises(CommandError, match=r"otp_totp\.TOTPDevice\.key of"):
        call_command("rotate_keys", lost=True, stdout=io.StringIO())
