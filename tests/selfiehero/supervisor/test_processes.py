"""The supervisor with real, small children."""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from selfiehero.environment import PROJECT_DIR
from selfiehero.supervisor.guard import is_alive, session_members
from tests.support.processes import free_port, start_process, stop_process, wait_for
from tests.support.product import product_env
from tests.support.timing import takes_about

pytestmark = pytest.mark.slow

SLEEP = "import time\nprint('began')\ntime.sleep(60)"
# Says when it was asked to stop, and takes a moment.
DRAIN = (
    "import signal, sys, time\n"
    "def stop(*_):\n    print('asked', time.time())\n"
    "    time.sleep(0.3)\n    print('left', time.time())\n    sys.exit()\n"
    "signal.signal(signal.SIGTERM, stop)\nprint('began')\ntime.sleep(60)"
)
STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('began')\ntime.sleep(60)"


class Run:
    """One supervisor with described children, and what it said."""

    def __init__(self, folder: Path, **plan) -> None:
        self.folder = folder
        self.output = folder / "terminal"
        (folder / "plan.json").write_text(json.dumps({"folder": str(folder), **plan}))
        self.process = None
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.support.fake_supervisor", str(self.folder / "plan.json")]
        self.process = start_process(command, log_path=self.output, cwd=PROJECT_DIR)

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, text: str, count: int = 1) -> None:
        wait_for(lambda: self.said().count(text) >= count, f"“{text}” {count} times")

    def pids(self) -> dict[str, int]:
        return json.loads((self.folder / "run" / "children.json").read_text())

    def stop(self, number: int = signal.SIGTERM) -> int:
        return stop_process(self.process, number)


@pytest.fixture
def run(tmp_path):
    runs = []

    def start(**plan) -> Run:
        runs.append(Run(tmp_path, **plan))
        return runs[-1]

    yield start
    for each in runs:
        stop_process(each.process, signal.SIGKILL)


def at(run: Run, name: str, word: str) -> float:
    return float(re.search(rf"^{name} +│ {word} ([0-9.]+)$", run.said(), re.MULTILINE)[1])


def test_children_speak_with_their_name_on_the_terminal_and_in_their_log(run, tmp_path):
    product = run(children=[{"name": "web", "code": SLEEP}], set_up="print('set up'); print('password abc')")
    product.wait_for("BANNER")
    product.wait_for("began")
    lines = product.said().splitlines()
    assert "web              │ began" in lines
    assert "set-up           │ set up" in lines
    assert "up               │ password abc" in lines
    assert product.said().count("password abc") == 1
    assert (tmp_path / "log" / "web.log").read_text() == "began\n"
    assert not (tmp_path / "log" / "set-up.log").exists()
    assert product.stop() == 0
    assert product.pids().keys() == {"up"}


def test_a_password_is_said_even_when_there_is_never_a_banner(run):
    product = run(set_up="import sys; print('password abc'); sys.exit(1)", children=[])
    product.wait_for("stopped")
    assert product.said().count("password abc") == 1


def test_children_start_in_order_and_set_up_runs_between(run):
    product = run(
        children=[
            {"name": "web", "code": SLEEP, "starts": "LAST"},
            {"name": "worker", "code": SLEEP},
            {"name": "valkey", "code": SLEEP, "starts": "FIRST"},
        ],
        set_up="import time; time.sleep(0.5); print('set up')",
    )
    product.wait_for("BANNER")
    product.wait_for("began", 3)
    said = product.said()
    assert said.index("valkey   ") < said.index("set up\n") < min(said.index("worker  "), said.index("web  "))


def test_a_child_that_dies_starts_again_and_waits_longer_each_time(run):
    product = run(children=[{"name": "web", "code": "print('began')\nraise SystemExit(3)"}])
    product.wait_for("began", 3)
    said = product.said()
    assert re.search(r"up +│ web stopped with exit code 3 after 0\.\d s; starting again in 0\.5 s", said)
    assert "starting again in 1 s" in said
    assert product.stop() == 0


def test_a_killed_child_starts_again_and_its_new_pid_is_written(run):
    product = run(children=[{"name": "web", "code": SLEEP}])
    product.wait_for("began")
    old = product.pids()["web"]
    os.kill(old, signal.SIGKILL)
    product.wait_for("began", 2)
    assert "web stopped with signal 9 (SIGKILL)" in product.said()
    assert product.pids()["web"] not in (old, None)


BEAT = (
    "import pathlib, sys, time\nprint('began', flush=True)\n"
    "while True:\n    pathlib.Path({path!r}).touch()\n    time.sleep(0.05)"
)


