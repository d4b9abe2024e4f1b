"""What a confined process can still do, on kernels with both, with one and with neither of Landlock and seccomp.

Nothing is skipped: where this kernel lacks something, the same attempts are made and less is proved, and that is what
the test says (`proved` in the report, and the summary at the end of the run).
"""

import logging
import subprocess
import sys
import time

import pytest

from confinement.confine import Confinement, offered
from confinement.processor_time import cpu_seconds
from jobs.photos.outcomes import BadPhoto
from jobs.photos.sandbox import Sandbox as PhotoSandbox
from jobs.sandbox.parent import OrderFailed, Sandbox
from jobs.sandbox.process import PROJECT_ROOT
from jobs.sandbox.wire import Frame, Kind
from tests.confinement import intruder

ODD_PHOTOS = "tests.jobs.photos.odd_child"
HERE = offered()


@pytest.fixture
def target(tmp_path):
    target = intruder.Target(tmp_path)
    yield target
    target.close()


def bare(*lacks: str) -> Sandbox:
    return Sandbox(
        "tests.confinement.bare_child",
        name="bare",
        cpu_seconds=5,
        memory_bytes=2**29,
        orders_per_child=100,
        start_seconds=12,
        lacks=lacks,
    )


def try_all(sandbox: Sandbox, names, target) -> list[str]:
    order = Frame(Kind.ORDER, {"attempts": list(names), "told": target.told})
    return sandbox.ask(order, lambda answer: answer.header["successes"], wall_seconds=20)


@pytest.mark.parametrize("lacks", [(), ("landlock",), ("seccomp",), ("landlock", "seccomp")], ids=str)
def test_what_a_child_is_refused_with_both_with_one_and_with_neither(lacks, target, record_property, caplog):
    caplog.set_level(logging.INFO, "jobs")
    expected = Confinement(
        0 if "landlock" in lacks else HERE.landlock, HERE.is_filtered and "seccomp" not in lacks, "seccomp" in lacks
    )
    refused, ends = intruder.held(expected)
    with bare(*lacks) as sandbox:
        record_property("proved", sandbox.confinement)
        tried = {*intruder.ATTEMPTS} - ends - {"start another program"}
        if ends:
            assert set(try_all(sandbox, tried, target)) == {*intruder.NEEDED}
        else:
            assert set(try_all(sandbox, refused & tried, target)) == set()
            assert set(try_all(sandbox, intruder.NEEDED, target)) == {*intruder.NEEDED}
        level = logging.INFO if lacks == () and HERE.is_complete else logging.WARNING
        said = [record for record in caplog.records if record.getMessage().startswith("sandbox_confined")]
        assert [record.levelno for record in said] == [level]
        assert ("no landlock" in sandbox.confinement) == (expected.landlock == 0)
        assert ("no seccomp" in sandbox.confinement) == (not expected.is_filtered)


@pytest.mark.parametrize("name", intruder.DEADLY)
def test_what_only_an_intruder_asks_for_ends_the_child_and_is_told(name, target, caplog):
    with bare() as sandbox:
        if HERE.is_filtered:
            with pytest.raises(OrderFailed, match="ended with -31"):
                try_all(sandbox, [name], target)
            assert "sandbox_attacked sandbox=bare" in caplog.text
        else:
            refused, _ends = intruder.held(HERE)
            assert name not in refused or try_all(sandbox, [name], target) == []


@pytest.mark.parametrize("attempts", [list(intruder.FILES), list(intruder.CALLS | intruder.CLOSED), ["fork"]], ids=str)
def test_the_child_that_opens_photos_can_open_no_file_and_start_no_process(attempts, target, record_property):
    with PhotoSandbox(module=ODD_PHOTOS) as sandbox, pytest.raises(BadPhoto) as refused:
        record_property("proved", sandbox.confinement)
        refused_here, ends = intruder.held(HERE)
        tried = [name for name in attempts if name in refused_here | ends]
        sandbox.clean(f"ODD intrude {';'.join(tried)}::{target.told}".encode())
    assert refused.value.detail == ("the child ended with -31" if ends & set(tried) else "successes: []")


def test_a_process_without_either_says_so_and_goes_on(tmp_path):
    script = """
from confinement import landlock, seccomp
from confinement.confine import confine
landlock.version = lambda: 0
def refuse(*_): raise OSError(22, "seccomp")
seccomp.install = refuse
print(confine(), confine().is_complete)
open("/etc/hostname").close()
"""
    assert run(script).stdout == "no landlock, no seccomp: [Errno 22] seccomp False\n"


def run(script: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60)


def test_a_renderer_writes_into_its_folder_and_nowhere_else(tmp_path):
    (tmp_path / "own").mkdir()
    done = run(f"""
from pathlib import Path
from confinement.confine import confine
folder = Path({str(tmp_path)!r})
print(confine(writable=[folder / "own"], may_map_code=True), flush=True)
(folder / "own" / "film.part").write_bytes(b"film")
(folder / "own" / "film.part").rename(folder / "own" / "film")
(folder / "other").write_bytes(b"")
""")
    assert done.stdout.strip() == str(HERE)
    assert (tmp_path / "own" / "film").read_bytes() == b"film"
    assert (tmp_path / "other").exists() == (not HERE.landlock)


def test_a_folder_that_is_not_there_is_an_error_and_no_open_door():
    done = run("""
from pathlib import Path
from confinement.confine import confine
try:
    confine([Path("/nowhere")])
except FileNotFoundError:
    print("missing")
""")
    assert done.stdout == ("missing\n" if HERE.landlock else "")


def test_the_cpu_of_another_process_is_counted():
    burning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        deadline = time.monotonic() + 60
        while cpu_seconds(burning.pid) < 0.3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert cpu_seconds(burning.pid) >= 0.3
    finally:
        burning.kill()
        burning.wait()
    assert cpu_seconds(burning.pid) == 0.0
