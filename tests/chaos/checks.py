"""The laws of a storm, checked once everything is healed and has had time to settle.

Each reads with its own eyes: the rig's ledger, the rows over a second database alias, the simulator's ledger, the
files. A broken law is a list of messages, each with the ids of what broke it.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import requests
from django.conf import settings

from jobs.films import boxes
from jobs.labels import xmp
from jobs.models import Attempt, Job
from tests.chaos.load import Ledger
from tests.chaos.stage import SLOTS, Stage
from tests.support.rig import CLOUDS

KINDS = ("raw", "clean", "preview", "poster", "video")
FILMS_COMPARED = 400
# A job's end by its deadline is written by the next tick of reconcile, and that may have been dead for a moment.
LATE = timedelta(seconds=60)
# Ways a job may end without a film although its photo is fine: every provider had its try.
HONEST_FAILURES = frozenset({"no_provider"})
SWEEP = """
from datetime import timedelta
from django.utils import timezone
from jobs.reconcile import retention
print(retention.sweep_unreferenced_files(now=timezone.now() + timedelta(hours=2)))
"""

Law = Callable[[Stage, Ledger], Iterator[str]]


def every_202_exists(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """Every 202 is a job."""
    known = {str(job_id) for job_id in stage.jobs().values_list("id", flat=True)}
    for entry in ledger.accepted:
        if entry.job_id not in known:
            yield f"accepted and not there: {entry}"


def same_key_same_job(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """One Idempotency-Key of one visitor is one job, however often it was sent."""
    found: dict[tuple[int, str], set[str]] = defaultdict(set)
    for entry in ledger.accepted:
        if entry.key:
            found[entry.visitor, entry.key].add(entry.job_id)
    for (visitor, key), jobs in found.items():
        if len(jobs) > 1:
            yield f"visitor {visitor} key {key}: {sorted(jobs)}"


def all_ended_in_time(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """Every job is final, before its deadline."""
    for job in stage.jobs():
        if not job.is_final:
            tries = stage.attempts().filter(job=job.id).order_by("number")
            attempts = list(tries.values_list("number", "provider__slug", "status", "error_code"))
            yield f"open: {job.id} {job.status}/{job.stage} lane={job.lane!r} due={job.due_at} attempts={attempts}"
        elif job.finished_at > job.deadline_at + LATE:
            yield f"late: {job.id} by {job.finished_at - job.deadline_at}"


def a_film_for_everybody(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """Who did not cancel or erase got a film, unless every provider failed the job."""
    for job in stage.jobs().filter(status=Job.Status.FAILED).exclude(failure_code__in=HONEST_FAILURES):
        yield f"failed: {job.id} {job.failure_code}"
    asked = ledger.asked_to_end()
    for job_id in stage.jobs().filter(status=Job.Status.CANCELED).values_list("id", flat=True):
        if str(job_id) not in asked:
            yield f"canceled without a request: {job_id}"


def what_was_promised(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """A 202 to an erasure is an erased job, a 202 to a cancel an ended one, and an end that was shown stays."""
    for job in stage.jobs().filter(id__in=[UUID(job_id) for job_id in ledger.erased], erased_at=None):
        yield f"receipt given, not erased: {job.id}"
    for job in stage.jobs().is_open().filter(id__in=[UUID(job_id) for job_id in ledger.canceled]):
        yield f"canceled and open: {job.id}"
    rows = {str(job.id): job for job in stage.jobs().filter(id__in=list(ledger.ended))}
    for job_id, shown in ledger.ended.items():
        if job_id in rows and rows[job_id].status != shown["status"]:
            yield f"shown as {shown['status']}, is {rows[job_id].status}: {job_id}"


def one_film_each(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """A job that succeeded has one winner and one film: its provider's, with our label."""
    winners = Counter(stage.attempts().filter(status=Attempt.Status.SUCCEEDED).values_list("job_id", flat=True))
    compared = 0
    for job in stage.jobs().filter(status=Job.Status.SUCCEEDED).select_related("winner__provider"):
        if winners[job.id] != 1 or job.winner is None:
            yield f"{winners[job.id]} winners: {job.id}"
            continue
        if job.erased_at:
            continue
        path = stage.var_dir / "media" / job.video_key
        if not job.video_key or not path.is_file():
            yield f"no film: {job.id} {job.video_key!r}"
            continue
        film = path.read_bytes()
        if len(film) != job.video_bytes or film[4:8] != b"ftyp":
            yield f"not its film: {job.id} {len(film)} bytes of {job.video_bytes}"
        elif not xmp.source_in(film) or b"c2pa" not in film:
            yield f"not labelled: {job.id}"
        elif job.winner.provider.slug in CLOUDS and compared < FILMS_COMPARED:
            compared += 1
            served = requests.get(job.winner.video_url, timeout=10)
            if served.status_code == 200 and (
                _digest(served.content) != job.winner.film_sha256 or _pictures(served.content) != _pictures(film)
            ):
                yield f"another film than {job.winner.provider.slug}'s {job.winner.prediction_id}: {job.id}"


