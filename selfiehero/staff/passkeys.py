"""Passkeys, with a line in the log and a new session key for each log-in with one."""

from __future__ import annotations

import logging
from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone
from django_otp_webauthn.models import WebAuthnCredential
from django_otp_webauthn.views import CompleteCredentialAuthenticationView

from jobs.audit import audit
from jobs.client_address import client_network

logger = logging.getLogger(__name__)


class TakeWithPasskey(CompleteCredentialAuthenticationView):
    """Log in with a passkey, or take the second step with one."""

    def complete_auth(self, device: Any) -> None:
        super().complete_auth(device)
        self.request.session.cycle_key()
        user, address = self.request.user.pk, client_network(self.request)
        logger.info("second_step_taken user=%s with=passkey address=%s", user, address)


@receiver(post_save, sender=WebAuthnCredential)
def _note_new(sender: Any, instance: WebAuthnCredential, created: bool, **_: Any) -> None:
    if created:
        audit(instance.user, "second_step_added", str(instance.user_id), {"what": "passkey"}, now=timezone.now())
        logger.info("second_step_added user=%s what=passkey", instance.user_id)
