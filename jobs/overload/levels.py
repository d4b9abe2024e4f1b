"""Brownout levels: what is left out while the backlog is old, so that films go on being made.

| level | entered at | what is left out |
| --- | --- | --- |
| full | | nothing |
| no_posters | 25 % | first pictures of films that are being rendered are not fetched |
| short_films | 50 % | and clouds make their model's shortest film |
| email_only | 75 % | and pages hear only of the end; everything before it they read every 15 seconds |

The shares are of the backlog's limit (ADMISSION_BACKLOG_MINUTES); at 100 % new jobs wait at the door. A level is
entered after ENTER_SECONDS above its share and left after LEAVE_SECONDS below half of it, one level at a time.
"""

from __future__ import annotations

from django.db.models import IntegerChoices
from django.utils.translation import gettext_lazy as _


class Level(IntegerChoices):
    """How much is left out; a higher level leaves out what lower ones do, too."""

    FULL = 0, "full"
    NO_POSTERS = 1, "no_posters"
    SHORT_FILMS = 2, "short_films"
    EMAIL_ONLY = 3, "email_only"


ENTER_AT = {Level.NO_POSTERS: 0.25, Level.SHORT_FILMS: 0.5, Level.EMAIL_ONLY: 0.75}
LEAVE_SHARE = 0.5
ENTER_SECONDS, LEAVE_SECONDS = 10.0, 30.0
# New jobs wait at the door from the limit on, until the backlog is down to this share of it.
OPEN_AGAIN_AT = 0.8

WORDS = {
    Level.NO_POSTERS: _("So many films are under way that first pictures are left out for now."),
    Level.SHORT_FILMS: _("So many films are under way that first pictures are left out and films are shorter for now."),
    Level.EMAIL_ONLY: _("So many films are under way that pages hear of their film only when it is finished."),
}


class Switch:
    """A state that changes only after its reason has lasted: `enter` seconds to go up, `leave` seconds to go down."""

    def __init__(self) -> None:
        self._reason = 0
        self._since = 0.0

    def has_lasted(self, reason: int, *, at: float, up: float = ENTER_SECONDS, down: float = LEAVE_SECONDS) -> bool:
        """Return whether this reason has lasted long enough: 1 to go up, -1 to go down, 0 for neither.

        When it has, the time starts anew.
        """
        if reason != self._reason:
            self._reason, self._since = reason, at
        if not reason or at - self._since < (up if reason > 0 else down):
            return False
        self._since = at
        return True


def direction(level: int, pressure: float) -> int:
    """Return 1 when the next level should be entered at this share of the limit, -1 when this one be left, else 0."""
    if level < Level.EMAIL_ONLY and pressure >= ENTER_AT[Level(level + 1)]:
        return 1
    return -1 if level and pressure < ENTER_AT[Level(level)] * LEAVE_SHARE else 0
