"""Lists of tables with millions of rows: what they cost does not grow with the table.

A page is a walk along an index: the order is a time with an index and the id. Counting stops at MOST_COUNTED; older
rows are reached by a link that starts the list again at the time of its last row. Only filters, orders and lookups that
an index serves are taken, also from an address that somebody typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.admin import ShowFacets, SimpleListFilter
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.functional import cached_property

from jobs.models import Attempt
from providers.models import ProviderConfig

from . import parts

MOST_COUNTED = 10_000
# A search takes at most this many rows from each thing that it looks at.
MOST_FOUND = 1_000
DIGEST_CHARACTERS = 64

_LOOKUPS = {"", "exact", "in", "gte", "lte", "lt", "gt", "id__exact", "isnull"}
_WHOLE_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.I)
_BEGINNING = re.compile(r"[0-9a-f-]{4,36}", re.I)
_OWNER = re.compile(r"([uv]):([0-9a-f]+)", re.I)


class CappedPaginator(Paginator):
    """Counts no further than MOST_COUNTED, in the order of the list, so that counting is a walk along its index."""

    object_list: QuerySet[Any]

    @cached_property
    def _counted(self) -> int:
        return self.object_list.values("pk")[: MOST_COUNTED + 1].count()

    @property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def is_capped(self) -> bool:
        return self._counted > MOST_COUNTED


class BigChangeList(ChangeList):
    """A list that is sorted by what has an index, and knows whether there is more than it counts."""

    is_capped = False
    older = ""
    model_admin: BigTableAdmin
    paginator: CappedPaginator

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        """Return one column and the id, both the same way round, as the indexes have them."""
        first = str(super().get_ordering(request, queryset)[0])
        sign, name = ("-", first[1:]) if first.startswith("-") else ("", first)
        key = self.lookup_opts.pk.name
        return [first] if name in ("pk", key) else [first, f"{sign}{key}"]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.is_capped = self.paginator.is_capped
        # Where Django shows all there are, it asks without a limit.
        rows = list(self.result_list[: self.list_max_show_all])
        self.result_list = rows
        self.model_admin.complete(rows)
        if self.is_capped and rows and self.page_num == self.paginator.num_pages:
            self.older = self._older_than(rows[-1])

    def _older_than(self, row: Model) -> str:
        """Return the query of the list that goes on where this one ends; the last row is its first."""
        name = self.model_admin.time_field
        if self.queryset.query.order_by[0:1] != (f"-{name}",):
            return ""
        moment: datetime = getattr(row, name)
        return self.get_query_string({f"{name}__lte": moment.isoformat()}, remove=[PAGE_VAR])


class UnlistedChangeList(BigChangeList):
    """What a list would find, for bulk: its filters and its search, and no page of rows."""

    def get_results(self, request: HttpRequest) -> None:
        self.result_list, self.result_count, self.multi_page = [], 0, False


class BigTableAdmin(parts.ReadOnlyAdmin):
    """The admin of a table with millions of rows. `time_field` has an index together with the id."""

    time_field = "created_at"
    paginator = CappedPaginator
    list_per_page = 50
    # Facets count every choice of every filter over the whole table.
    show_facets = ShowFacets.NEVER

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return (f"-{self.time_field}", f"-{self.opts.pk.name}")

    def get_sortable_by(self, request: HttpRequest) -> Any:
        return self.sortable_by if self.sortable_by is not None else (self.time_field,)

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return UnlistedChangeList if hasattr(request, "most_found") else BigChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        name, _, how = lookup.partition("__")
        return name in {self.time_field, *self._filtered(request)} and how in _LOOKUPS

    def _filtered(self, request: HttpRequest) -> Iterable[str]:
        for item in self.get_list_filter(request):
            if isinstance(item, type) and issubclass(item, SimpleListFilter):
                yield str(item.parameter_name)
            else:
                yield str(item[0] if isinstance(item, tuple) else item)

    def complete(self, rows: list[Any]) -> None:
        """Add to the rows of a page what is read for all of them at once."""

    def find(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Return the rows that a search is about, each part found by an index."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        # PostgreSQL takes no NUL in a text.
        term = search_term.replace("\0", "").strip()
        return (self.find(queryset, term) if term else queryset), False


class ProviderSlugFilter(SimpleListFilter):
    """Rows that name a provider by its slug. The choices are the providers, not what stands in the rows."""

    title = parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        rows = ProviderConfig.objects.order_by("order", "id")
        return [(row.slug, str(row)) for row in rows.only("slug", "title")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(provider=self.value()) if self.value() else rows


def owner_in(term: str) -> Q | None:
    """Return the condition for an owner string or the beginning of a visitor's, None when the term is neither.

    The beginning is a range, which uses the index whatever the database's collation.
    """
    found = _OWNER.fullmatch(term)
    if found is None:
        return None
    kind, rest = found[1].lower(), found[2].lower()
    if kind == "u" or len(rest) >= DIGEST_CHARACTERS:
        return Q(owner=f"{kind}:{rest}")
    first, last = (f"{kind}:{rest.ljust(DIGEST_CHARACTERS, end)}" for end in "0f")
    return Q(owner__gte=first, owner__lte=last)


def id_in(term: str) -> UUID | None:
    """Return the id of a job in a term, which may be an address."""
    found = _WHOLE_ID.search(term)
    return UUID(found[0]) if found else None


def ids_beginning(term: str, name: str = "pk") -> Q | None:
    """Return the condition for ids that begin so, None when no id could."""
    beginning = term.replace("-", "").lower()
    if not _BEGINNING.fullmatch(term) or not 4 <= len(beginning) <= 32:
        return None
    first, last = (UUID(beginning.ljust(32, end)) for end in "0f")
    return Q(**{f"{name}__gte": first, f"{name}__lte": last})


def attempts_with(prediction_id: str) -> QuerySet[Attempt]:
    """Return the attempts with this prediction id, by the index that begins with the provider."""
    providers = list(ProviderConfig.objects.values_list("pk", flat=True))
    return Attempt.objects.filter(provider_id__in=providers, prediction_id=prediction_id).order_by()
