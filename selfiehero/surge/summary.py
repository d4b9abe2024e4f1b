"""What came of a surge: figures for programs, and the same as one page with charts that needs nothing else."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfiehero.environment import PROJECT_DIR

from .staging import NOT_COUNTED
from .visitors import Visit

VENDOR = PROJECT_DIR / "static" / "staffroom" / "vendor"
Usage = Mapping[str, tuple[float, int]]
WINDOW = 5  # seconds of one point of the waiting times


@dataclass(frozen=True)
class Sample:
    """One second of the surge."""

    at: float
    offered: int
    accepted: int
    refused: int
    ended: int
    backlog: int | None  # as /readyz says it
    level: str
    sockets: int
    usage: Usage


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value that this share of the others stays within, None without any."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 4) if ordered else None


def spread(values: Sequence[float]) -> dict[str, float | None]:
    return {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "p99": percentile(values, 0.99)}


def figures(
    visits: Sequence[Visit],
    samples: Sequence[Sample],
    *,
    answers: Mapping[str, int],
    errors: Mapping[str, int],
    last_arrival: float,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Return everything that was measured; times in seconds, memory in bytes, CPU in milliseconds a hero."""
    accepted = [visit for visit in visits if visit.accepted is not None]
    ended = [visit for visit in accepted if visit.ended is not None]
    films = [visit for visit in ended if visit.status == "succeeded"]
    promised = [
        (visit.promised, visit.ended - visit.accepted)
        for visit in films
        if visit.promised and visit.ended is not None and visit.accepted is not None
    ]
    seconds = [
        visit.ended - visit.accepted for visit in films if visit.ended is not None and visit.accepted is not None
    ]
    first = [visit.first_picture - visit.came for visit in accepted if visit.first_picture is not None]
    last_end = max((visit.ended for visit in ended if visit.ended is not None), default=0.0)
    return {
        "people": len(visits),
        "accepted": len(accepted),
        "never_let_in": len(visits) - len(accepted),
        "films": len(films),
        "by_status": dict(Counter(visit.status or "open" for visit in accepted)),
        "accept_seconds": spread([visit.accept_seconds for visit in accepted if visit.accept_seconds is not None]),
        "answers": dict(answers),
        "server_errors": sum(count for name, count in answers.items() if name.split()[-1] in ("500", "502", "504")),
        "refusals": answers.get("503", 0),
        "client_errors": dict(errors),
        "film_seconds": spread(seconds),
        "first_picture_seconds": spread(first),
        "push_seconds": spread([visit.push_seconds for visit in films if visit.push_seconds is not None]),
        "promises": {
            "films": len(promised),
            "kept": sum(1 for (_, p90), took in promised if took <= p90),
            "sooner": sum(1 for (p50, _), took in promised if took < p50),
        },
        "backlog_most": max((sample.backlog or 0 for sample in samples), default=0),
        "levels": sorted({sample.level for sample in samples if sample.level}),
        "seconds_from_last_arrival_to_last_film": round(max(0.0, last_end - last_arrival), 1),
        "cpu_ms_a_hero": _cpu(samples, len(films)),
        "memory_most": _memory(samples),
        **more,
    }


def _cpu(samples: Sequence[Sample], films: int) -> dict[str, float]:
    """Return CPU by process and of all, without the simulator, which is not ours."""
    if not films or len(samples) < 2:
        return {}
    first, last = samples[0].usage, samples[-1].usage
    each = {name: 1000 * (last[name][0] - first.get(name, (0.0, 0))[0]) / films for name in last}
    each["all"] = sum(value for name, value in each.items() if name not in NOT_COUNTED)
    return {name: round(value, 2) for name, value in sorted(each.items())}


def _memory(samples: Sequence[Sample]) -> dict[str, int]:
    most: dict[str, int] = {}
    for sample in samples:
        for name, (_, memory) in sample.usage.items():
            most[name] = max(most.get(name, 0), memory)
    return most


