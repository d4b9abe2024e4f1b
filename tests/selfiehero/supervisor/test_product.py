"""`manage.py up` runs the real product."""

import json
import re
import signal
import subprocess
import sys

import pytest
import redis
import requests

from selfiehero.environment import PROJECT_DIR, load
from selfiehero.supervisor.guard import is_alive, session_members
from tests.support.processes import start_process, wait_for
from tests.support.product import QUICK, Product

pytestmark = pytest.mark.slow
EVERYTHING = {
    *("up", "valkey", "studio", "reconcile", "web", "worker-prepare", "worker-dispatch", "worker-collect"),
}


@pytest.fixture(scope="module")
def files_before() -> dict[str, float]:
    return files_outside_var()


@pytest.fixture(scope="module")
def product(files_before, tmp_path_factory):
    with Product(tmp_path_factory.mktemp("product"), QUICK, is_new=True) as running:
        yield running


def files_outside_var() -> dict[str, float]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return {name: (PROJECT_DIR / name).stat().st_mtime for name in listed if name and (PROJECT_DIR / name).exists()}


def test_everything_runs_and_the_address_and_the_password_are_said_once(product):
    assert set(product.children()) == EVERYTHING
    banner = wait_for(lambda: re.search(r"Selfie Hero is ready: (\S+)", product.said()), "the banner")
    assert banner[1] == f"{product.url}/"
    password = re.search(r"up +│ .*password: (\S+)", product.said())[1]
    assert product.said().count(password) == 1
    logs = "".join(path.read_text() for path in (product.var_dir / "log").iterdir())
    assert password not in logs


def test_a_second_up_on_the_same_var_dir_is_one_sentence(product, tmp_path):
    env = product.env | {"PORT": "1"}
    process = start_process([sys.executable, "manage.py", "up"], log_path=tmp_path / "said", env=env, cwd=PROJECT_DIR)
    assert process.wait(30) == 2
    said = (tmp_path / "said").read_text()
    assert said.startswith(
        f"Selfie Hero already runs from {product.var_dir} (process {product.process.pid}, {product.url})."
    )
    assert said.count("\n") == 1


# The others die in the middle of a film: tests/journeys/test_kills.py and tests/journeys/test_first_hero.py.
KILLED_ELSEWHERE = [
    pytest.param(name, marks=pytest.mark.thorough) for name in ("worker-dispatch", "reconcile", "studio")
]


@pytest.mark.parametrize("name", ["valkey", "web", *KILLED_ELSEWHERE])
def test_a_killed_child_comes_back_and_the_product_is_ready_again(product, name):
    old = product.kill(name)
    assert product.wait_until_restarted(name, old) != old
    wait_for(product.is_ready, "the product to be ready again", seconds=60)


def test_the_embedded_valkey_keeps_what_it_holds_when_it_is_killed(product):
    url = load({"VAR_DIR": str(product.var_dir)}).redis_url
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
        wait_for(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0, "the file to be written")
    old = product.kill("valkey")
    product.wait_until_restarted("valkey", old)

    def value():
        with redis.Redis.from_url(url) as client:
            try:
                return client.get("kept")
            except redis.RedisError:
                return None

    assert wait_for(value, "Valkey to answer") == b"yes"


def test_kill_start_again_stop_and_nothing_is_left_or_written_elsewhere(product, files_before):
    """The last of this file: it ends the product."""
    # Ready is known over HTTP a moment before it is said in the terminal.
    wait_for(lambda: "password" in product.said(), "the banner")
    sessions = set(product.children().values()) - {product.process.pid}
    product.process.send_signal(signal.SIGKILL)
    wait_for(lambda: not any(session_members(session) for session in sessions), "all to end", seconds=10)
    product.process.wait()
    first_words = product.said()
    assert "password" in first_words

    product.start()
    children = product.children()
    assert set(children) == EVERYTHING
    assert product.stop(signal.SIGINT) == 0
    assert not any(is_alive(process_id) for process_id in children.values())
    assert "password" not in product.said().removeprefix(first_words)
    assert json.loads((product.var_dir / "run" / "children.json").read_text()).keys() == {"up"}
    with pytest.raises(requests.ConnectionError):
        requests.get(product.url, timeout=2)
    assert files_outside_var() == files_before
