import errno
import io
import json
import os
import signal
import socket
import sys

import pytest

from selfiehero.environment import load
from selfiehero.supervisor import plan as plan_module
from selfiehero.supervisor import preflight
from selfiehero.supervisor.children import Backoff, describe_exit
from selfiehero.supervisor.guard import session_members
from selfiehero.supervisor.logs import LineSplitter, LogFile, Terminal, wants_colour
from selfiehero.supervisor.plan import make_plan
from selfiehero.supervisor.rundir import AlreadyRunning, Lock, choose_port
from selfiehero.supervisor.valkey import EmbeddedValkey


class Stream(io.BytesIO):
    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


def test_backoff_doubles_up_to_its_longest_and_starts_anew_after_health():
    backoff = Backoff()
    assert [backoff.next_delay(ran_for=1) for _ in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert backoff.next_delay(ran_for=31) == 0.5
    assert backoff.next_delay(ran_for=1) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit code 0"), (3, "exit code 3"), (-9, "signal 9 (SIGKILL)"), (-64, "signal 64 (SIGRTMAX)")],
)
def test_an_end_is_said_for_people(code, words):
    assert describe_exit(code) == words


def test_lines_come_whole_however_they_arrive():
    splitter = LineSplitter()
    assert splitter.feed(b"on") == []
    assert splitter.feed(b"e\ntwo\nthr") == [b"one", b"two"]
    assert splitter.flush() == [b"thr"]
    assert splitter.flush() == []


def test_a_line_that_never_ends_is_cut():
    lines = LineSplitter().feed(b"x" * 100_000)
    assert len(lines) == 6
    assert {len(line) for line in lines} == {16 * 1024}


def test_the_terminal_prefixes_lines():
    stream = Stream()
    Terminal(stream, width=6).line("web", b"hello\r\n")
    assert stream.getvalue() == "web    │ hello\n".encode()


def test_without_colour_no_escape_remains_and_with_colour_only_colours_do():
    hostile = b"\x1b[31mred\x1b[0m \x1b[2Jcleared \x1b]0;title\x07 \xc2\x9b31m back\x08"
    plain, coloured = Stream(), Stream()
    Terminal(plain).line("web", hostile)
    Terminal(coloured, colour=True).line("web", hostile)
    assert b"\x1b" not in plain.getvalue()
    assert b"\x1b[31mred" in coloured.getvalue()
    for stream in (plain, coloured):
        assert not any(code in stream.getvalue() for code in (b"\x1b[2J", b"\x1b]", b"\x07", b"\x08", b"\xc2\x9b"))


def test_colour_is_for_terminals_that_want_it():
    terminal = Stream(is_terminal=True)
    assert wants_colour(terminal, {"TERM": "xterm"})
    assert not wants_colour(terminal, {"NO_COLOR": "1"})
    assert not wants_colour(terminal, {"TERM": "dumb"})
    assert not wants_colour(Stream(), {})


def test_a_terminal_that_takes_nothing_holds_nobody():
    reader, writer = os.pipe()
    try:
        with open(writer, "wb") as stream:
            terminal = Terminal(stream)
            for number in range(5000):  # more than a pipe holds
                terminal.line("web", f"line {number} {'x' * 50}")
            assert 0 < len(terminal.waiting) <= 2000
            assert terminal.waiting[-1].startswith(b"web              \xe2\x94\x82 line 4999")
            os.close(reader)
            terminal.line("web", "nobody reads")
            assert terminal.is_gone
            assert not terminal.waiting
            stream.raw.close()
    except (BrokenPipeError, ValueError):
        pass  # closing a stream whose reader is gone


def test_a_log_starts_anew_when_it_is_full_and_keeps_one_before(tmp_path):
    log = LogFile(tmp_path / "log" / "web.log", largest=40_000)
    for number in range(3000):
        log.write(f"\x1b[31mline {number:04} {'x' * 10}\x1b[0m".encode())
    log.close()
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["web.log", "web.log.1"]
    assert all(path.stat().st_size <= 40_000 for path in (tmp_path / "log").iterdir())
    text = (tmp_path / "log" / "web.log").read_text()
    assert text.endswith(f"line 2999 {'x' * 10}\n")
    assert "\x1b" not in text


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path):
    (tmp_path / "log").write_text("a file where the folder should be")
    LogFile(tmp_path / "log" / "web.log").write(b"line")


