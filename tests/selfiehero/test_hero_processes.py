"""`manage.py hero` as a person runs it: a process of its own, in a terminal or in a pipe, against the product too."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from jobs import snapshots, storage
from jobs.models import Job, Lane
from selfiehero.environment import PROJECT_DIR
from tests import factories
from tests.jobs.films import reels
from tests.support import hero_server
from tests.support.hero_server import IN_LINE, RENDERING, SUCCEEDED
from tests.support.processes import start_attached, wait_for
from tests.support.served import Served

pytestmark = pytest.mark.slow

FINISHED = SUCCEEDED | {"video": "/media/film.mp4"}


def started(*arguments: object, **choices: Any) -> subprocess.Popen:
    """Start the command as a process of its own."""
    return start_attached([sys.executable, "manage.py", "hero", *map(str, arguments)], cwd=PROJECT_DIR, **choices)


@pytest.fixture
def piped() -> Iterator[Callable[..., subprocess.Popen]]:
    """Start the command with its output in pipes; what still runs in the end is killed."""
    running: list[subprocess.Popen] = []

    def start(*arguments: object) -> subprocess.Popen:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running.append(started(*arguments, text=True, **streams))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


class Terminal:
    """A terminal of 100 columns with the command in it."""

    def __init__(self, *arguments: object) -> None:
        self.master, slave = pty.openpty()
        os.set_blocking(self.master, False)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
        self.process = started(*arguments, env={"TERM": "xterm", "NO_COLOR": "1"}, **streams)
        os.close(slave)
        self.text = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def shows(self, what: str) -> bool:
        """Tell whether this has been seen."""
        try:
            while part := os.read(self.master, 65536):
                self.text += part.decode()
        except OSError:  # nothing more for now, or the other end is closed
            pass
        return what in self.text


def test_a_terminal_gets_a_bar_that_is_gone_in_the_end(server, photo, output) -> None:
    server.states = [
        IN_LINE | {"position": 3, "reason": "The studio is busy, so your hero waits."},
        RENDERING | {"reason": "The studio is busy, so your hero waits."},
        FINISHED,
    ]
    with Terminal(photo, "-o", output, "--server", server.url) as terminal:
        assert terminal.process.wait(30) == 0
        terminal.shows("")
    for said in ("sending", "waiting for slot", "3 ahead, 4 to 9 s", "rendering", " 50 %", "100 %"):
        assert said in terminal.text, said
    assert terminal.text.count("The studio is busy, so your hero waits.\r\n") == 1
    assert "█" in terminal.text
    last = terminal.text.rstrip("\r\n").rsplit("\r", 1)[-1]
    assert last.startswith(str(output)), "the bar was not taken away"


def test_ctrl_c_in_a_terminal(server, photo, output) -> None:
    server.states = [RENDERING]
    with Terminal(photo, "-o", output, "--server", server.url) as terminal:
        wait_for(lambda: terminal.shows("rendering"), "the bar")
        terminal.process.send_signal(signal.SIGINT)
        wait_for(lambda: terminal.process.poll() is not None, "the command to end")
        assert terminal.process.returncode == 130
        terminal.shows("")
    assert "Stopped, and the film is canceled." in terminal.text
    assert "Traceback" not in terminal.text
    assert server.count("cancel") == 1


def test_a_pipe_gets_the_last_line_alone(piped, server, photo, output) -> None:
    process = piped(photo, "-o", output, "--server", server.url)
    said, trouble = process.communicate(timeout=30)
    assert (process.returncode, trouble) == (0, "")
    assert said.startswith(f"{output}: 0.1 MB.")
    assert said.count("\n") == 1


def test_arguments_that_make_no_sense_are_a_sentence(piped, photo, output) -> None:
    process = piped(photo, "-o", output, "--server", "gopher://hole")
    said, trouble = process.communicate(timeout=30)
    assert (process.returncode, said) == (2, "")
    assert "'gopher://hole' is no address like http://127.0.0.1:8000" in trouble
    assert "Traceback" not in trouble


# --- The product itself -------------------------------------------------------------------------------


def test_the_double_shows_a_job_as_the_product_does(db) -> None:
    job = factories.make_job()
    (real,) = snapshots.snapshots_for([job.id])
    double = hero_server.job_body()
    assert double.keys() == real.keys()
    for part in ("links", "queue"):
        assert double[part].keys() == real[part].keys()
    assert real["queue"]["eta_seconds"].keys() == double["queue"]["eta_seconds"].keys()


@pytest.fixture
def product(transactional_db, tmp_path, settings) -> Iterator[Served]:
    """The web process on this test's rows and files; its workers are `work`."""
    factories.make_look()
    Path(settings.MEDIA_ROOT).mkdir(exist_ok=True)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "media").symlink_to(settings.MEDIA_ROOT)
    database = str(connection.settings_dict["NAME"])
    with Served(tmp_path, database=database, env={"ACCESS_LOG": "1"}) as served:
        yield served


def test_the_product_makes_a_film(piped, product, provider, stub, work, deliver, sandbox, photo, output, film) -> None:
    process = piped(photo, "-o", output, "--server", product.url, "--name", "NOVA-7")
    wait_for(Job.objects.exists, "the job to be accepted")
    work(Lane.PREPARE, Lane.DISPATCH)
    deliver(stub.delivery(stub.only.run(0.5, preview=True)))
    work(Lane.COLLECT)
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    said, trouble = process.communicate(timeout=30)
    assert (process.returncode, trouble) == (0, "")
    assert "film" in said
    job = Job.objects.get()
    assert output.read_bytes() == storage.read(job.video_key)
    delivered, boxes = output.read_bytes(), {name: span for name, *span in reels.boxes(output.read_bytes())}
    pictures = {name: film[start:end] for name, start, end in reels.boxes(film)}[b"mdat"]
    assert delivered[slice(*boxes[b"mdat"])] == pictures, "not decoded and made anew"
    assert boxes[b"moov"] < boxes[b"mdat"], "its index was moved to the front"
    assert len(delivered) - len(film) < 5000, "and what says that a program made it was added"
    assert job.hero_name == "NOVA-7"


def test_the_product_refuses_in_words(piped, product, photo, output, tmp_path) -> None:
    process = piped(photo, "-o", output, "--server", product.url, "--look", "steampunk")
    _said, trouble = process.communicate(timeout=30)
    assert (process.returncode, trouble) == (3, "There is no such look. Choose one of: neon-noir.\n")

    large = tmp_path / "large.jpg"
    large.write_bytes(photo.read_bytes() + b"\0" * 15_000_000)
    process = piped(large, "-o", output, "--server", product.url)
    _said, trouble = process.communicate(timeout=30)
    assert (process.returncode, trouble) == (3, "The photo is larger than 12 MB. Send a smaller copy.\n")
    assert not Job.objects.exists()


def test_ctrl_c_cancels_at_the_product(piped, product, photo, output) -> None:
    process = piped(photo, "-o", output, "--server", product.url)
    wait_for(Job.objects.exists, "the job to be accepted")
    address = f"/api/v1/jobs/{Job.objects.get().id}/"
    wait_for(lambda: address in product.said(), "the command to follow it")
    process.send_signal(signal.SIGINT)
    _said, trouble = process.communicate(timeout=30)
    assert process.returncode == 130
    assert trouble == "Stopped, and the film is canceled.\n"
    assert Job.objects.get().status == "canceled"