def test_a_stopped_child_is_noticed_by_its_beat_and_starts_again(run, tmp_path):
    beat = str(tmp_path / "worker.beat")
    signs = {"beat": beat, "every": 0.5, "patience": 3}
    product = run(children=[{"name": "worker", "code": BEAT.format(path=beat), "signs": signs}])
    product.wait_for("began")
    wait_for(lambda: Path(beat).exists(), "a beat")
    time.sleep(3)  # longer than it would take to be condemned
    hung = product.pids()["worker"]
    assert "no sign of life" not in product.said()
    os.kill(hung, signal.SIGSTOP)
    product.wait_for("began", 2)
    assert "worker has shown no sign of life for 1.5 s, so it is killed" in product.said()
    assert product.said().count("no sign of life") == 1
    assert not is_alive(hung)


def test_a_server_that_answers_nobody_starts_again(run, tmp_path):
    port = free_port()
    code = (
        "import http.server, sys\n"
        "class Answer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n        self.send_error(503)\n"
        f"server = http.server.HTTPServer(('127.0.0.1', {port}), Answer)\nprint('began')\nserver.serve_forever()"
    )
    signs = {"url": f"http://127.0.0.1:{port}/healthz", "every": 0.5, "patience": 3}
    product = run(children=[{"name": "web", "code": code, "signs": signs}])
    product.wait_for("GET /healthz", 4)
    assert "so it is killed" not in product.said(), "a 503 is an answer"
    os.kill(product.pids()["web"], signal.SIGSTOP)
    product.wait_for("began", 2)
    assert "web has not answered 3 times in a row, so it is killed" in product.said()


def test_who_never_showed_life_is_still_starting(run, tmp_path):
    old = tmp_path / "worker.beat"
    old.touch()  # by the process before it
    signs = {"beat": str(old), "every": 0.05, "patience": 2}
    product = run(children=[{"name": "worker", "code": SLEEP, "signs": signs}])
    product.wait_for("began")
    time.sleep(1)
    assert "no sign of life" not in product.said()


def test_who_drains_may_be_silent(run, tmp_path):
    beat = str(tmp_path / "worker.beat")
    code = (
        "import pathlib, signal, sys, time\n"
        "def stop(*_):\n    time.sleep(2)\n    print('left', flush=True)\n    sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\n" + BEAT.format(path=beat)
    )
    signs = {"beat": beat, "every": 0.3, "patience": 2}
    product = run(children=[{"name": "worker", "code": code, "signs": signs}])
    product.wait_for("began")
    time.sleep(1)
    assert product.stop() == 0
    assert "left" in product.said()
    assert "no sign of life" not in product.said()


def test_what_a_killed_child_left_behind_is_ended_before_it_starts_again(run):
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], preexec_fn=os.setpgrp)\n"
        "print('child', child.pid)\ntime.sleep(60)"
    )
    product = run(children=[{"name": "worker", "code": code}])
    product.wait_for("child ")
    orphan = int(re.search(r"child (\d+)", product.said())[1])
    os.kill(product.pids()["worker"], signal.SIGKILL)
    product.wait_for("child ", 2)
    assert not is_alive(orphan)


def test_stopping_drains_in_order(run):
    product = run(
        children=[
            {"name": "valkey", "code": DRAIN, "starts": "FIRST", "stops": "LAST"},
            {"name": "studio", "code": DRAIN},
            {"name": "worker", "code": DRAIN, "stops": "FIRST"},
            {"name": "web", "code": DRAIN, "starts": "LAST", "stops": "FIRST"},
        ]
    )
    product.wait_for("began", 4)
    assert product.stop(signal.SIGINT) == 0
    doors = max(at(product, "web", "left"), at(product, "worker", "left"))
    assert max(at(product, "web", "asked"), at(product, "worker", "asked")) < doors
    assert doors < at(product, "studio", "asked")
    assert at(product, "studio", "left") < at(product, "valkey", "asked")
    assert "starting again" not in product.said()


def test_a_child_that_ignores_the_request_is_killed_after_its_patience(run):
    product = run(children=[{"name": "web", "code": STUBBORN, "patience": 0.5}])
    product.wait_for("began")
    began = time.monotonic()
    assert product.stop() == 0
    assert 0.5 <= time.monotonic() - began < 20
    assert "web still running after 0.5 s, so it is killed" in product.said()


def test_a_second_request_stops_at_once(run):
    product = run(children=[{"name": "web", "code": STUBBORN}, {"name": "late", "code": STUBBORN, "stops": "LAST"}])
    product.wait_for("began", 2)
    product.process.send_signal(signal.SIGINT)
    product.wait_for("once more to stop at once")
    with takes_about(1):
        assert product.stop(signal.SIGINT) == 0


