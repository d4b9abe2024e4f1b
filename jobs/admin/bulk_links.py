"""What leads from the job list to bulk: who may do what to all jobs of a filter, and which part of a query that is."""

from __future__ import annotations

from django.http import HttpRequest, QueryDict

from jobs.bulk.plan import ACTIONS

# Of a list's query, what chooses no jobs.
_NO_FILTER = ("action", "p", "o", "all", "_facets", "e")


def may_do(request: HttpRequest, action: str) -> bool:
    """Return whether this person may do it to many jobs at once."""
    may_act = request.user.has_perm("jobs.add_bulkoperation") and request.user.has_perm("jobs.change_job")
    return action in ACTIONS and may_act and (action != "erase_jobs" or request.user.has_perm("jobs.delete_job"))


def filter_of(asked: QueryDict) -> QueryDict:
    """Return the part of a job list's query that chooses jobs."""
    query = asked.copy()
    for name in _NO_FILTER:
        query.pop(name, None)
    return query


def links(request: HttpRequest) -> list[tuple[str, str]]:
    """Return (query of the bulk page, words of the link) for everything that this person may do to all of them."""
    chosen = filter_of(request.GET)
    found = []
    for name, action in ACTIONS.items():
        if may_do(request, name):
            query = chosen.copy()
            query["action"] = name
            found.append((query.urlencode(), action.button))
    return found
