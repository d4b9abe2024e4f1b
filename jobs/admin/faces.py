"""Who sees faces: the permission `view_faces`, asked by every page that could show one, and audited at each look.

Without it there is no poster, photo, film or share address, e-mails are masked, and what vendors sent (which holds
addresses of pictures) is hidden. Left out on the server: nothing is in the page that a style sheet hides.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from jobs.audit import audit
from jobs.client_address import client_network

PERMISSION = "jobs.view_faces"
HIDDEN = "hidden: this takes the permission to see faces"


def may_see(request: HttpRequest) -> bool:
    """Return whether this person may see faces."""
    return bool(request.user.has_perm(PERMISSION))


def note(request: HttpRequest, action: str, subject: str, data: dict[str, Any]) -> None:
    """Record in the audit log what somebody is about to see or has done."""
    audit(request.user, action, subject, data, now=timezone.now(), address=client_network(request))


def masked(email: str) -> str:
    """Return an e-mail address of which the name is left out but for its first letter."""
    name, at, host = email.partition("@")
    return f"{name[:1]}…{at}{host}" if at else ""
