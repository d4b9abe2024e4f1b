"""The figures of a surge, and the page that shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from selfiehero.surge import summary
from selfiehero.surge.summary import Sample
from selfiehero.surge.visitors import Visit

VISITS = [
    Visit(0.0, 0, 0.1, 0.1, (5, 10), 2.0, 8.1, "succeeded", 0.05),
    Visit(1.0, 2, 21.3, 0.3, (5, 10), 25.0, 41.3, "succeeded", 0.15),
    Visit(2.0, 0, 2.2, 0.2, (5, 10), None, 9.0, "failed"),
    Visit(3.0, 4),
]
SAMPLES = [
    Sample(0.0, 1, 0, 0, 0, 0, "full", 0, {"web": (1.0, 100), "simulator": (5.0, 50)}),
    Sample(9.0, 4, 3, 6, 2, 7, "no_posters", 3, {"web": (1.02, 300), "simulator": (9.0, 60), "worker": (0.04, 10)}),
]


def figures(**more: Any) -> dict[str, Any]:
    answers = {"202": 3, "503": 6, "film 200": 1}
    return summary.figures(VISITS, SAMPLES, answers=answers, errors={}, last_arrival=3.0, more=more)


def test_what_was_promised_is_compared_with_what_came() -> None:
    found = figures()
    assert (found["people"], found["accepted"], found["never_let_in"], found["films"]) == (4, 3, 1, 2)
    assert found["promises"] == {"films": 2, "kept": 1, "sooner": 0}
    assert found["accept_seconds"]["p50"] == 0.2
    assert found["by_status"] == {"succeeded": 2, "failed": 1}
    assert found["seconds_from_last_arrival_to_last_film"] == 38.3


def test_the_simulators_cpu_is_not_ours() -> None:
    found = figures()
    assert found["cpu_ms_a_hero"] == {"all": 30.0, "simulator": 2000.0, "web": 10.0, "worker": 20.0}
    assert found["memory_most"]["web"] == 300


def test_whatever_is_not_as_promised_is_said() -> None:
    assert summary.verdict(figures()) == []
    bad = summary.verdict(
        figures(ledger={"exit_code": 1}, morning={"photos_left": 3}) | {"server_errors": 2, "accepted": 4}
    )
    assert [sentence.split()[0] for sentence in bad] == ["1", "2", "the", "3"]


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    page = summary.write(tmp_path, figures(), VISITS, SAMPLES)
    text = page.read_text()
    assert "uPlot" in text
    assert "src=" not in text.split("const CHARTS")[1]
    assert "All is as promised." in text
    charts = json.loads(text.split("const CHARTS = ")[1].split(";\n")[0].replace("<\\/", "</"))
    assert [chart["title"] for chart in charts][:2] == ["People a second", "Waiting"]
    assert json.loads((tmp_path / "surge.json").read_text())["films"] == 2
