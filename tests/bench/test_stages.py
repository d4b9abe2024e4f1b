"""Ratios that are kept, and what counts as worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench import stages


def found(at: str, **ratios: float) -> dict[str, Any]:
    each = {name: {"ms": 1.0, "floor_ms": 1.0, "ratio": ratio} for name, ratio in ratios.items()}
    return {"gradio_ms": None, "stages": each, "commit": at[-2:], "at": at, "machine": "x", "load": 0.1}


def test_the_newest_that_is_kept_is_what_is_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "KEPT", tmp_path)
    with pytest.raises(SystemExit):
        stages.newest()
    for at in ("2026-12-01T00:00:00+00:00", "2026-11-30T00:00:00+00:00"):
        stages.keep(found(at, accept=2.0))
    assert stages.newest()["at"].startswith("2026-12-01")


def test_more_than_fifteen_percent_is_worse_and_a_new_stage_is_not() -> None:
    kept = found("2026-11-30", accept=2.0, poll=4.0, gone=1.0)
    assert stages.regressions(found("2026-12-01", accept=2.29, poll=4.5, new=9.0), kept) == []
    (sentence,) = stages.regressions(found("2026-12-01", accept=2.31, poll=4.5), kept)
    assert sentence.startswith("accept: 2.31 x its floor, it was 2.0")


def test_figures_are_shown_with_and_without_gradio() -> None:
    text = stages.table(found("2026-11-30", accept=2.0))
    assert "accept" in text
    assert "gradio" not in text
