"""A child that asked for it ends with its parent, even when that is killed."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from common.processes import die_with_parent

CHILD = """
import sys, time
from common.processes import die_with_parent
die_with_parent(int(sys.argv[1]))
print("up", flush=True)
time.sleep(60)
"""
PARENT = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}, str(os.getpid())], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""  # fmt: skip


def test_a_child_ends_when_its_parent_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
        parent.wait(20)
    give_up_at = time.monotonic() + 20
    while is_running(child) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as state:
            return state.read().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_whose_parent_has_ended_before_it_asked_ends_at_once():
    ended = subprocess.run([sys.executable, "-c", CHILD, "999999999"], capture_output=True, timeout=20)
    assert (ended.returncode, ended.stdout) == (1, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")
def test_it_may_run_between_fork_and_exec():
    said = subprocess.run(
        [sys.executable, "-c", "print('ran')"],
        preexec_fn=partial(die_with_parent, os.getpid()),
        capture_output=True,
        timeout=20,
    )
    assert said.stdout == b"ran\n"
