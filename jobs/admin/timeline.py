"""One job on a time axis: what each part of its way took, in one sentence and as lanes. All times are seconds from
the moment when it was accepted.

Every moment between accepting and the end belongs to exactly one part, so that the parts add up to the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import groupby, pairwise

from jobs import messages
from jobs.models import Attempt, Job, JobEvent, WebhookDelivery
from jobs.now.words import length


class Part(StrEnum):
    """What a job does with its time, in the words of the sentence."""

    QUEUED = "waiting to be prepared"
    PREPARING = "preparing"
    WAITING = "waiting for a slot"
    LOST = "in attempts that came to nothing"
    RENDERING = "rendering"
    COLLECTING = "collecting"


# A wait this long, and this much of the whole, is folded on the axis.
_FOLD_SECONDS, _FOLD_SHARE, _MOST_FOLDED = 20.0, 0.25, 2
# A part is named when it took so much of the whole, and the longest in any case.
_NAMED_SHARE, _NAMED_SECONDS, _MOST_NAMED = 0.03, 1.0, 3
# A shorter wait has no words beside it.
_WORDS_SHARE = 0.01
_WAITS = (Part.QUEUED, Part.WAITING)


@dataclass(frozen=True)
class Piece:
    part: Part
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Bar:
    """A stretch of a lane: `kind` is wait, work, good or bad."""

    kind: str
    start: float
    end: float


@dataclass(frozen=True)
class Mark:
    """A moment in a lane, or words beside a stretch; words stand at `at`, or left of `left` where room is short."""

    words: str
    at: float
    left: float = 0.0
    kind: str = ""
    is_middle: bool = False


@dataclass
class Lane:
    title: str
    small: str
    bars: list[Bar] = field(default_factory=list)
    dots: list[Mark] = field(default_factory=list)
    words: list[Mark] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """One event of the table."""

    event: JobEvent
    after: float
    details: Sequence[tuple[str, object]]


@dataclass(frozen=True)
class Timeline:
    sentence: str
    under: str
    end: float
    now: float | None
    lanes: Sequence[Lane]
    gaps: Sequence[tuple[float, float]]
    lines: Sequence[Line]
    folded: int


def timeline_of(
    job: Job,
    attempts: Sequence[Attempt],
    events: Sequence[JobEvent],
    deliveries: Iterable[WebhookDelivery],
    *,
    now: datetime,
    film_seconds: float | None = None,
    with_all: bool = False,
) -> Timeline:
    """Return the story of a job. `film_seconds` is how long its present provider's films take, for what is expected."""
    end = max(0.0, _since(job, job.finished_at or now))
    pieces = pieces_of(job, attempts, events, end=end)
    is_open = job.finished_at is None
    expected = _expected(job, attempts, film_seconds, end=end) if is_open else end
    lanes = [_our_side(job, pieces, end=end), _line(pieces, end=end)]
    lanes += [_lane_of(job, attempt, end=end, expected=expected) for attempt in attempts]
    if hooks := _hooks(job, list(deliveries)):
        lanes.append(hooks)
    shown = [event for event in events if with_all or not _is_folded(event, events)]
    return Timeline(
        sentence=sentence_of(job, pieces, end=end),
        under=_under(job, attempts, end=end),
        end=math.ceil(100 * max(expected, end, 0.1)) / 100,  # rounded down, the last mark would stand outside
        now=round(end, 1) if is_open else None,
        lanes=lanes,
        gaps=_gaps(pieces, end=end),
        lines=[Line(event, _since(job, event.at), _details(event)) for event in shown],
        folded=len(events) - len(shown),
    )


