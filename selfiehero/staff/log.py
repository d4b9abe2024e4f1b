"""What is written down about a log-in: who and from where, never what was typed.

A name that nobody has is not repeated: people type their password into the wrong field.
"""

from __future__ import annotations

import logging
from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from jobs.client_address import client_network

logger = logging.getLogger(__name__)


def _from(request: HttpRequest | None) -> str:
    return client_network(request) if request is not None else "-"


def _id_of(name: Any) -> str:
    users = get_user_model().objects.filter(username=name) if isinstance(name, str) and "\0" not in name else None
    found = users.values_list("pk", flat=True).first() if users is not None else None
    return "unknown" if found is None else str(found)


@receiver(user_logged_in)
def _succeeded(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    logger.info("login_succeeded user=%s staff=%s address=%s", user.pk, user.is_staff, _from(request))


@receiver(user_logged_out)
def _ended(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    if user is not None:
        logger.info("logged_out user=%s address=%s", user.pk, _from(request))


@receiver(user_login_failed)
def _failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    if not getattr(request, "axes_locked_out", False):
        logger.warning("login_failed user=%s address=%s", _id_of(credentials.get("username")), _from(request))


@receiver(user_locked_out)
def _locked_out(sender: Any, request: HttpRequest, username: Any, **_: Any) -> None:
    logger.warning("login_locked_out user=%s address=%s", _id_of(username), _from(request))