def _pictures(film: bytes) -> bytes:
    """Return what a film's pictures and sound are made of: a label is put around it and does not change it."""
    found = boxes.listed(io.BytesIO(film), len(film))
    return b"".join(film[box.start + 8 : box.end] for box in found if box.name == b"mdat")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def nothing_paid_twice(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """One attempt is one prediction; every prediction is one of ours; no more tries than fallback allows."""
    by_token = {row.token: row for row in stage.attempts().select_related("provider")}
    most, paid = settings.MAX_ATTEMPTS + len(CLOUDS) + 1, 0
    for vendor in CLOUDS:
        made = [entry for entry in stage.simulator.entries(vendor) if entry["prediction_id"]]
        for reference, count in Counter(entry["reference"] for entry in made).items():
            if count > 1:
                yield f"{vendor} made {count} predictions for attempt {reference}"
        paid += sum(float(entry["charged"]) > float(entry["refunded"]) for entry in made)
        for entry in made:
            attempt = by_token.get(entry["reference"])
            if attempt is None:
                yield f"{vendor} made {entry['prediction_id']} for an unknown attempt"
            elif attempt.status not in _ENDED:
                yield f"attempt {attempt.id} is still {attempt.status}, its prediction {entry['state']}"
    counted = Counter(stage.attempts().exclude(job=None).exclude(error_code="busy").values_list("job_id", flat=True))
    for job_id, tries in counted.items():
        if tries > most:
            yield f"{tries} tries, {most} allowed: {job_id}"


_ENDED = frozenset(set(Attempt.Status.values) - set(Attempt.OPEN))


def limits_kept(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """No provider ever had more at once than its limit."""
    for vendor in CLOUDS:
        most = stage.simulator.state(vendor)["most_open"]
        if most > SLOTS:
            yield f"{vendor} had {most} open at once, {SLOTS} allowed"


def nothing_leaks(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """No job that ended is in a lane or on a lease, no attempt is open, no slot held, no delivery unapplied."""
    for job in stage.jobs().exclude(status__in=Job.OPEN).exclude(lane="", lease_token=""):
        yield f"ended and claimed: {job.id} lane={job.lane!r}"
    for attempt in stage.attempts().filter(status__in=Attempt.OPEN):
        yield f"open attempt {attempt.id} {attempt.status} of {attempt.job_id}"
    for attempt in stage.attempts().filter(slot_held=True):
        yield f"slot held by attempt {attempt.id} {attempt.status} cleanup={attempt.cleanup!r}"
    for delivery in stage.deliveries().filter(verdict="valid").exclude(due_at=None):
        yield f"delivery {delivery.id} not applied: {delivery.error}"


def every_change_has_its_event(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """Events count 1, 2, 3… up to the job's own number, and exactly one of them says how it ended."""
    events: dict[UUID, list[tuple[int, str]]] = defaultdict(list)
    for job_id, seq, kind in stage.events().order_by("job_id", "seq").values_list("job_id", "seq", "kind"):
        events[job_id].append((seq, kind))
    for job in stage.jobs():
        numbers, kinds = [seq for seq, _ in events[job.id]], Counter(kind for _, kind in events[job.id])
        if numbers != list(range(1, job.seq + 1)):
            yield f"events {numbers} of {job.seq}: {job.id}"
        ends = [kind for kind in Job.FINAL for _ in range(kinds[kind])]
        if job.is_final and ends != [job.status]:
            yield f"ended as {ends}, is {job.status}: {job.id}"


def _pictures(film: bytes) -> bytes:
    """Return what a film's pictures and sound are made of: a label is put around it and does not change it."""
    found = boxes.listed(io.BytesIO(film), len(film))
    return b"".join(film[box.start + 8 : box.end] for box in found if box.name == b"mdat")


def files_and_rows_agree(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """What a row names lies there; after the sweep of loose files nothing else does."""
    removed = stage.run_python(SWEEP)
    stage.facts["loose files swept"] = removed.strip().splitlines()[-1]
    media = stage.var_dir / "media"
    there = {
        path.relative_to(media).as_posix() for kind in KINDS for path in (media / kind).rglob("*") if path.is_file()
    }
    named: dict[str, UUID] = {}
    for row in stage.jobs().values_list("id", *(f"{kind}_key" for kind in KINDS)):
        named |= {key: row[0] for key in row[1:] if key}
    for key in sorted(there - set(named)):
        yield f"file without a row: {key}"
    for key in sorted(set(named) - there):
        yield f"row without its file: {named[key]} {key}"


def no_row_was_orphaned(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """No row was ever where no road leads out of it (`orphans` would have brought it back, and said so)."""
    for path in sorted(stage.folder.glob("*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if "orphan_requeued" in line:
                yield f"{path.stem}: {line[:300]}"


def only_honest_answers(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """No visitor saw an error but 503, 507 and 429."""
    yield from ledger.strange


def nobody_outlives_a_parent(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """A process that is killed takes its children with it."""
    for orphan in stage.cast.orphans:
        yield str(orphan)


def the_product_agrees(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """`manage.py ledger` finds nothing either."""
    done = stage.run_manage("ledger", "--settled", "--grace", "0")
    stage.facts["manage.py ledger"] = (done.stdout.strip().splitlines() or ["no answer"])[-1]
    if done.returncode:
        yield (done.stdout + done.stderr)[-3000:]


LAWS: tuple[Law, ...] = (
    every_202_exists,
    same_key_same_job,
    all_ended_in_time,
    a_film_for_everybody,
    what_was_promised,
    one_film_each,
    nothing_paid_twice,
    limits_kept,
    nothing_leaks,
    every_change_has_its_event,
    no_row_was_orphaned,
    only_honest_answers,
    nobody_outlives_a_parent,
    files_and_rows_agree,
    the_product_agrees,
)
