"""Passkeys, with a line in the log and a new session key for each log-in with one, and a 400 for what is no credential.

The library takes JSON from anybody who is not logged in yet, and answers 500 to some of it: bytes in no encoding, deep
nesting, a list in the place of an object, texts that are no base64.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from django_otp_webauthn import views
from django_otp_webauthn.exceptions import MalformedRequest
from django_otp_webauthn.models import WebAuthnCredential

from jobs.audit import audit
from jobs.client_address import client_network

logger = logging.getLogger(__name__)


class _Guarded:
    """Answers 400 where the library breaks on what came."""

    def handle_exception(self, exc: Exception) -> HttpResponse:
        if isinstance(exc, ValueError | TypeError | KeyError | AttributeError | RecursionError):
            logger.warning("passkey_not_read error=%s", type(exc).__name__)
            exc = MalformedRequest()
        return super().handle_exception(exc)  # type: ignore[misc]  # the view's


class BeginRegistration(_Guarded, views.BeginCredentialRegistrationView):
    pass


class CompleteRegistration(_Guarded, views.CompleteCredentialRegistrationView):
    pass


class BeginAuthentication(_Guarded, views.BeginCredentialAuthenticationView):
    pass


class TakeWithPasskey(_Guarded, views.CompleteCredentialAuthenticationView):
    """Log in with a passkey, or take the second step with one."""

    def complete_auth(self, device: Any) -> None:
        super().complete_auth(device)
        self.request.session.cycle_key()
        user, address = self.request.user.pk, client_network(self.request)
        logger.info("second_step_taken user=%s with=passkey address=%s", user, address)


# Before the library's own, whose paths these have.
urlpatterns = [
    path("registration/begin/", BeginRegistration.as_view()),
    path("registration/complete/", CompleteRegistration.as_view()),
    path("authentication/begin/", BeginAuthentication.as_view()),
    path("authentication/complete/", TakeWithPasskey.as_view()),
]


@receiver(post_save, sender=WebAuthnCredential)
def _note_new(sender: Any, instance: WebAuthnCredential, created: bool, **_: Any) -> None:
    if created:
        audit(instance.user, "second_step_added", str(instance.user_id), {"what": "passkey"}, now=timezone.now())
        logger.info("second_step_added user=%s what=passkey", instance.user_id)
