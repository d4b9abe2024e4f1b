"""What Lighthouse says of the start page, as a phone would load it. Needs npm, which no test needs.

    python -m tests.bench.lighthouse [--path /] [--runs 3]

Starts the real product in a folder of its own, runs Lighthouse (from npm, at the version below) in Debian's Chromium,
and prints the four scores of each run and what costs points. Ends with 1 when the median misses a target.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.browser import chromium_path
from tests.support.product import Product

LIGHTHOUSE = "lighthouse@12.8.2"  # the last one that Node 20 runs
TARGETS = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
CHROME_FLAGS = "--headless=new --no-sandbox --disable-background-networking --disable-component-update"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", default="/")
    parser.add_argument("--runs", type=int, default=3)
    choices = parser.parse_args()
    if shutil.which("npx") is None:
        print("npx is missing: install Node.js 20 or newer with npm.")
        return 2
    with tempfile.TemporaryDirectory() as folder, Product(Path(folder)) as product:
        reports = [run(product.url + choices.path, Path(folder)) for _ in range(choices.runs)]
    for report in reports:
        print("  ".join(f"{name} {score}" for name, score in scores(report).items()))
    for title in costs(reports[-1]):
        print(f"    {title}")
    medians = {name: statistics.median(scores(report)[name] for report in reports) for name in TARGETS}
    missed = [f"{name} {medians[name]:g} < {target}" for name, target in TARGETS.items() if medians[name] < target]
    print("missed: " + ", ".join(missed) if missed else "every target met")
    return 1 if missed else 0


def run(url: str, folder: Path) -> dict[str, Any]:
    """Return Lighthouse's report on a page."""
    path = folder / "report.json"
    command = ["npx", "--yes", LIGHTHOUSE, url, "--quiet", "--output=json", f"--output-path={path}"]
    done = subprocess.run(
        [*command, f"--chrome-flags={CHROME_FLAGS}"],
        env=os.environ | {"CHROME_PATH": chromium_path()},
        capture_output=True,
        text=True,
        timeout=240,
    )
    if done.returncode:
        raise SystemExit(f"Lighthouse failed:\n{done.stdout}{done.stderr}")
    return json.loads(path.read_text())


def scores(report: dict[str, Any]) -> dict[str, int]:
    return {name: round(100 * (report["categories"][name]["score"] or 0)) for name in TARGETS}


def costs(report: dict[str, Any]) -> list[str]:
    audits = sorted(report["audits"].values(), key=lambda audit: audit.get("score") or 0)
    return [
        f"{audit['score']:.2f} {audit['title']} {audit.get('displayValue', '')}".rstrip()
        for audit in audits
        if audit.get("score") is not None and audit["score"] < 0.9
    ]


if __name__ == "__main__":
    sys.exit(main())
