"""The audit log: what staff did and what faces they looked at, with who and from which address. Only ever added to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .models import AuditEntry


def audit(
    actor: Any, action: str, subject: str, data: dict[str, Any], *, now: datetime, address: str = ""
) -> AuditEntry:
    """Record what a staff member did; `actor` is None for the product itself. `data` never contains a secret."""
    # The name stays when the user is gone.
    name = actor.get_username() if actor is not None else ""
    return AuditEntry.objects.create(
        at=now, actor=actor, actor_name=name, address=address, action=action, subject=subject, data=data
    )