def pieces_of(job: Job, attempts: Sequence[Attempt], events: Sequence[JobEvent], *, end: float) -> list[Piece]:
    """Return what a job did from accepting to its end, without gaps and without overlaps."""
    spans: list[tuple[Part, float, float]] = []
    ready = end
    started = None
    for event in events:
        at = min(end, _since(job, event.at))
        if event.kind == "preparing" and started is None:
            started = at
        elif event.kind == "prepared":
            ready = at
            spans.append((Part.PREPARING, at if started is None else started, at))
            started = None
    if started is not None:
        spans.append((Part.PREPARING, started, end))
    for attempt in attempts:
        from_, to = _since(job, attempt.claimed_at), _since(job, attempt.finished_at) if attempt.finished_at else end
        is_its = attempt.pk == job.winner_id or attempt.status in Attempt.OPEN
        spans.append((Part.RENDERING if is_its else Part.LOST, from_, to))
        if attempt.pk == job.winner_id and attempt.finished_at:
            spans.append((Part.COLLECTING, to, end))
    points = sorted({0.0, end, ready, *(min(end, max(0.0, at)) for _, *both in spans for at in both)})
    order = (Part.RENDERING, Part.COLLECTING, Part.PREPARING, Part.LOST)
    found = []
    for start, stop in pairwise(points):
        middle = (start + stop) / 2
        here = {part for part, from_, to in spans if from_ <= middle < to}
        wait = (
            Part.WAITING
            if middle >= ready or any(at < middle for part, at, _ in spans if part is Part.LOST)
            else Part.QUEUED
        )
        found.append(Piece(next((part for part in order if part in here), wait), start, stop))
    return [
        Piece(part, same[0].start, same[-1].end)
        for part, group in groupby(found, key=lambda piece: piece.part)
        if (same := list(group))
    ]


def sentence_of(job: Job, pieces: Sequence[Piece], *, end: float) -> str:
    """Return how long a job took, and with what."""
    total = length(end)
    sums = [(sum(piece.seconds for piece in pieces if piece.part is part), part) for part in Part]
    ranked = sorted((one for one in sums if one[0] > 0), key=lambda one: -one[0])
    named = [
        (seconds, part)
        for place, (seconds, part) in enumerate(ranked[:_MOST_NAMED])
        if not place or (seconds >= _NAMED_SECONDS and seconds >= end * _NAMED_SHARE)
    ]
    order = list(Part)
    said = ", ".join(
        f"{length(seconds)} {part}" for seconds, part in sorted(named, key=lambda one: order.index(one[1]))
    )
    if job.finished_at is None:
        head = f"{total} so far"
    elif job.status == Job.Status.SUCCEEDED:
        head = total
    else:
        head = f"{job.status.capitalize()} after {total}"
    return f"{head}: {said}." if said else f"{head}."


def _under(job: Job, attempts: Sequence[Attempt], *, end: float) -> str:
    """Say whether the promise was kept, what went wrong on the way, and why it ended."""
    said = []
    if job.promised_p50 is not None and job.promised_p90 is not None:
        late = end - job.promised_p90
        kept = f"so {length(late)} late" if late >= 1 else "kept" if job.finished_at else "still within it"
        said.append(f"Promised {job.promised_p50} to {job.promised_p90} s, {kept}.")
    if failure := messages.failure(job.failure_code):
        said.append(str(failure["message"]))
    elif job.finished_at is None and (
        reason := messages.reason(job.reason_code, job.reason_subject, job.reason_target)
    ):
        said.append(str(reason))
    refused = sum(attempt.error_code == "busy" for attempt in attempts)
    failed = sum(attempt.status in ("failed", "timed_out") for attempt in attempts) - refused
    if refused:
        said.append(f"{refused} call{'s were' if refused > 1 else ' was'} refused.")
    if failed:
        said.append(f"{failed} attempt{'s' if failed > 1 else ''} failed.")
    return " ".join(said)


def _our_side(job: Job, pieces: Sequence[Piece], *, end: float) -> Lane:
    lane = Lane("Our side", "prepare, collect", dots=[Mark("accepted", 0.0)])
    for piece in pieces:
        if piece.part in (Part.PREPARING, Part.COLLECTING):
            lane.bars.append(Bar("work", piece.start, piece.end))
            word = "prepared" if piece.part is Part.PREPARING else "collected"
            lane.words.append(Mark(f"{word} in {length(piece.seconds)}", piece.end, piece.start))
    if job.first_frame_at:
        lane.dots.append(Mark("first picture", _since(job, job.first_frame_at)))
    if job.finished_at:
        lane.dots.append(Mark(job.status, end, kind="bad" if job.status == Job.Status.FAILED else "soft"))
    return lane


def _line(pieces: Sequence[Piece], *, end: float) -> Lane:
    lane = Lane("The line", "dispatch")
    for piece in pieces:
        if piece.part in _WAITS and piece.seconds >= 0.1:
            lane.bars.append(Bar("wait", piece.start, piece.end))
            if piece.seconds < end * _WORDS_SHARE:
                continue
            what = "for a slot" if piece.part is Part.WAITING else "to be prepared"
            lane.words.append(Mark(f"{length(piece.seconds)} {what}", piece.start, piece.start, is_middle=True))
    return lane


