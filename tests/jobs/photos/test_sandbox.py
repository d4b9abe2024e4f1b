import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from jobs.photos.headers import is_bare_jpeg
from jobs.photos.outcomes import BadPhoto, CleanPhoto
from jobs.photos.sandbox import Sandbox, Sandboxes, SandboxUnavailable
from jobs.sandbox.process import PROJECT_ROOT
from tests.jobs.photos import phones, pictures

pytestmark = pytest.mark.slow

ODD = "tests.jobs.photos.odd_child"
PHOTO = pictures.jpeg()


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(module=ODD, cpu_seconds=1) as sandbox:
        yield sandbox


def refusal(sandbox: Sandbox | Sandboxes, data: bytes, **options) -> BadPhoto:
    with pytest.raises(BadPhoto) as caught:
        sandbox.clean(data, **options)
    return caught.value


def wait_until_gone(pid: int, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def run_script(script: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, **options
    )


def test_a_photo_comes_back_clean(sandbox):
    photo = sandbox.clean(PHOTO)
    assert (photo.width, photo.height, photo.faces, photo.face) == (320, 240, 1, (0.25, 0.25, 0.5, 0.5))
    assert is_bare_jpeg(photo.jpeg) and 0 < photo.brightness < 1


def test_one_child_serves_many_photos_of_any_size(sandbox):
    sandbox.clean(PHOTO)
    pid = sandbox.child_pid
    sandbox.clean(PHOTO + bytes(12 * 2**20))  # more than a pipe holds
    sandbox.clean(pictures.heic())
    assert refusal(sandbox, b"").code == refusal(sandbox, b"nothing").code == "photo_unreadable"
    assert sandbox.child_pid == pid


@pytest.mark.parametrize("order", ["abort", "crash", "leave", "half-a-frame", "rubbish"])
def test_a_photo_that_ends_the_child_is_unreadable_and_the_next_one_is_fine(sandbox, order):
    assert refusal(sandbox, b"ODD " + order.encode()).code == "photo_unreadable"
    assert isinstance(sandbox.clean(PHOTO), CleanPhoto)


@pytest.mark.parametrize("order", ["unknown-code", "not-an-object", "wrong-kind", "no-jpeg"])
def test_a_child_that_lies_is_not_believed(sandbox, order):
    assert refusal(sandbox, b"ODD " + order.encode(), wall_seconds=3).code == "photo_unreadable"
    assert isinstance(sandbox.clean(PHOTO), CleanPhoto)


@pytest.mark.parametrize(("order", "told"), [("hang", "no answer within 0.3 s"), ("killed", "was ended with -9")])
def test_silence_and_kills_are_tried_again_and_then_a_delay_of_ours(sandbox, order, told):
    with pytest.raises(SandboxUnavailable, match=f"{told}.* of 3 tries"):
        sandbox.clean(b"ODD " + order.encode(), wall_seconds=0.3)
    assert isinstance(sandbox.clean(PHOTO), CleanPhoto)


def test_a_photo_is_fine_although_its_child_stands_still_for_longer_than_it_may_take(sandbox):
    sandbox.start()
    frozen = sandbox.child_pid
    os.kill(frozen, signal.SIGSTOP)
    assert isinstance(sandbox.clean(PHOTO, wall_seconds=1.0), CleanPhoto)
    assert sandbox.child_pid != frozen


def test_a_child_that_works_is_waited_for_however_little_cpu_it_gets(sandbox):
    sandbox.start()
    pid = sandbox.child_pid
    bad = refusal(sandbox, b"ODD work 0.6", wall_seconds=0.2)
    assert (bad.code, bad.detail, sandbox.child_pid) == ("no_face", "worked well", pid)


FROZEN_WORKER = f"""
import sys
from jobs.photos.outcomes import BadPhoto
from jobs.photos.sandbox import Sandbox
with Sandbox(module={ODD!r}) as sandbox:
    before = sandbox.child_pid
    print(before, flush=True)
    sys.stdin.readline()
    try:
        sandbox.clean(b"ODD nap 0.8", wall_seconds=1.5)
    except BadPhoto as bad:
        print(bad.detail, "in the same child" if sandbox.child_pid == before else "in a new child", flush=True)
"""


@pytest.mark.parametrize("who", ["worker", "worker and child"])
def test_a_photo_is_fine_although_its_worker_stands_still_for_longer_than_it_may_take(who):
    worker = subprocess.Popen(
        [sys.executable, "-c", FROZEN_WORKER], cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with worker:
        frozen = [worker.pid] + [int(worker.stdout.readline())] * ("child" in who)
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
        time.sleep(0.4)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        assert worker.stdout.readline() == b"slept well in the same child\n"


def test_a_child_that_lifts_its_cpu_limit_is_still_measured(sandbox):
    bad = refusal(sandbox, b"ODD burn-without-limit", wall_seconds=60.0)
    assert bad.code == "photo_unreadable"
    assert "s of CPU and no answer" in bad.detail
    assert isinstance(sandbox.clean(PHOTO), CleanPhoto)


def test_a_photo_that_burns_cpu_is_ended_by_the_kernel(sandbox):
    sandbox.clean(PHOTO)
    bad = refusal(sandbox, b"ODD burn")
    assert (bad.code, bad.detail) == ("photo_unreadable", f"the child ended with {-signal.SIGXCPU}")
    assert isinstance(sandbox.clean(PHOTO), CleanPhoto)


def test_a_photo_that_takes_all_memory_is_unreadable_and_the_next_one_gets_a_new_child():
    large = pictures.encoded(pictures.Image.new("RGB", (5000, 4000)), "PNG", compress_level=1)
    with Sandbox(module=ODD, memory_bytes=64 * 2**20) as small:
        for data in (b"ODD memory", large):
            pid = small.child_pid
            bad = refusal(small, data)
            assert (bad.code, bad.detail) == ("photo_unreadable", "out of memory")
            assert isinstance(small.clean(PHOTO), CleanPhoto)
            assert small.child_pid != pid


def test_a_child_killed_from_outside_does_not_fail_the_photo(sandbox):
    sandbox.clean(PHOTO)
    bad = refusal(sandbox, b"ODD die-once")
    assert (bad.code, bad.detail) == ("no_face", "the second child")


def test_a_child_killed_between_photos_is_replaced_unnoticed(sandbox):
    sandbox.start()
    os.kill(sandbox.child_pid, signal.SIGKILL)
    assert isinstance(sandbox.clean(PHOTO), CleanPhoto)


def test_a_bug_of_ours_fails_the_photo_and_says_so_in_the_log(sandbox, caplog):
    bad = refusal(sandbox, b"ODD fail")
    assert (bad.code, bad.detail) == ("photo_unreadable", "RuntimeError: a bug of ours")
    assert "sandbox_fault" in caplog.text


def test_what_a_library_prints_does_not_get_into_the_answers(sandbox):
    sandbox.start()
    pid = sandbox.child_pid
    assert refusal(sandbox, b"ODD print").detail == "said hello"
    assert sandbox.child_pid == pid


def test_the_child_has_no_secrets_no_django_and_few_rights(sandbox, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "planted")
    sandbox.close()
    facts = json.loads(refusal(sandbox, b"ODD tell").detail)
    assert set(facts["environment"]) <= {
        "PATH",
        "LANG",
        "LC_CTYPE",
        "PYTHONPATH",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MALLOC_ARENA_MAX",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
        "LD_LIBRARY_PATH",  # OpenCV sets it for itself
    }
    assert facts["limits"] == [0, 0]
    assert facts["nice"] >= 5
    assert facts["no_new_privileges"] == 1
    assert facts["django"] is False
    assert len(facts["files"]) <= 8


def test_no_photo_makes_the_child_load_or_open_anything(sandbox):
    """A confined process can do neither, so whatever is loaded on first use has to be loaded before."""
    sandbox.close()
    assert refusal(sandbox, b"ODD watch").detail == "watching"
    odd = [phones.COLOURS[name]() for name in ("HEIC, P3", "HEIC, BT.2020 PQ", "PNG, gAMA and cHRM of P3")]
    odd.append(phones.ENDINGS["progressive JPEG, no end"]())
    for data in [*pictures.ordinary().values(), *odd, b"no photo", pictures.jpeg()[:300]]:
        try:
            sandbox.clean(data)
        except BadPhoto as bad:
            assert "PermissionError" not in bad.detail
    assert refusal(sandbox, b"ODD seen").detail == "[]"


def test_a_child_is_recycled_after_its_photos():
    with Sandbox(module=ODD, photos_per_child=2) as sandbox:
        pids = []
        for _ in range(4):
            sandbox.start()
            pids.append(sandbox.child_pid)
            sandbox.clean(PHOTO)
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert sandbox.child_pid is None


def test_a_sandbox_that_cannot_start_is_not_the_photos_fault(monkeypatch):
    with pytest.raises(SandboxUnavailable, match="no_such_child"):
        Sandbox(module="tests.jobs.photos.no_such_child").clean(PHOTO)
    with pytest.raises(SandboxUnavailable):
        Sandbox(module=ODD, start_seconds=0.0).clean(PHOTO)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxUnavailable, match="nowhere"):
        Sandbox(module=ODD).clean(PHOTO)


def test_several_threads_take_turns(sandbox):
    sizes = [(100 + number, 90) for number in range(12)]
    results = {}

    def work(size):
        photo = sandbox.clean(pictures.encoded(pictures.quarters(size), "JPEG"))
        results[size] = (photo.width, photo.height)

    threads = [threading.Thread(target=work, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {size: size for size in sizes}


def two_sandboxes() -> Sandboxes:
    return Sandboxes(2, make=lambda: Sandbox(module=ODD))


def test_photos_are_spread_over_the_sandboxes_there_are():
    with two_sandboxes() as sandboxes:
        pids = sandboxes.child_pids
        assert len(set(pids)) == 2 and all(pids)
        held = threading.Thread(target=refusal, args=(sandboxes, b"ODD nap 5"))
        held.start()
        time.sleep(0.2)
        for _ in range(3):
            assert isinstance(sandboxes.clean(PHOTO), CleanPhoto)
        assert held.is_alive(), "they waited for the one that takes long"
        held.join()
        assert sandboxes.child_pids == pids


def test_a_photo_that_ruins_a_sandbox_leaves_the_others_alone():
    with two_sandboxes() as sandboxes:
        before = set(sandboxes.child_pids)
        refusal(sandboxes, b"ODD crash")
        sandboxes.start()
        assert len(before & set(sandboxes.child_pids)) == 1
    assert sandboxes.child_pids == [None, None]


def test_sandboxes_that_cannot_start_say_so():
    with pytest.raises(SandboxUnavailable, match="no_such_child"):
        Sandboxes(2, make=lambda: Sandbox(module="tests.jobs.photos.no_such_child")).start()


def test_the_child_outlives_the_thread_that_started_it(sandbox):
    sandbox.close()
    thread = threading.Thread(target=sandbox.start)
    thread.start()
    thread.join()
    time.sleep(0.1)
    pid = sandbox.child_pid
    assert isinstance(sandbox.clean(PHOTO), CleanPhoto)
    assert sandbox.child_pid == pid


def test_the_child_dies_with_its_parent():
    script = f"""
import os
from jobs.photos.sandbox import Sandbox
sandbox = Sandbox(module={ODD!r})
sandbox.start()
print(sandbox.child_pid, flush=True)
os.kill(os.getpid(), 9)
"""
    assert wait_until_gone(int(run_script(script).stdout))


def test_a_forked_process_gets_a_child_of_its_own_and_leaves_the_parents_alone():
    script = f"""
import os
from jobs.photos.sandbox import Sandbox
from tests.jobs.photos import phones, pictures
sandbox = Sandbox(module={ODD!r})
sandbox.start()
first, photo = sandbox.child_pid, pictures.jpeg()
forked = os.fork()
if not forked:
    sandbox.clean(photo)
    os._exit(0 if sandbox.child_pid != first else 1)
assert os.waitpid(forked, 0)[1] == 0
sandbox.clean(photo)
assert sandbox.child_pid == first
sandbox.close()
print("fine")
"""
    done = run_script(script)
    assert done.stdout == "fine\n", done.stderr


def test_the_parents_side_loads_no_decoder_and_no_django():
    script = """
import sys
import jobs.photos.sandbox, jobs.photos.upload_checks
print([name for name in ("django", "PIL", "cv2", "numpy", "pillow_heif") if name in sys.modules])
"""
    assert run_script(script).stdout == "[]\n"


def test_five_hundred_damaged_photos_harm_no_one(sandbox):
    chance = random.Random(7)
    originals = [data for data in pictures.ordinary().values() if len(data) < 100_000]
    codes = set()
    for number in range(500):
        data = bytearray(originals[number % len(originals)])
        for _ in range(chance.randint(1, 12)):
            data[chance.randrange(min(len(data), chance.choice((64, 700, len(data)))))] = chance.randrange(256)
        if number % 5 == 0:
            del data[chance.randrange(len(data)) :]
        try:
            codes.add(type(sandbox.clean(bytes(data))))
        except BadPhoto as bad:
            codes.add(bad.code)
    assert {CleanPhoto, "photo_unreadable"} <= codes
    assert isinstance(sandbox.clean(PHOTO), CleanPhoto)