def test_stopping_while_a_child_waits_to_start_again(run):
    product = run(children=[{"name": "web", "code": "raise SystemExit(3)"}])
    product.wait_for("starting again in 2 s")
    assert product.stop() == 0
    assert "exit code" not in product.said().partition("stopping;")[2], "it was started once more"


def test_stopping_during_set_up(run):
    product = run(children=[{"name": "web", "code": SLEEP}], set_up=SLEEP)
    product.wait_for("began")
    assert product.stop() == 0
    assert "web  " not in product.said()


def test_a_failed_set_up_stops_everything_with_a_sentence(run):
    children = [{"name": "valkey", "code": SLEEP, "starts": "FIRST"}, {"name": "web", "code": SLEEP}]
    product = run(children=children, set_up="raise SystemExit('no such table')")
    assert product.process.wait(20) == 1
    assert "no such table" in product.said()
    assert "set-up failed with exit code 1; its last lines above say why." in product.said()
    assert "web  " not in product.said()


@pytest.mark.parametrize("victims", [("up",), ("up", "guard")])
def test_nothing_outlives_a_killed_supervisor_and_the_next_one_starts(run, victims):
    family = "import subprocess, sys, time\nsubprocess.Popen(['sleep', '61'])\nprint('began')\ntime.sleep(60)"
    product = run(
        children=[{"name": "web", "code": family if victims == ("up",) else SLEEP}, {"name": "b", "code": SLEEP}]
    )
    product.wait_for("began", 2)
    pids = product.pids()
    sessions = {pids["web"], pids["b"]}
    if "guard" in victims:
        os.kill(guard_of(pids["up"]), signal.SIGKILL)
    os.kill(pids["up"], signal.SIGKILL)
    wait_for(lambda: not any(session_members(session) for session in sessions), "all to end", seconds=5)
    product.process.wait()
    product.start()
    product.wait_for("BANNER", 2)
    assert product.stop() == 0


def guard_of(supervisor: int) -> int | None:
    """Return the process id of a supervisor's guard, or None while it has none."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_child = f"\nPPid:\t{supervisor}\n" in (entry / "status").read_text()
            if is_child and b"guard.py" in (entry / "cmdline").read_bytes():
                return int(entry.name)
    return None


def test_a_killed_guard_is_replaced(run):
    product = run(children=[{"name": "web", "code": SLEEP}])
    product.wait_for("began")
    supervisor = product.pids()["up"]
    first = guard_of(supervisor)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not is_alive(first) and guard_of(supervisor), "a new guard", seconds=5)
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not session_members(product.pids()["web"]), "web to end", seconds=5)


def test_ready_is_said_only_when_the_address_says_so(run):
    port = free_port()
    server = (
        "import http.server, time\nbegan = time.time()\n"
        "class Answer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200 if time.time() - began > 1 else 503)\n"
        "        self.end_headers()\n"
        "    def log_message(self, *args): pass\n"
        f"http.server.HTTPServer(('127.0.0.1', {port}), Answer).serve_forever()"
    )
    product = run(children=[{"name": "web", "code": server}], ready_url=f"http://127.0.0.1:{port}/readyz")
    product.wait_for("BANNER")
    seconds = float(re.search(r"ready after ([0-9.]+) s", product.said())[1])
    assert 1 <= seconds < 10


def up(tmp_path, **env) -> tuple[int, str]:
    """Run the real `manage.py up` where it cannot start, and return its exit code and what it said."""
    env = product_env(**{"VAR_DIR": str(tmp_path / "var"), "DATABASE_URL": "", **env})
    process = start_process([sys.executable, "manage.py", "up"], log_path=tmp_path / "said", env=env, cwd=PROJECT_DIR)
    code = process.wait(30)
    return code, (tmp_path / "said").read_text()


def test_up_on_a_busy_port_is_one_sentence_and_exit_code_2(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        code, said = up(tmp_path, PORT=str(port))
    assert (code, said) == (
        2,
        f"Port {port} is taken by another program. Stop it, or choose another: PORT={port + 1} make up\n",
    )


def test_up_with_a_bad_variable_is_one_sentence_and_exit_code_2(tmp_path):
    code, said = up(tmp_path, PORT="many")
    assert (code, said) == (2, "PORT must be a number from 1 to 65535, not “many”.\n")


@pytest.mark.parametrize(
    "variable",
    [
        ("JOB_DEADLINE_MINUTES", "x"),
        ("STUDIO_RENDERERS", "0"),
        ("RETENTION_HOURS", "-1"),
        ("THROTTLE_UPLOADS", "60/fortnight"),
        ("SECRET_KEY", "x"),
    ],
    ids=lambda variable: variable[0],
)
def test_up_starts_nothing_with_a_variable_that_some_child_could_not_use(tmp_path, variable):
    name, value = variable
    code, said = up(tmp_path, **{name: value})
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"{name} must be ")
