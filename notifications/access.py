"""Closes open sockets and streams of people who may no longer see what they show.

Whoever logs out, gets a new password, is deactivated or loses an API token is refused at the next request; a socket
that is open makes no request. So its line is told, and looks again whether what it was opened with is still good.
What no signal says (a bulk change, a log-in that ended by itself) it finds out within a minute by itself.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from rest_framework.authtoken.models import Token

from . import publish

# Log-in writes this alone; it takes nothing away.
_HARMLESS = frozenset({"last_login"})


def listen() -> None:
    """Hear what takes access away."""
    user = get_user_model()
    user_logged_out.connect(_on_logged_out, dispatch_uid="notifications.access.logged_out")
    post_save.connect(_on_saved, sender=user, dispatch_uid="notifications.access.saved")
    post_delete.connect(_on_deleted, sender=user, dispatch_uid="notifications.access.deleted")
    post_delete.connect(_on_token_deleted, sender=Token, dispatch_uid="notifications.access.token")


def _on_logged_out(sender: Any, user: Any, **_: Any) -> None:
    if user is not None:
        _tell(user.pk)


def _on_saved(sender: Any, instance: Any, created: bool, update_fields: Any = None, **_: Any) -> None:
    if not created and not (update_fields and set(update_fields) <= _HARMLESS):
        _tell(instance.pk)


def _on_deleted(sender: Any, instance: Any, **_: Any) -> None:
    _tell(instance.pk)


def _on_token_deleted(sender: Any, instance: Token, **_: Any) -> None:
    _tell(instance.user_id)


def _tell(user_id: Any) -> None:
    transaction.on_commit(lambda: publish.access_changed(f"u:{user_id}"), robust=True)
