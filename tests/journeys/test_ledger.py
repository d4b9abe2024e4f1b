"""The real product's ledger: it balances while films are made, and everything is where it belongs when all is done."""

import json
import subprocess
import sys
from typing import Any

import pytest
import requests

from selfiehero.environment import PROJECT_DIR
from tests.journeys.conftest import PHOTO
from tests.journeys.visitor import Visitor
from tests.support.processes import start_attached, wait_for
from tests.support.product import Product

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def inspect(product: Product, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Ask for the ledger as an operator would, beside the running product."""
    argv = [sys.executable, "manage.py", "ledger", "--json", *arguments]
    process = start_attached(argv, env=product.env, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=60)
    return process.returncode, json.loads(said)


def at_rest(product: Product) -> dict[str, Any]:
    """Return the ledger once everything has come to rest. Each question is a process, so there are few."""

    def found() -> dict[str, Any] | None:
        code, ledger = inspect(product, "--settled", "--grace", "0")
        return ledger if code == 0 else None

    return wait_for(found, "everything to come to rest", seconds=60, every=2)


def test_every_job_is_accounted_for_and_nothing_is_left_behind(quick_product: Product) -> None:
    product = quick_product
    before = at_rest(product)  # other tests may have made films with the same product
    visitor = Visitor(product.url)
    ids = [visitor.send(PHOTO).json()["id"] for _ in range(4)]
    jobs = f"{product.url}/api/v1/jobs"
    assert visitor.session.post(f"{jobs}/{ids[3]}/cancel/", timeout=10).status_code == 202
    assert inspect(product)[0] == 0, "while films are made"
    ended = [visitor.wait_for_end(job_id, seconds=90)["status"] for job_id in ids[:3]]
    assert ended == ["succeeded"] * 3
    assert visitor.session.delete(f"{jobs}/{ids[0]}/", timeout=10).status_code == 202
    found = at_rest(product)
    assert found["files_checked"]
    for side in ("events", "rows"):
        more = {place: count - before[side].get(place, 0) for place, count in found[side].items()}
        assert more.pop("accepted") == 4
        assert {place: count for place, count in more.items() if count} == {"succeeded": 2, "canceled": 1, "erased": 1}
    wait_for(
        lambda: requests.get(f"{product.url}/readyz", timeout=5).json()["ledger"]["balance"] == "ok",
        "/readyz to tell of it",
        seconds=30,
    )
