"""What is printed at the end of a storm."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.load import NO_ANSWER
from tests.chaos.storm import Result, Struck

SHOWN = 12


def lines(result: Result) -> Iterator[str]:
    """Yield the report, line by line."""
    yield f"── storm: {result.database}, seed {result.seed}, {result.seconds / 60:.1f} minutes"
    jobs = ", ".join(f"{count} {status}" for status, count in sorted(result.jobs.items()))
    yield f"jobs        {result.accepted} accepted; {jobs}" + _failures(result)
    yield f"answers     {_uploads(result)}"
    if result.waits:
        yield f"202 after   {_share(result.waits, 0.5):.2f} s (p50), {_share(result.waits, 0.99):.2f} s (p99)"
    struck = [one for one in result.struck if one.did]
    yield f"faults      {len(struck)}, of {len({one.blow.kind.name for one in struck})} kinds"
    yield f"predictions {result.submissions} made by the clouds"
    settled = f"{result.settled:.0f} s after the load" if result.settled is not None else "NOT SETTLED"
    yield f"all final   {settled}"
    lost = len(result.broken.get("every_202_exists", [])) + len(result.broken.get("all_ended_in_time", []))
    lost += len(result.broken.get("a_film_for_everybody", []))
    doubled = len(result.broken.get("nothing_paid_twice", [])) + len(result.broken.get("one_film_each", []))
    yield f"lost        {lost}"
    yield f"doubled     {doubled}"
    yield from _recoveries(result)
    for name, value in result.facts.items():
        if isinstance(value, dict):
            yield from (f"{name}: {count} × {what}" for what, count in value.items())
        else:
            yield f"{name}: {value}"
    for law, evidence in result.broken.items():
        yield f"BROKEN      {law.replace('_', ' ')} ({len(evidence)})"
        yield from (f"            {message}" for message in evidence[:SHOWN])
    yield "── every law holds" if result.is_fine else f"── {len(result.broken)} laws are broken"


def _failures(result: Result) -> str:
    return f" ({', '.join(f'{count} {code}' for code, count in result.failures.items())})" if result.failures else ""


def _uploads(result: Result) -> str:
    words = {NO_ANSWER: "none"}
    found = {status: count for (what, status), count in result.answers.items() if what == "upload"}
    return "uploads " + ", ".join(f"{count} × {words.get(status, status)}" for status, count in sorted(found.items()))


def _share(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


def _recoveries(result: Result) -> Iterator[str]:
    by_kind: dict[str, list[Struck]] = defaultdict(list)
    for one in result.struck:
        by_kind[one.blow.kind.name].append(one)
    calm = f"{result.calm[0]:.1f} s" if result.calm else "unknown"
    yield f"recovery    from the healing to the film of a photo sent then; without a fault {calm}"
    yield f"            {'fault':32}{'times':>6}{'p50':>9}{'max':>9}"
    for name, group in sorted(by_kind.items()):
        times = [one.recovery for one in group if one.recovery is not None]
        reason = next((one.impossible for one in group if one.impossible), "")
        if reason:
            yield f"            {name:32}not possible here: {reason}"
        elif times:
            yield f"            {name:32}{len(group):6}{statistics.median(times):7.1f} s{max(times):7.1f} s"
        else:
            yield f"            {name:32}{len(group):6}    did not recover"
