"""CPU of each stage of a hero, against a bare program that does only the unavoidable, and against Gradio's queue.

    python -m tests.bench.stages [--runs 3] [--count 200] [--no-gradio] [--write] [--check]

Each figure is the median of the runs, in milliseconds of CPU each, user and system time of everything that works on it.
Ratios are what can be compared between machines. `--write` keeps them in docs/bench under the commit's name; `--check`
compares them with the newest that are kept, and ends with 1 when one is more than 15 % worse.

A floor writes the bytes, makes the commit, decodes and encodes the pixels, and nothing else: no check, no event, no
lease, no sandbox. So a stage of ours cannot reach it; the ratio says how far away it is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROJECT_DIR = Path(__file__).resolve().parents[2]
KEPT = PROJECT_DIR / "docs" / "bench"
WORSE = 1.15


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--only", nargs="*", help="these stages alone")
    parser.add_argument("--no-gradio", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    choices = parser.parse_args()
    found = measure(choices.runs, choices.count, only=choices.only, with_gradio=not choices.no_gradio)
    sys.stdout.write(table(found))
    if choices.write:
        path = keep(found)
        sys.stdout.write(f"kept in {path.relative_to(PROJECT_DIR)}\n")
    if choices.check:
        worse = regressions(found, newest())
        sys.stdout.write("".join(f"{line}\n" for line in worse) or "no ratio is more than 15 % worse\n")
        return 1 if worse else 0
    return 0


def measure(runs: int, count: int, *, only: list[str] | None = None, with_gradio: bool = True) -> dict[str, Any]:
    """Return what was measured: for each stage milliseconds of ours and of its floor, and their ratios."""
    from . import gradio_queue, stage_rigs

    gradio = None
    if with_gradio:
        with gradio_queue.running() as queue:
            gradio = statistics.median(queue.cpu_ms(count) for _ in range(runs))
    stages: dict[str, dict[str, float]] = {}
    with stage_rigs.prepared():
        for name, (ours, floor) in stage_rigs.STAGES.items():
            if only and name not in only:
                continue
            ours(min(20, count))  # warms what the first would pay for
            pairs = [(ours(count), floor(count)) for _ in range(runs)]
            ms, least = (statistics.median(column) for column in zip(*pairs, strict=True))
            stages[name] = {"ms": round(ms, 3), "floor_ms": round(least, 3), "ratio": round(ms / least, 2)}
            if gradio:
                stages[name]["of_gradio"] = round(ms / gradio, 3)
    return {"gradio_ms": gradio and round(gradio, 2), "stages": stages} | about()


def about() -> dict[str, Any]:
    """Return what the figures depend on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"], cwd=PROJECT_DIR, capture_output=True, text=True
    ).stdout.strip()
    return {
        "commit": commit,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
    }


def table(found: dict[str, Any]) -> str:
    lines = [f"── stages at {found['commit']}, {found['machine']}, load {found['load']}"]
    if found["gradio_ms"]:
        lines.append(f"gradio's queue  {found['gradio_ms']:7.2f} ms CPU a job")
    for name, each in found["stages"].items():
        share = f"   {each['of_gradio']:6.3f} of gradio's" if "of_gradio" in each else ""
        lines.append(f"{name:15} {each['ms']:7.2f} ms   floor {each['floor_ms']:7.3f}   {each['ratio']:6.2f} x{share}")
    return "\n".join(lines) + "\n"


def keep(found: dict[str, Any]) -> Path:
    """Write the figures under the commit's name; return where."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{found['at'][:10]}-{found['commit']}.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    return path


def newest() -> dict[str, Any]:
    """Return the newest figures that are kept."""
    kept = [json.loads(path.read_text()) for path in KEPT.glob("*.json")]
    if not kept:
        raise SystemExit("Nothing is kept in docs/bench yet: run with --write first.")
    return max(kept, key=lambda one: one["at"])


def regressions(found: dict[str, Any], kept: dict[str, Any]) -> list[str]:
    """Return a sentence for each ratio that is more than 15 % worse than the kept one."""
    worse = []
    for name, each in found["stages"].items():
        before = kept["stages"].get(name)
        if before and each["ratio"] > WORSE * before["ratio"]:
            worse.append(f"{name}: {each['ratio']} x its floor, it was {before['ratio']} at {kept['commit']}")
    return worse


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.settings")
    import django

    django.setup()
    sys.exit(main())
