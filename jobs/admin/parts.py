"""What the admin's pages have in common."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

# A bulk action is one request, so it takes at most this many rows.
MAX_BULK = 500


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that are shown and not added, edited or removed here.

    Django calls `has_act_permission` for actions with permissions=["act"].
    """

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Return whether this person may use the actions, beyond viewing."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        names = super().get_readonly_fields(request, obj)
        return list(dict.fromkeys([*names, *(field.name for field in self.opts.concrete_fields)]))


def span(length: timedelta | None) -> str:
    """Return a length of time in the two units that matter: 4 s, 3 m 20 s, 2 h 5 m, 3 d 4 h."""
    if length is None:
        return "–"
    seconds = length.total_seconds()
    if seconds < 0:
        return f"-{span(-length)}"
    if seconds < 10:
        return f"{seconds:.1f} s"
    total = int(seconds)
    for size, unit, smaller, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if total >= size:
            rest = total % size // smaller
            return f"{total // size} {unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{total} s"


def moment(at: datetime) -> str:
    """Return a moment to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


def age(moment: datetime | None, *, now: datetime) -> str:
    """Return how long ago a moment was."""
    return "–" if moment is None else span(now - moment)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 job, 2 jobs."""
    return f"{number} {one if number == 1 else many or one + 's'}"