def test_a_second_supervisor_on_the_same_var_dir_gets_a_sentence(tmp_path):
    first, second = (Lock(tmp_path / "run" / "up.lock") for _ in range(2))
    first.acquire(url="http://127.0.0.1:8000")
    with pytest.raises(AlreadyRunning) as caught:
        second.acquire(url="http://127.0.0.1:8001")
    assert str(caught.value) == (
        f"Selfie Hero already runs from {tmp_path} (process {os.getpid()}, http://127.0.0.1:8000). "
        "Stop it with Ctrl-C in its terminal, or choose another VAR_DIR and PORT."
    )
    first.release()
    second.acquire(url="http://127.0.0.1:8001")
    second.release()


def test_a_port_is_kept_while_it_is_free():
    port = choose_port()
    assert choose_port(f"http://127.0.0.1:{port}") == port
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        assert choose_port(f"http://127.0.0.1:{port}") != port


def test_the_members_of_a_session_are_found():
    assert os.getpid() in session_members(os.getsid(0))


def environment_in(tmp_path, **env):
    return load({"VAR_DIR": str(tmp_path / "var"), **env})


def test_the_plan_of_the_embedded_default_runs_everything_in_order(tmp_path):
    plan = make_plan(environment_in(tmp_path, PORT="8123"))
    by_name = {child.name: child for child in plan.children}
    assert set(by_name) == {
        *("valkey", "studio", "reconcile", "web", "worker-prepare", "worker-dispatch", "worker-collect")
    }
    first_up = min(plan.children, key=lambda child: child.starts)
    last_up = max(plan.children, key=lambda child: child.starts)
    last_down = max(plan.children, key=lambda child: child.stops)
    assert (first_up.name, last_up.name, last_down.name) == ("valkey", "web", "valkey")
    assert {child.name for child in plan.children if child.stops == min(child.stops for child in plan.children)} == {
        *("web", "worker-prepare", "worker-dispatch", "worker-collect")
    }
    assert by_name["web"].argv[-4:] == ("--host", "127.0.0.1", "--port", "8123")
    for name in ("worker-prepare", "worker-dispatch", "worker-collect", "reconcile"):
        assert by_name[name].signs.beat == tmp_path / "var" / "run" / f"{name}.beat"
    assert by_name["web"].signs.url == "http://127.0.0.1:8123/healthz"
    assert by_name["studio"].signs.url == f"http://127.0.0.1:{by_name['studio'].env['STUDIO_PORT']}/healthz"
    assert plan.ready_url == "http://127.0.0.1:8123/readyz"
    assert not plan.set_up.is_logged
    endpoints = json.loads((tmp_path / "var" / "run" / "endpoints.json").read_text())
    assert endpoints["studio_url"].endswith(by_name["studio"].env["STUDIO_PORT"])
    assert (tmp_path / "var" / "run" / "endpoints.json").stat().st_mode & 0o077 == 0


def test_the_studio_gets_the_same_port_again(tmp_path):
    chosen = environment_in(tmp_path)
    make_plan(chosen)
    before = chosen.studio_url
    make_plan(chosen)
    assert chosen.studio_url == before


def test_given_servers_are_used_and_none_is_started(tmp_path):
    plan = make_plan(environment_in(tmp_path, REDIS_URL="redis://127.0.0.1:1", STUDIO="0"))
    assert not {"valkey", "studio"} & {child.name for child in plan.children}


def test_the_banner_says_the_address_and_the_password_once(tmp_path):
    plan = make_plan(environment_in(tmp_path))
    kept = [line for line in ("Migrated.", "Admin: admin, password abc (shown once)") if plan.is_for_banner(line)]
    lines = list(plan.banner(kept))
    assert "Selfie Hero is ready: http://127.0.0.1:8000/" in lines
    assert lines.count("Admin: admin, password abc (shown once)") == 1
    assert "Migrated." not in lines