def _lane_of(job: Job, attempt: Attempt, *, end: float, expected: float) -> Lane:
    money = f"${attempt.cost.normalize():f}" if attempt.cost else "$0"
    lane = Lane(f"{attempt.number} {attempt.provider}", f"{attempt.kind.replace('_', ' ')}, {money}")
    start = _since(job, attempt.claimed_at)
    stop = _since(job, attempt.finished_at) if attempt.finished_at else end
    submitted = min(stop, _since(job, attempt.submitted_at)) if attempt.submitted_at else None
    took = length(stop - start)
    if attempt.status in ("succeeded", "superseded"):
        model = "cold" if attempt.was_cold else "warm"
        words = f"film in {took}, {model}" + ("" if attempt.status == "succeeded" else ", too late")
        kind = "good" if attempt.status == "succeeded" else "work"
    elif attempt.status in Attempt.OPEN:
        words, kind = f"{attempt.get_status_display().lower()}, {attempt.progress:.0%}", "good"
    else:
        code = "429" if attempt.error_code == "busy" else (attempt.error_code or attempt.status).replace("_", " ")
        words, kind = f"{code} after {took}", "bad"
    if submitted is not None and kind != "bad":
        lane.bars.append(Bar("work", start, submitted))
        lane.bars.append(Bar(kind, submitted, stop))
    else:
        lane.bars.append(Bar(kind if kind == "bad" else "work", start, stop))
    if attempt.status in Attempt.OPEN and expected > end:
        lane.bars.append(Bar("wait", end, expected))
    if attempt.first_frame_at:
        lane.dots.append(Mark("first picture", _since(job, attempt.first_frame_at)))
    lane.words.append(Mark(words, stop, start))
    return lane


def _hooks(job: Job, deliveries: Sequence[WebhookDelivery]) -> Lane | None:
    if not deliveries:
        return None
    wrong = [one for one in deliveries if one.verdict not in ("valid", "duplicate")]
    verdicts = ", ".join(sorted({one.verdict for one in wrong}) or ["all valid"])
    lane = Lane("Webhooks", f"{len(deliveries)}, {verdicts}")
    lane.dots = [
        Mark(
            one.event_id or one.verdict,
            _since(job, one.received_at),
            kind="bad" if one in wrong else "" if one.applied_at else "soft",
        )
        for one in deliveries
    ]
    last = max(deliveries, key=lambda one: one.received_at)
    if last.applied_at:
        applied = (last.applied_at - last.received_at).total_seconds()
        at = _since(job, last.received_at)
        lane.words.append(Mark(f"last applied in {length(max(0.0, applied))}", at, at))
    return lane


def _gaps(pieces: Sequence[Piece], *, end: float) -> list[tuple[float, float]]:
    """Return the waits that are folded, in order."""
    long = [
        piece
        for piece in pieces
        if piece.part in _WAITS and piece.seconds >= _FOLD_SECONDS and piece.seconds >= end * _FOLD_SHARE
    ]
    longest = sorted(long, key=lambda piece: -piece.seconds)[:_MOST_FOLDED]
    return sorted((round(piece.start, 1), round(piece.end, 1)) for piece in longest)


def _expected(job: Job, attempts: Sequence[Attempt], film_seconds: float | None, *, end: float) -> float:
    """Return when the film under way is expected, a little after now without one."""
    under_way = [attempt for attempt in attempts if attempt.status in Attempt.OPEN]
    if under_way and film_seconds is not None:
        return max(end + 1, _since(job, under_way[-1].claimed_at) + film_seconds)
    return end * 1.08 + 1


def _is_folded(event: JobEvent, events: Sequence[JobEvent]) -> bool:
    """Whether an event is a further progress between two others that say more."""
    place = events.index(event)
    return event.kind == "progress" and place > 0 and events[place - 1].kind == "progress"


def _details(event: JobEvent) -> list[tuple[str, object]]:
    return [(name.replace("_", " "), value) for name, value in event.data.items() if value not in ("", None)]


def _since(job: Job, at: datetime) -> float:
    return (at - job.created_at).total_seconds()
