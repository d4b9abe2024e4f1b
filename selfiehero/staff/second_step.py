"""The second step of a log-in: a code from an app (TOTP), a backup code, or a passkey.

    password ──► no second step set up ─────────────────► in, unless REQUIRE_STAFF_2FA: then first to set one up
             └─► set up ──► a code or a passkey ─────────► in
    passkey alone (the device asks for finger or PIN) ───► in

Between the two steps a session may do nothing in the admin but take the second. Whoever is in with one may add another
or take one away; taking the last away is a change like any other and is written down. A colleague with the right to
change users helps out who lost all of theirs, by deleting the devices.
"""

from __future__ import annotations

from typing import Any

import django_otp
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

KINDS: tuple[type[Device], ...] = (TOTPDevice, StaticDevice, WebAuthnCredential)
WITH_CODES: tuple[type[Device], ...] = (TOTPDevice, StaticDevice)
BACKUP_CODES = 10


def is_enrolled(user: Any) -> bool:
    """Tell whether somebody has set up a second step. One query."""
    first, *others = (kind.objects.filter(user=user, confirmed=True).order_by().values("pk") for kind in KINDS)
    return first.union(*others, all=True).exists()


def is_verified(request: HttpRequest) -> bool:
    """Tell whether this session has taken a second step. `OTPMiddleware` gives the user the method."""
    user: Any = request.user
    return bool(user.is_verified())


def is_done(request: HttpRequest) -> bool:
    """Tell whether a session of the staff has taken every step that is asked of it. One query a request at most."""
    if is_verified(request):
        return True
    if settings.REQUIRE_STAFF_2FA:
        return False
    kept: Any = request
    if not hasattr(kept, "needs_second_step"):
        kept.needs_second_step = is_enrolled(request.user)
    return not kept.needs_second_step


def take(request: HttpRequest, code: str) -> bool:
    """Let a session in when its code is right; each code is good once, and wrong ones make the next try wait."""
    with transaction.atomic():
        for kind in WITH_CODES:
            devices = kind.objects.select_for_update().filter(user=request.user, confirmed=True)
            for device in devices:
                if device.verify_is_allowed()[0] and device.verify_token(code):
                    django_otp.login(request, device)
                    request.session.cycle_key()
                    return True
    return False


def start_app(user: Any) -> TOTPDevice:
    """Return a new key for a code app, which counts once a code of it was shown."""
    TOTPDevice.objects.filter(user=user, confirmed=False).delete()
    return TOTPDevice.objects.create(user=user, name="Code app", confirmed=False)


def confirm_app(request: HttpRequest, code: str) -> bool:
    """Begin to ask for the codes of the key that was started, when this is one of them."""
    device = TOTPDevice.objects.filter(user=request.user, confirmed=False).first()
    if device is None or not device.verify_is_allowed()[0] or not device.verify_token(code):
        return False
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    django_otp.login(request, device)
    request.session.cycle_key()
    return True


def new_backup_codes(user: Any) -> list[str]:
    """Return new backup codes, each good once; the old ones are good no more."""
    with transaction.atomic():
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name="Backup codes")
        codes = [StaticToken.random_token() for _ in range(BACKUP_CODES)]
        StaticToken.objects.bulk_create([StaticToken(device=device, token=code) for code in codes])
    return codes


def devices_of(user: Any) -> list[Device]:
    """Return what somebody may take the second step with."""
    return [device for kind in KINDS for device in kind.objects.filter(user=user, confirmed=True)]


def remove(user: Any, persistent_id: str) -> Device | None:
    """Take a device away and return it; with the last one go the backup codes."""
    device = next((device for device in devices_of(user) if device.persistent_id == persistent_id), None)
    if device is not None:
        device.delete()
        if all(isinstance(left, StaticDevice) for left in devices_of(user)):
            StaticDevice.objects.filter(user=user).delete()
    return device