def test_valkey_keeps_an_append_only_file_and_refuses_rather_than_forgets(tmp_path):
    server = EmbeddedValkey(data_dir=tmp_path / 'a "b"', config_path=tmp_path / "conf", socket_path=tmp_path / "sock")
    server.prepare()
    lines = (tmp_path / "conf").read_text().splitlines()
    for line in ("port 0", "appendonly yes", "appendfsync everysec", 'save ""', "maxmemory-policy noeviction"):
        assert line in lines
    assert f'dir "{tmp_path}/a \\"b\\""' in lines
    assert not any(line.startswith("requirepass") for line in lines)


def test_valkey_on_a_port_asks_for_a_password(tmp_path):
    server = EmbeddedValkey(data_dir=tmp_path / "data", config_path=tmp_path / "conf", socket_path=None, port=7000)
    assert f"requirepass {server.password}" in server.config()
    assert server.url == f"redis://:{server.password}@127.0.0.1:7000/0"
    assert server.password not in server.argv


def test_data_that_valkey_cannot_read_is_set_aside_after_three_tries(tmp_path):
    server = EmbeddedValkey(data_dir=tmp_path / "valkey", config_path=tmp_path / "conf", socket_path=tmp_path / "sock")
    server.prepare()
    (tmp_path / "valkey" / "broken").touch()
    server.prepare(2)
    assert (tmp_path / "valkey" / "broken").exists()
    server.prepare(3)
    assert not (tmp_path / "valkey" / "broken").exists()
    assert len(list(tmp_path.glob("valkey.unreadable.*/broken"))) == 1


def problem_of(check, *arguments) -> str:
    with pytest.raises(preflight.Problem) as caught:
        check(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_busy_port_is_a_sentence():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert problem_of(preflight.check_port, "127.0.0.1", port) == (
            f"Port {port} is taken by another program. Stop it, or choose another: PORT={port + 1} make up"
        )


def test_a_host_that_is_not_ours_is_a_sentence():
    assert "not an address of this machine" in problem_of(preflight.check_port, "192.0.2.1", 8000)


def test_a_port_of_the_system_is_a_sentence(monkeypatch):
    def refuse(host, port):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(preflight, "bind_once", refuse)
    assert "above 1023" in problem_of(preflight.check_port, "127.0.0.1", 80)


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 300 * 2**20})
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage)
    assert problem_of(preflight.check_space, tmp_path).startswith(f"Only 300 MB are free where {tmp_path} is")


def test_a_var_dir_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "var").write_text("a file")
    assert "choose another VAR_DIR" in problem_of(preflight.check_writable, tmp_path / "var")


def test_an_old_python_is_a_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    assert problem_of(preflight.check_python) == (
        "Python 3.11 or newer is needed, this is 3.10. Install it and remove .venv."
    )


def test_a_redis_that_does_not_answer_is_a_sentence_without_its_password():
    message = problem_of(preflight.check_redis, f"redis://:hunter2@127.0.0.1:{choose_port()}/0")
    assert message.startswith("REDIS_URL (redis://127.0.0.1:")
    assert "hunter2" not in message


@pytest.mark.parametrize("option", ["foo=bar", "ssl_cert_reqs=CERT_NONE", "socket_timeout=abc"])
def test_an_option_that_the_redis_client_does_not_know_is_a_sentence(option):
    assert option.partition("=")[0] in problem_of(preflight.check_redis, f"redis://127.0.0.1:1/0?{option}")


def test_a_database_that_does_not_answer_is_a_sentence_without_its_password():
    message = problem_of(preflight.check_database, f"postgres://hero:hunter2@127.0.0.1:{choose_port()}/hero")
    assert message.startswith("DATABASE_URL (postgres://hero@127.0.0.1:")
    assert "hunter2" not in message


def test_a_database_address_of_an_unknown_kind_is_a_sentence():
    assert "DATABASE_URL" in problem_of(preflight.check_database, "oracel://hero:hunter2@127.0.0.1/hero")


def test_sqlite_by_address_needs_no_server():
    preflight.check_database("sqlite:////tmp/hero.sqlite3")


def test_all_checks_pass_on_this_machine(tmp_path):
    preflight.check(environment_in(tmp_path, PORT=str(choose_port())))


def test_the_plan_knows_the_lanes_that_workers_know():
    from jobs.models import Lane

    assert set(plan_module.LANES) == set(Lane.values)


def test_signals_have_names():
    assert describe_exit(-signal.SIGTERM) == "signal 15 (SIGTERM)"
