"""`manage.py hero` over real HTTP: what it leaves on the disk, what it says, and its exit code."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from selfiehero import hero_client
from selfiehero.supervisor.rundir import Lock, running_url
from tests.support import hero_server
from tests.support.hero_server import CANCELED, FAILED, IN_LINE, RENDERING, SUCCEEDED, Answer, Cut, Do, HeroServer
from tests.support.processes import free_port

FINISHED = SUCCEEDED | {"video": "/media/film.mp4"}


@dataclass(frozen=True)
class CommandResult:
    code: int
    said: str  # on stdout
    trouble: str  # on stderr


class Clock:
    """Time as the client sees it: a wait takes none, and a test may have something happen in it."""

    def __init__(self) -> None:
        self.now, self.waits = 1000.0, []
        self.at_wait: Callable[[int], Any] = lambda number: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)
        self.at_wait(len(self.waits))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(hero_client, "time", clock)
    return clock


@pytest.fixture
def hero(server: HeroServer, clock: Clock, photo: Path, output: Path) -> Callable[..., CommandResult]:
    """Run the command in this process, against the server."""

    def run(**choices: Any) -> CommandResult:
        said, trouble = io.StringIO(), io.StringIO()
        options = {"photo": photo, "output": output, "look": "neon-noir", "name": "", "server": server.url} | choices
        code = 0
        try:
            call_command("hero", options.pop("photo"), stdout=said, stderr=trouble, **options)
        except SystemExit as end:
            code = end.code
        return CommandResult(code, said.getvalue(), trouble.getvalue())

    return run


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- The whole way ------------------------------------------------------------------------------------


def test_a_film_is_written_and_one_line_says_so(hero, server, output, photo) -> None:
    result = hero(look="netrunner", name="NOVA-7")
    assert (result.code, result.trouble) == (0, "")
    assert re.fullmatch(
        rf"{output}: 0\.1 MB\. Accepted in \d+ ms, first picture [\d.]+ s, film [\d.]+ s\.\n", result.said
    )
    assert output.read_bytes() == server.film
    assert files_in(output.parent) == ["hero.mp4"]
    (order,) = [call for call in server.calls if call.name == "order"]
    for part in (b"netrunner", b"NOVA-7", b'name="consent"\r\n\r\ntrue', photo.read_bytes()):
        assert part in order.body
    assert order.headers["Cookie"] == "visitor=v1"


def test_an_older_film_stays_until_the_new_one_is_whole(hero, server, output) -> None:
    output.write_bytes(b"older")
    server.next("film", Answer(500))
    result = hero()
    assert (result.code, output.read_bytes()) == (3, b"older")
    assert "HTTP 500" in result.trouble
    assert files_in(output.parent) == ["hero.mp4"]
    assert hero().code == 0
    assert output.read_bytes() == server.film


def test_a_download_that_breaks_off_begins_again(hero, server, output) -> None:
    server.next("film", Cut(), Cut(after=1000), Answer(503, headers={"Retry-After": "1"}))
    assert hero().code == 0
    assert output.read_bytes() == server.film
    assert server.count("film") == 4


def test_a_film_address_that_ran_out_is_asked_for_anew(hero, server, output) -> None:
    server.states = [FINISHED, SUCCEEDED | {"video": "/media/again.mp4"}]
    server.next("film", Answer(403))
    assert hero().code == 0
    assert output.read_bytes() == server.film
    assert server.calls[-1].path == "/media/again.mp4"


@pytest.mark.parametrize("video", [None, "/media/film.mp4"])
def test_a_film_that_is_gone_is_no_film(hero, server, output, video) -> None:
    server.states = [SUCCEEDED | {"video": video}]
    server.next("film", Answer(404), Answer(404))
    result = hero()
    assert result.code == 3
    assert result.trouble.startswith("The film ")
    assert files_in(output.parent) == []


# --- Films that come to nothing -----------------------------------------------------------------------


def test_a_job_that_failed_says_why_and_what_to_do(hero, server, output) -> None:
    failure = {"code": "no_face", "message": "There is no face.", "next_step": "Choose another photo."}
    server.states = [RENDERING, FAILED | {"failure": failure}]
    assert hero() == CommandResult(1, "", "There is no face. Choose another photo.\n")
    assert files_in(output.parent) == []


def test_a_job_that_was_canceled_elsewhere_says_so(hero, server) -> None:
    server.states = [CANCELED]
    assert hero() == CommandResult(1, "", "The film was canceled.\n")


# --- Servers that are away, busy or something else ----------------------------------------------------


def test_where_no_server_is_one_sentence_says_so(hero, clock) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    result = hero(server=address)
    assert (result.code, result.said) == (3, "")
    assert result.trouble == f"No answer from {address}/ ([Errno 111] Connection refused). Is it running?\n"
    assert clock.waits == []


def test_a_busy_server_is_asked_again_when_it_said_and_it_stays_one_job(hero, server, clock) -> None:
    server.next("order", hero_server.problem(429, "too_many_requests", "That was a lot.", retry_after="7"))
    server.next("order", hero_server.problem(503, "busy", "Not now."), Cut())
    server.next("job", Answer(429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    assert hero().code == 0
    assert server.count("order") == 4
    assert len(server.keys) == 1
    assert clock.waits[:3] == [7.0, 1.0, hero_client.AGAIN_SECONDS]


def test_nobody_waits_an_hour(hero, server, clock) -> None:
    message = "That was a lot at once. Try again in 3600 seconds."
    server.next("order", hero_server.problem(429, "too_many_requests", message, retry_after="3600"))
    assert hero() == CommandResult(3, "", f"{message}\n")
    assert (server.count("order"), clock.waits) == (1, [])


def test_a_server_that_stays_busy_is_given_up(hero, server, clock) -> None:
    server.next("order", *[hero_server.problem(429, "too_many_requests", "Later.", retry_after="0")] * 1000)
    assert hero() == CommandResult(3, "", "Later.\n")
    assert sum(clock.waits) <= hero_client.PATIENCE_SECONDS
    assert min(clock.waits) == hero_client.AGAIN_SECONDS


def test_a_refusal_is_said_in_the_server_s_words(hero, server) -> None:
    refusal = hero_server.problem(422, "look_unknown", "There is no such look.", next_step="Choose one.")
    server.next("order", refusal)
    assert hero(look="x") == CommandResult(3, "", "There is no such look. Choose one.\n")


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"{}", b"\xff", b""])
def test_a_refusal_without_words_still_is_a_sentence(hero, server, body) -> None:
    server.next("order", Answer(500, body))
    assert hero() == CommandResult(3, "", "The server refused the request (HTTP 500).\n")


@pytest.mark.parametrize("name", ["looks", "order", "job"])
@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"\xff\xfe", b"", b'{"status": "ok"}', b"null"])
def test_another_program_s_answers_are_recognised(hero, server, name, body) -> None:
    server.next(name, Answer(200, body))
    assert hero() == CommandResult(3, "", f"{server.url}/ answers, but not as Selfie Hero does.\n")


def test_a_server_that_moved_gets_the_photo_where_it_is_now(hero, server) -> None:
    with HeroServer() as old:
        old.next("looks", Answer(301, headers={"Location": f"{server.url}/api/v1/looks/"}))
        assert hero(server=old.url).code == 0
        assert [call.name for call in old.calls] == ["looks"]
    assert (server.count("order"), server.count("list")) == (1, 0)


def test_a_server_that_dies_midway_and_comes_back_delivers(hero, server, clock, output) -> None:
    server.states = [IN_LINE, RENDERING, FINISHED]
    clock.at_wait = lambda number: {2: server.stop, 10: server.start}.get(number, lambda: None)()
    server.next("job", Do(lambda: None), Cut(after=40), Answer(502))
    assert hero().code == 0
    assert output.read_bytes() == server.film
    assert server.count("order") == 1


def test_a_server_that_dies_for_good_is_given_up_after_a_minute(hero, server, clock, output) -> None:
    server.states = [RENDERING]
    clock.at_wait = lambda number: server.stop() if number == 1 else None
    result = hero()
    assert (result.code, result.said) == (3, "")
    assert "Is it running?" in result.trouble
    assert sum(clock.waits) == pytest.approx(hero_client.PATIENCE_SECONDS, abs=1)
    assert files_in(output.parent) == []


@pytest.mark.parametrize("address", ["ftp://x", "http://", "http://x:99999", "http://[x", "http://x:0", "http://ü"])
def test_an_address_that_is_none_is_refused_at_once(hero, address) -> None:
    with pytest.raises(CommandError, match="no address like"):
        call_command("hero", "x.jpg", "--output", "x.mp4", "--server", address)


def test_an_address_needs_no_scheme(hero, server) -> None:
    assert hero_client.read_server(f"127.0.0.1:{server.port}") == server.url


# --- Local files --------------------------------------------------------------------------------------


def test_the_product_that_runs_here_is_found_whatever_its_port(hero, server, output, photo) -> None:
    lock = Lock(settings.ENV.run_dir / "up.lock")
    lock.acquire(url=server.url)
    try:
        assert hero(server=None).code == 0
    finally:
        lock.release()
    # A lock that nobody holds is of a product that has ended, whoever has its process id now.
    assert running_url(lock.path) is None


def test_a_photo_that_cannot_be_read_costs_no_call(hero, server, tmp_path) -> None:
    missing = tmp_path / "missing.jpg"
    assert hero(photo=missing) == CommandResult(2, "", f"{missing} cannot be read: No such file or directory.\n")
    assert hero(photo=tmp_path) == CommandResult(2, "", f"{tmp_path} cannot be read: Is a directory.\n")
    assert server.calls == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/hero.mp4", "There is no folder "),
        ("films", " is there already and is not a file."),
        ("pipe", " is there already and is not a file."),
        ("films/" + "x" * 300, "cannot be written: File name too long."),
    ],
)
def test_a_film_that_could_not_be_written_is_never_ordered(hero, server, output, tmp_path, name, message) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = hero(output=tmp_path / name)
    assert (result.code, result.said) == (2, "")
    assert message in result.trouble
    assert server.calls == []
    assert files_in(output.parent) == []


def test_a_folder_that_vanishes_meanwhile_is_a_sentence(hero, server, output) -> None:
    server.next("film", Do(output.parent.rmdir))
    assert hero() == CommandResult(2, "", f"{output} cannot be written: {os.strerror(errno.ENOENT)}.\n")


# --- Ctrl-C -------------------------------------------------------------------------------------------


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_cancels_the_film(hero, server, clock, output) -> None:
    clock.at_wait = interrupt
    assert hero() == CommandResult(130, "", "Stopped, and the film is canceled.\n")
    assert server.count("cancel") == 1
    assert files_in(output.parent) == []


def test_ctrl_c_when_the_film_had_ended_does_not_claim_that_it_is_canceled(hero, server, clock) -> None:
    server.states = [FINISHED]
    clock.at_wait = interrupt
    assert hero() == CommandResult(130, "", "Stopped. The film had ended by itself just before.\n")


def test_ctrl_c_before_the_photo_was_taken_cancels_nothing(hero, server, clock) -> None:
    server.next("order", Answer(503))
    clock.at_wait = interrupt
    assert hero() == CommandResult(130, "", "Stopped before the server had taken the photo.\n")
    assert server.count("cancel") == 0


@pytest.mark.parametrize("is_twice", [False, True])
def test_ctrl_c_while_the_server_is_away_says_that_the_film_goes_on(hero, server, clock, is_twice) -> None:
    def at_wait(number: int) -> None:
        server.stop()
        if number == 1 or is_twice:
            interrupt()

    clock.at_wait = at_wait
    assert hero() == CommandResult(130, "", "Stopped. The server could not be told; the film goes on there.\n")
    assert sum(clock.waits) <= hero_client.CANCEL_SECONDS + 1
