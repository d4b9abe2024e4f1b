"""`make up SIMULATOR=1`: the simulator beside the product, and a row for each cloud that it plays."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command

from providers import registry
from providers.models import ProviderConfig
from providers.simulator import signing
from selfiehero import simulated_providers
from selfiehero.environment import load
from selfiehero.supervisor.plan import make_plan
from tests.support.product import QUICK, Product

URL = "http://127.0.0.1:9100"
ALL = ["fal", "replicate", "studio", "wavespeed"]


@pytest.fixture
def adapters(monkeypatch):
    """Say which adapters there are."""
    names = list(ALL)
    monkeypatch.setattr(registry, "adapter_names", lambda: names)
    return names


@pytest.fixture
def seed(settings, tmp_path, db):
    """Seed as `manage.py up` does, with a simulator at this address or none; return what it said."""
    settings.STUDIO_URL = None
    settings.SIMULATOR_SECRETS_PATH = tmp_path / "simulator" / "secrets.json"

    def run(url: str | None) -> str:
        settings.SIMULATOR_URL = url
        said = io.StringIO()
        call_command("seed", "--no-admin", stdout=said)
        return said.getvalue()

    return run


def rows() -> dict[str, ProviderConfig]:
    return {row.slug: row for row in ProviderConfig.objects.filter(slug__startswith=simulated_providers.PREFIX)}


def test_every_cloud_gets_a_row_that_knows_its_simulator(seed, settings, adapters):
    said = seed(URL)
    assert said == "A simulator plays WaveSpeed (simulated), Replicate (simulated), fal (simulated).\n"
    made = rows()
    assert {row.base_url for row in made.values()} == {
        *(f"{URL}/wavespeed/api/v3", f"{URL}/replicate/v1", f"{URL}/fal")
    }
    secrets = signing.load_or_create(settings.SIMULATOR_SECRETS_PATH)
    assert made["simulator-wavespeed"].webhook_secrets == [secrets["wavespeed"]]
    assert made["simulator-replicate"].webhook_secrets == [secrets["replicate"]]
    assert made["simulator-fal"].webhook_secrets == [f"ed25519:{signing.fal_jwk(secrets['fal'])['x']}"]
    for row in made.values():
        assert row.enabled
        assert row.api_key == "simulator"
        assert row.result_hosts == ["127.0.0.1"]
        assert row.order < 1000  # the studio's


def test_the_rows_follow_the_simulator_and_keep_what_staff_changed(seed, adapters):
    seed(URL)
    ProviderConfig.objects.filter(slug="simulator-fal").update(max_concurrent=7, order=3)
    seed("http://127.0.0.1:9200")
    row = rows()["simulator-fal"]
    assert (row.base_url, row.max_concurrent, row.order) == ("http://127.0.0.1:9200/fal", 7, 3)
    assert len(rows()) == 3


def test_the_limits_follow_the_scenario_when_it_changes(seed, settings, adapters):
    seed(URL)
    assert rows()["simulator-wavespeed"].max_concurrent == 3
    settings.SIMULATOR_SCENARIO = "viral"
    seed(URL)
    row = rows()["simulator-wavespeed"]
    assert (row.max_concurrent, row.max_per_minute) == (5000, 5000)
    ProviderConfig.objects.filter(id=row.id).update(max_concurrent=40)
    seed(URL)
    assert rows()["simulator-wavespeed"].max_concurrent == 40  # staff's, as long as the scenario is the same
    settings.SIMULATOR_SCENARIO = "everyday"
    seed(URL)
    assert rows()["simulator-wavespeed"].max_concurrent == 3


def test_without_a_simulator_its_rows_are_disabled_and_one_line_says_so(seed, adapters):
    seed(URL)
    said = seed(None)
    assert said == (
        "No simulator runs, so these providers are disabled: "
        "WaveSpeed (simulated), Replicate (simulated), fal (simulated).\n"
    )
    assert [row.enabled for row in rows().values()] == [False, False, False]
    assert seed(None) == ""
    seed(URL)
    assert [row.enabled for row in rows().values()] == [True, True, True]


def test_a_real_cloud_is_never_touched(seed, adapters):
    mine = ProviderConfig.objects.create(
        slug="wavespeed", title="WaveSpeed", adapter="wavespeed", base_url="https://api.wavespeed.ai", api_key="mine"
    )
    seed(URL)
    seed(None)
    mine.refresh_from_db()
    assert (mine.enabled, mine.base_url, mine.api_key) == (True, "https://api.wavespeed.ai", "mine")


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (["studio"], "A simulator plays nobody: none of its clouds has an adapter.\n"),
        (["fal", "studio"], "A simulator plays fal (simulated).\n"),
    ],
)
def test_a_cloud_without_an_adapter_gets_no_row(seed, adapters, known, words):
    adapters[:] = known
    assert seed(URL) == words
    assert len(rows()) == len(known) - 1


def test_rows_fit_their_adapters(seed):
    """Whatever adapters there are: staff could save the rows as they are."""
    seed(URL)
    for row in rows().values():
        row.clean()


# --- the plan ---


def plan_in(tmp_path, **env):
    return make_plan(load({"VAR_DIR": str(tmp_path / "var"), **env}))


def test_the_plan_runs_a_simulator_when_asked(tmp_path):
    plan = plan_in(tmp_path, SIMULATOR="1", SIMULATOR_SCENARIO="stormy")
    (child,) = (child for child in plan.children if child.name == "simulator")
    endpoints = json.loads((tmp_path / "var" / "run" / "endpoints.json").read_text())
    port = endpoints["simulator_url"].rpartition(":")[2]
    assert child.argv[-6:] == (
        *("--port", port, "--scenario", "stormy"),
        *("--secrets", str(tmp_path / "var" / "simulator" / "secrets.json")),
    )
    assert load({"VAR_DIR": str(tmp_path / "var")}).simulator_url == f"http://127.0.0.1:{port}"


def test_the_plan_keeps_the_simulators_port_and_forgets_it_when_none_runs(tmp_path):
    plan_in(tmp_path, SIMULATOR="1")
    first = load({"VAR_DIR": str(tmp_path / "var")}).simulator_url
    plan_in(tmp_path, SIMULATOR="1")
    assert load({"VAR_DIR": str(tmp_path / "var")}).simulator_url == first
    plan = plan_in(tmp_path)
    assert "simulator" not in {child.name for child in plan.children}
    assert load({"VAR_DIR": str(tmp_path / "var")}).simulator_url is None


@pytest.mark.slow
def test_the_product_runs_with_a_simulator_and_without_again(tmp_path):
    product = Product(tmp_path, QUICK | {"SIMULATOR": "1"})
    with product:
        assert product.pid_of("simulator")
        assert "A simulator plays" in product.said()
        assert "simulator listening on http://127.0.0.1:" in product.log("simulator")
    first_words = product.said()
    product.env["SIMULATOR"] = None
    with product:
        assert "simulator" not in product.children()
    has_rows = "A simulator plays nobody" not in first_words
    assert ("No simulator runs" in product.said().removeprefix(first_words)) is has_rows
