"""Filters and search over jobs. Each is served by an index of the table it looks at."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Upper
from django.db.models.lookups import Exact
from django.http import HttpRequest

from jobs import messages
from jobs.models import Attempt, Job
from jobs.models.sql import literally
from jobs.photos.outcomes import OUTCOMES
from providers.models import ProviderConfig

from . import big_tables

# Their jobs lie anywhere in the table and are sorted for each page: 10,000 took more than half a second.
MOST_AT_PROVIDER = 2_000


class ProviderFilter(big_tables.ProviderSlugFilter):
    """Jobs of the newest MOST_AT_PROVIDER attempts, whether a later attempt went elsewhere or not; bulk takes more."""

    def queryset(self, request: HttpRequest, jobs: QuerySet[Job]) -> QuerySet[Job]:
        if not self.value():
            return jobs
        provider = ProviderConfig.objects.filter(slug=self.value()).values_list("pk", flat=True).first()
        attempts = Attempt.objects.filter(provider_id=provider or 0).exclude(job=None)
        newest = attempts.order_by("-claimed_at").values("job_id")
        most: int = getattr(request, "most_found", MOST_AT_PROVIDER)
        return jobs.filter(pk__in=newest[:most])


class FailureFilter(admin.SimpleListFilter):
    """Jobs that failed for one reason."""

    title = "failure"
    parameter_name = "failure"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(code, code.replace("_", " ")) for code in sorted({*messages.FAILURES, *OUTCOMES})]

    def queryset(self, request: HttpRequest, jobs: QuerySet[Job]) -> QuerySet[Job]:
        if not self.value():
            return jobs
        return jobs.filter(literally('"jobs_job"."status" = \'failed\''), failure_code=self.value())


class StageFilter(admin.SimpleListFilter):
    """Jobs under way, by their stage. For a job that has ended its status says more."""

    title = parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in Job.Stage.choices if value != Job.Stage.READY]

    def queryset(self, request: HttpRequest, jobs: QuerySet[Job]) -> QuerySet[Job]:
        return jobs.filter(status__in=Job.OPEN, stage=self.value()) if self.value() else jobs


def search(jobs: QuerySet[Job], term: str) -> QuerySet[Job]:
    """Find jobs by id, the beginning of an id, an address with an id, owner, e-mail, hero name, prediction or share.

    An owner is an owner string (a visitor's beginning is enough), or a user's name or e-mail. Each kind is looked for
    by itself, because a database reads the whole table for a condition that joins several with OR.
    """
    # Before ids: the beginning of a visitor's digest can look like one.
    if (owner := big_tables.owner_in(term)) is not None:
        return jobs.filter(owner)
    if whole := big_tables.id_in(term):
        return jobs.filter(pk=whole)
    users = get_user_model().objects.filter(Q(username__iexact=term) | Q(email__iexact=term))
    found: set[UUID] = set()
    if owners := [f"u:{pk}" for pk in users.values_list("pk", flat=True)[:20]]:
        found |= _ids(Job.objects.filter(owner__in=owners))
    if "@" in term:
        found |= _ids(_same(Job.objects.filter(literally('NOT ("jobs_job"."email" = \'\')')), "email", term))
    else:
        found |= _ids(_same(Job.objects.filter(literally('NOT ("jobs_job"."hero_name" = \'\')')), "hero_name", term))
        found |= _ids(Job.objects.filter(share_slug=term))
        found |= set(big_tables.attempts_with(term).exclude(job=None).values_list("job_id", flat=True))
        if (beginning := big_tables.ids_beginning(term)) is not None:
            found |= _ids(Job.objects.filter(beginning))
    return jobs.filter(pk__in=found)


def _same(jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
    """Return the jobs whose column has this value in capitals or not, by the index over its capitals."""
    return jobs.filter(Exact(Upper(name), Upper(Value(value))))


def _ids(jobs: QuerySet[Job]) -> set[UUID]:
    return set(jobs.order_by().values_list("pk", flat=True)[: big_tables.MOST_FOUND])
