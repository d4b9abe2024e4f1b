"""The audit log: what staff did and what faces they looked at, with who and from which address. Only ever added to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .models import AuditEntry


@dataclass(frozen=True)
class Shell:
    """Somebody with a shell on a host, by the name that they have there."""

    name: str

    def get_username(self) -> str:
        return f"{self.name} in a shell"


def audit(
    actor: Any, action: str, subject: str, data: dict[str, Any], *, now: datetime, address: str = ""
) -> AuditEntry:
    """Record what a user or a Shell did; `actor` is None for the product itself. `data` never contains a secret."""
    # The name stays when the user is gone.
    name = actor.get_username() if actor is not None else ""
    user = None if isinstance(actor, Shell) else actor
    return AuditEntry.objects.create(
        at=now, actor=user, actor_name=name, address=address, action=action, subject=subject, data=data
    )
