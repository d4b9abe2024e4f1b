"""Places in the waiting room: a signed token that says since when somebody waits.

It holds a time and a random number, and nothing about the person. Whoever has waited longer goes first, at any web
process, because the token says all there is to know.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import NamedTuple

from django.core import signing

COOKIE, HEADER = "place", "Selfie-Hero-Place"
VALID_FOR = timedelta(hours=1)
_SALT = "jobs.overload.places"
_LONGEST = 120


class Place(NamedTuple):
    """Since when somebody waits, in whole seconds since 1970, and which of those who came in that second."""

    since: int
    number: str

    @property
    def token(self) -> str:
        return signing.Signer(salt=_SALT).sign(f"{self.since}.{self.number}")


def new(*, now: float) -> Place:
    """Return the place of somebody who comes now, in seconds since 1970."""
    return Place(int(now), secrets.token_urlsafe(9))


def read(token: str, *, now: float) -> Place | None:
    """Return the place of a token; None for one that is not ours, too old, or from the future."""
    if not token or len(token) > _LONGEST:
        return None
    try:
        since, _, number = signing.Signer(salt=_SALT).unsign(token).partition(".")
        place = Place(int(since), number)
    except (signing.BadSignature, ValueError):
        return None
    return place if -5 <= now - place.since <= VALID_FOR.total_seconds() else None
