"""Scenarios as files: those that are shipped beside this module, by name, and anybody's own, by path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent / "scenarios"


class BadScenarioFile(ValueError):
    """The file cannot be read, or holds no JSON; the message is a sentence for people."""


def shipped() -> list[str]:
    """Return the names of the scenarios that are shipped."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def read(name: str | None) -> Any:
    """Return the JSON of a scenario, None without a name. Raise BadScenarioFile."""
    if not name:
        return None
    path = Path(name)
    if not path.exists() and (SHIPPED / f"{name}.json").exists():
        path = SHIPPED / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadScenarioFile(f"The scenario {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadScenarioFile(f"The scenario {path} is not JSON: {error}.") from error
