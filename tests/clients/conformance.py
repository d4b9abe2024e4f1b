"""Holds a running product to its OpenAPI document with schemathesis: every check, every phase, also stateful.

    python -m tests.clients.conformance --examples 10000

Starts the product with a studio whose films are tiny and with wide limits, and lets schemathesis ask until that many
examples were tried. Prints what it found; ends with 1 when it found something.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from selfiehero.environment import PROJECT_DIR
from tests.clients.caller import Caller, running_product

# The same answer from every run of the same seed, and no folder of examples in the project.
ALL_PHASES = "examples,coverage,fuzzing,stateful"
_OPTIONS = ("--checks", "all", "--continue-on-failure")
_OPTIONS += ("--suppress-health-check", "all", "--generation-database", "none", "--no-color", "--warnings", "off")
_GENERATED = re.compile(r"^ *(\d+) generated", re.MULTILINE)
_CONFIG = Path(__file__).with_name("schemathesis.toml")
A_CHUNK = 100  # examples of an operation in one run


@dataclass(frozen=True)
class Verdict:
    """How many examples were tried, and what schemathesis said when it found something."""

    examples: int
    failures: str


def people(**tokens: str) -> dict[str, object]:
    """Return who asks, in the form of the Web Fuzzing Commons: each by name, with the header that lets them in."""
    return {
        "auth": [
            {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Token {token}"}]}
            for name, token in tokens.items()
        ]
    }


def conform(caller: Caller, folder: Path, *, each: int, seed: int, phases: str = ALL_PHASES) -> Verdict:
    """Try `each` examples of every operation, and as many ways through several of them."""
    env = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.clients.hooks",
        "PYTHONPATH": str(PROJECT_DIR),
        "RECEIPTS": " ".join(caller.receipts()),
    }
    program, config = Path(sys.executable).parent / "schemathesis", folder / "schemathesis.toml"
    config.write_text(_CONFIG.read_text())
    (folder / "people.json").write_text(json.dumps(people(owner=caller.token, somebody=caller.other_token)))
    command = [str(program), "--config-file", str(config), "run", f"{caller.url}/api/v1/schema/?format=json"]
    command += ["-n", str(each), "--seed", str(seed), "--phases", phases, *_OPTIONS]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=1800)
    found = _GENERATED.search(done.stdout)
    assert found, done.stdout[-4000:] + done.stderr[-4000:]
    return Verdict(int(found[1]), "" if done.returncode == 0 else done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--each", type=int, default=A_CHUNK, help="examples an operation in one run")
    parser.add_argument("--seed", type=int, default=1)
    choices = parser.parse_args()
    tried, seed, status = 0, choices.seed, 0
    with tempfile.TemporaryDirectory() as name, running_product(Path(name)) as caller:
        while tried < choices.examples:
            verdict = conform(caller, Path(name), each=choices.each, seed=seed)
            tried += verdict.examples
            found = "FAILED" if verdict.failures else "nothing found"
            print(f"seed {seed}: {verdict.examples} examples, {found}", flush=True)
            if verdict.failures:
                print(verdict.failures)
                status = 1
            seed += 1
    print(f"{tried} examples in all")
    return status


if __name__ == "__main__":
    sys.exit(main())
