"""Holds bandit's findings to their reasons: `python -m tests.support.weak_spots`, in `make check`.

A finding stands when its statement says why: `# noqa: S603 - our own command`, which ruff's port of the same rule reads
too, or `# nosec B603 - our own command` where ruff does not find it. Prints the others and ends with 1.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

from tests.support.sources import APPS, PROJECT_DIR, text_of

# Rules that say nothing here, each with its reason.
SKIPPED = {
    "B101": "assert states what cannot be otherwise, as ruff's S101 is told",
    "B105": "fires on empty tokens; ruff's S105 does not, and is on",
    "B106": "fires on empty tokens; ruff's S106 does not, and is on",
    "B404": "an import starts nothing; what is started is B603's",
}
# Pictures, music, faults and crowds are drawn by seed so that they can be drawn again: no secret is made there.
SEEDED = ("providers/studio/", "providers/simulator/", "selfiehero/surge/")
REASON = re.compile(r"# no(?:qa: S|sec B)(\d{3})(?: -)? +\S+ +\S+")


def findings() -> list[dict[str, object]]:
    """Return what bandit finds in the apps and scripts, with paths as the project writes them."""
    command = [sys.executable, "-m", "bandit", "-q", "-r", *APPS, "scripts", "-s", ",".join(SKIPPED), "-f", "json"]
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert not report["errors"], report["errors"]
    return report["results"]


def is_reasoned(finding: dict) -> bool:
    if finding["test_id"] == "B311" and finding["filename"].startswith(SEEDED):
        return True
    lines = text_of(finding["filename"]).splitlines()
    statement = lines[finding["line_number"] - 1 : max(finding["line_range"])]
    return any(found[1] == finding["test_id"][1:] for line in statement if (found := REASON.search(line)))


def main() -> int:
    found = findings()
    left = [each for each in found if not is_reasoned(each)]
    for each in left:
        print(f"{each['filename']}:{each['line_number']}: {each['test_id']} {each['issue_text']}")
    print(f"bandit: {len(found)} findings, {len(found) - len(left)} with their reason")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
