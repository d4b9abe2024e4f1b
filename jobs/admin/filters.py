"""Filters and search over jobs."""

from __future__ import annotations

import re
from uuid import UUID

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from jobs import messages
from jobs.models import Attempt, Job
from jobs.photos.outcomes import OUTCOMES
from providers.models import ProviderConfig

_WHOLE_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.I)
_OWNER = re.compile(r"([uv]):([0-9a-f]+)", re.I)
_DIGEST_CHARACTERS = 64
_BEGINNING = re.compile(r"[0-9a-f-]{4,36}", re.I)


class ProviderFilter(admin.SimpleListFilter):
    """Jobs that had an attempt at a provider, the newest one or an earlier one."""

    title = "provider"
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        rows = ProviderConfig.objects.order_by("order", "id")
        return [(row.slug, str(row)) for row in rows.only("slug", "title")]

    def queryset(self, request: HttpRequest, jobs: QuerySet[Job]) -> QuerySet[Job]:
        if not self.value():
            return jobs
        return jobs.filter(Exists(Attempt.objects.filter(job=OuterRef("pk"), provider__slug=self.value())))


class FailureFilter(admin.SimpleListFilter):
    """Jobs that failed for one reason."""

    title = "failure"
    parameter_name = "failure"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(code, code.replace("_", " ")) for code in sorted({*messages.FAILURES, *OUTCOMES})]

    def queryset(self, request: HttpRequest, jobs: QuerySet[Job]) -> QuerySet[Job]:
        return jobs.filter(failure_code=self.value()) if self.value() else jobs


def search(jobs: QuerySet[Job], term: str) -> QuerySet[Job]:
    """Find jobs by id, the beginning of an id, an address with an id, or by owner.

    An owner is an owner string (a visitor's beginning is enough), a user's name or e-mail, or the e-mail of the job.
    """
    term = term.strip()
    # Before ids: the beginning of a visitor's digest can look like one.
    if owner := _OWNER.fullmatch(term):
        kind, rest = owner[1].lower(), owner[2].lower()
        is_whole = kind == "u" or len(rest) == _DIGEST_CHARACTERS
        return jobs.filter(owner=f"{kind}:{rest}") if is_whole else jobs.filter(owner__startswith=f"{kind}:{rest}")
    if match := _WHOLE_ID.search(term):
        return jobs.filter(pk=UUID(match[0]))
    users = get_user_model().objects.filter(Q(username__iexact=term) | Q(email__iexact=term))
    found = Q(owner__in=[f"u:{pk}" for pk in users.values_list("pk", flat=True)])
    if "@" in term:
        found |= Q(email__iexact=term)
    beginning = term.replace("-", "").lower()
    if _BEGINNING.fullmatch(term) and 4 <= len(beginning) <= 32:
        # A range uses the key's index on both databases.
        found |= Q(pk__gte=UUID(beginning.ljust(32, "0")), pk__lte=UUID(beginning.ljust(32, "f")))
    return jobs.filter(found)