def verdict(found: Mapping[str, Any]) -> list[str]:
    """Return what was not as promised: a hero lost, a server error, a ledger that disagrees, photos left over."""
    wrong = []
    if lost := found["accepted"] - sum(count for status, count in found["by_status"].items() if status != "open"):
        wrong.append(f"{lost} accepted jobs were not seen to end")
    if found["server_errors"]:
        wrong.append(f"{found['server_errors']} answers were 500, 502 or 504")
    if found.get("ledger", {}).get("exit_code"):
        wrong.append("the ledger disagrees")
    if found.get("morning", {}).get("photos_left"):
        wrong.append(f"{found['morning']['photos_left']} photos were left the next morning")
    return wrong


def write(folder: Path, found: Mapping[str, Any], visits: Sequence[Visit], samples: Sequence[Sample]) -> Path:
    """Write the figures as JSON and the page with charts; return the page's path."""
    (folder / "surge.json").write_text(json.dumps(found, indent=2))
    page = folder / "surge.html"
    page.write_text(_page(found, _charts(visits, samples)), encoding="utf-8")
    return page


def _charts(visits: Sequence[Visit], samples: Sequence[Sample]) -> list[dict[str, Any]]:
    at = [round(sample.at, 1) for sample in samples]
    charts = [
        {
            "title": "People a second",
            "x": at,
            "lines": {
                name: _steps([getattr(sample, name) for sample in samples], at)
                for name in ("offered", "accepted", "refused", "ended")
            },
        },
        {
            "title": "Waiting",
            "x": at,
            "lines": {
                "backlog": [sample.backlog for sample in samples],
                "accepted and not ended": [sample.accepted - sample.ended for sample in samples],
                "sockets": [sample.sockets for sample in samples],
            },
        },
    ]
    windows: dict[int, list[float]] = {}
    for visit in visits:
        if visit.accepted is not None and visit.accept_seconds is not None:
            windows.setdefault(int(visit.accepted) // WINDOW * WINDOW, []).append(1000 * visit.accept_seconds)
    x = sorted(windows)
    lines = {f"p{round(share * 100)}": [percentile(windows[at], share) for at in x] for share in (0.5, 0.95, 0.99)}
    charts.append({"title": "Milliseconds to the 202", "x": x, "lines": lines})
    names = sorted({name for sample in samples for name in sample.usage})
    cores = {name: _steps([sample.usage.get(name, (0.0, 0))[0] for sample in samples], at) for name in names}
    charts.append({"title": "Cores in use", "x": at, "lines": cores})
    return charts


def _steps(totals: Sequence[float], at: Sequence[float]) -> list[float]:
    """Return by how much a running total grew each second."""
    grown = [0.0]
    for index in range(1, len(totals)):
        grown.append(round(max(0.0, totals[index] - totals[index - 1]) / max(0.1, at[index] - at[index - 1]), 3))
    return grown


SCRIPT = """
const colours = ["#0b7285", "#d9480f", "#5f3dc4", "#2b8a3e", "#c2255c", "#495057",
  "#e67700", "#1864ab", "#862e9c", "#087f5b"];
for (const chart of CHARTS) {
  const names = Object.keys(chart.lines), head = document.createElement("h2");
  head.textContent = chart.title;
  document.body.append(head);
  new uPlot({ width: Math.min(1000, innerWidth - 40), height: 260, scales: { x: { time: false } },
    series: [{ label: "s" }, ...names.map((label, n) => ({ label, stroke: colours[n % colours.length], width: 1 }))] },
    [chart.x, ...names.map(name => chart.lines[name])], document.body);
}
"""


def _page(found: Mapping[str, Any], charts: list[dict[str, Any]]) -> str:
    script = (VENDOR / "uplot-1.6.32.iife.min.js").read_text()
    style = (VENDOR / "uplot-1.6.32.min.css").read_text()
    data = json.dumps(charts).replace("</", "<\\/")
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(_said(value))}</td></tr>" for name, value in found.items()
    )
    wrong = (
        "".join(f"<li>{html.escape(sentence)}</li>" for sentence in verdict(found)) or "<li>All is as promised.</li>"
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Surge</title>'
        f"<style>{style}body{{font:15px system-ui;margin:20px;max-width:1040px}}th{{text-align:left;vertical-align:top;"
        f"padding-right:2em}}td{{font-variant-numeric:tabular-nums}}</style><h1>Surge</h1><ul>{wrong}</ul>"
        f"<table>{rows}</table><script>{script}</script><script>const CHARTS = {data};{SCRIPT}</script></html>"
    )


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(each)}" for name, each in value.items())
    return str(value)
