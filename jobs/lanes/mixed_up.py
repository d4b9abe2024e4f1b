"""One person's film for another's job: noticed, refused, and told to staff.

Every film and the address it came from leave a digest on their attempt. One that belongs to an attempt of another owner
is refused, whichever provider gave it: the film is made anew elsewhere, the provider is left alone for a while, and
staff look, because the one who came first may be the one with the wrong film. The same owner may have the same film
twice.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobs import audit
from jobs.lifecycle.statements import is_supported, update_rows
from jobs.models import Attempt
from jobs.routing import breaker

logger = logging.getLogger(__name__)

ACTION = "film_mixed_up"


@dataclass(frozen=True)
class Collected:
    """A film that was fetched for an attempt, whose job is at hand."""

    attempt: Attempt
    film_sha256: str
    film_url_sha256: str

    @property
    def marks(self) -> tuple[str, str]:
        return self.film_sha256, self.film_url_sha256


def belonging_to_others(films: Sequence[Collected]) -> dict[int, Attempt]:
    """Return, by attempt id, the attempt of another owner that has the same film or had it from the same address.

    One query for all of them while there is none. Films of the same batch are compared with each other too, the first
    one keeps it.
    """
    by_bytes, by_address = ({film.marks[index] for film in films} for index in (0, 1))
    ids = Attempt.objects.ids_with_film(by_bytes, url_sha256s=by_address)
    holders: dict[str, list[Attempt]] = defaultdict(list)
    same = Attempt.objects.filter(id__in=ids).exclude(job=None).select_related("job").order_by("id")
    for known in same if ids else ():
        for mark in (known.film_sha256, known.film_url_sha256):
            holders[mark].append(known)
    found: dict[int, Attempt] = {}
    for film in films:
        job = film.attempt.job
        assert job is not None  # a keep-warm call has no film
        owner = job.owner
        others = [one for mark in film.marks for one in holders[mark] if one.job and one.job.owner != owner]
        if others:
            found[film.attempt.id] = others[0]
        else:
            for mark in film.marks:
                holders[mark].append(film.attempt)
    return found


def remember(films: Sequence[Collected]) -> None:
    """Write down whose films these are."""
    for film in films:
        film.attempt.film_sha256, film.attempt.film_url_sha256 = film.marks
    if not is_supported():
        Attempt.objects.bulk_update([film.attempt for film in films], ["film_sha256", "film_url_sha256"])
        return
    marks = {film.attempt.id: dict(zip(("film_sha256", "film_url_sha256"), film.marks, strict=True)) for film in films}
    update_rows(Attempt, marks, guard="true")


def alarm(attempt: Attempt, other: Attempt, *, now: datetime) -> None:
    """Leave the provider alone and tell staff: in the log, in the audit log and with it in the ledger."""
    logger.error("film_mixed_up job=%s attempt=%s other_job=%s", attempt.job_id, attempt.id, other.job_id)
    data = {"provider": attempt.provider.slug, "attempt": attempt.id, "other_job": str(other.job_id)}
    audit.audit(None, ACTION, str(attempt.job_id), data | {"other_attempt": other.id}, now=now)
    text = f"the film of job {attempt.job_id} is the one of job {other.job_id}, which is somebody else's"
    breaker.write([breaker.Observation(attempt.provider_id, breaker.HealthSignal.MIXED_UP, now, error=text)])
