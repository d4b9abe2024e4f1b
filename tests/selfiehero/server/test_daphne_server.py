"""The web process as the outside sees it: a real `manage.py serve`, real sockets."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from selfiehero.environment import PROJECT_DIR
from tests.support.processes import free_port, wait_for
from tests.support.served import Served
from tests.support.timing import takes_about

pytestmark = pytest.mark.slow

MIB = 2**20


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served"), env={"ACCESS_LOG": "1"}) as served:
        yield served


def raw(web: Served, head: str) -> socket.socket:
    """Return a connection on which this was said."""
    connection = socket.create_connection(("127.0.0.1", web.port), timeout=20)
    connection.sendall(head.replace("\n", "\r\n").encode())
    return connection


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def head_of(answer: bytes) -> tuple[int, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


# --- Limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "length"),
    [("/api/v1/jobs/", 14 * MIB), ("/", 200 * MIB), ("/webhooks/studio/abc/", MIB + 10_000), ("/me/", 2 * MIB)],
)
def test_a_body_declared_too_long_is_refused_before_it_is_read(web: Served, path: str, length: int) -> None:
    with raw(web, f"POST {path} HTTP/1.1\nHost: localhost\nContent-Length: {length}\n\n") as connection:
        status, body = head_of(connection.recv(4096))
    assert status == 413
    assert json.loads(body)["status"] == 413


def test_whoever_waits_for_permission_to_send_gets_the_refusal_instead(web: Served) -> None:
    head = f"POST / HTTP/1.1\nHost: localhost\nExpect: 100-continue\nContent-Length: {14 * MIB}\n\n"
    with raw(web, head) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_sends_too_much_reads_why_and_costs_no_memory(web: Served) -> None:
    before = web.memory()
    answer = requests.post(f"{web.url}/api/v1/jobs/", files={"selfie": b"\0" * 20 * MIB}, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (413, "photo_too_big")
    assert web.memory() - before < 8 * MIB


def test_a_body_of_undeclared_length_is_cut_at_the_limit(web: Served) -> None:
    before = web.memory("VmHWM")
    with raw(web, "POST /try/body HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n") as connection:
        chunk = b"10000\r\n" + b"\0" * 65536 + b"\r\n"
        with pytest.raises(OSError):
            for _ in range(200 * MIB // 65536):
                connection.sendall(chunk)
    assert web.memory("VmHWM") - before < 8 * MIB


def test_the_answer_to_a_cut_body_says_413(web: Served) -> None:
    with raw(web, "POST /try/body HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n") as connection:
        connection.sendall(b"180000\r\n" + b"\0" * 0x180000 + b"\r\n0\r\n\r\n")
        assert head_of(read_all(connection))[0] == 413


@pytest.mark.parametrize("size", [0, 10, 2 * MIB // 3])
def test_bodies_within_the_limit_arrive_whole(web: Served, size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    for sent in (data, iter([data])):  # with a length, and chunked without
        seen = requests.post(f"{web.url}/try/body?a=%20b", data=sent, timeout=20).json()
        assert (seen["bytes"], seen["sha256"]) == (size, hashlib.sha256(data).hexdigest())
    assert (seen["address"], seen["query"]) == ("127.0.0.1", {"a": " b"})


def test_a_photo_of_twelve_megabytes_arrives_whole(web: Served) -> None:
    photo = b"\x01\x02\x03" * (4 * MIB)
    answer = requests.post(f"{web.url}/", files={"selfie": photo}, timeout=20)
    assert answer.status_code != 413


# --- Answers -----------------------------------------------------------------------------------------


def test_nothing_says_which_server_this_is(web: Served) -> None:
    assert "server" not in {name.lower() for name in requests.get(f"{web.url}/healthz", timeout=20).headers}


def test_a_head_request_gets_the_length_and_no_body(web: Served) -> None:
    answer = requests.head(f"{web.url}/try/file", timeout=20)
    assert (answer.headers["content-length"], answer.content) == (str(80 * 65536), b"")


def test_an_unchanged_answer_is_304_and_the_connection_goes_on(web: Served) -> None:
    with requests.Session() as session:
        answer = session.get(f"{web.url}/try/unchanged", headers={"If-None-Match": '"one"'}, timeout=20)
        assert (answer.status_code, answer.content) == (304, b"")
        assert session.get(f"{web.url}/try/unchanged", timeout=20).text == "one"


def test_files_and_streams_arrive_whole(web: Served) -> None:
    assert len(requests.get(f"{web.url}/try/file", timeout=20).content) == 80 * 65536
    assert len(requests.get(f"{web.url}/try/stream?blocks=33", timeout=20).content) == 33 * 65536


def test_a_stream_that_breaks_does_not_look_complete(web: Served) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(f"{web.url}/try/broken", timeout=20)


def test_who_stops_reading_costs_neither_memory_nor_a_thread(web: Served) -> None:
    before = web.memory()
    idle = [raw(web, "GET /try/stream HTTP/1.1\nHost: localhost\n\n") for _ in range(20)]
    try:
        wait_for(lambda: streaming(web)["streaming"] == 20, "all to stream")
        assert streaming(web)["threads"] <= 8
        assert web.memory() - before < 40 * MIB
    finally:
        for connection in idle:
            connection.close()
    wait_for(lambda: streaming(web)["streaming"] == 0, "all streams to be closed")


def test_uploads_that_are_broken_off_leave_nothing(web: Served) -> None:
    for sent in (0, 1000, 900_000):
        with raw(web, "POST /try/body HTTP/1.1\nHost: localhost\nContent-Length: 1000000\n\n") as connection:
            connection.sendall(b"\0" * sent)
    assert streaming(web)["threads"] <= 8
    assert list((web.folder / "var" / "tmp").iterdir()) == []


def test_a_client_that_leaves_does_not_keep_a_thread(web: Served) -> None:
    for _ in range(10):
        raw(web, "GET /try/slow?seconds=0.3 HTTP/1.1\nHost: localhost\n\n").close()
    with takes_about(0.5):
        assert requests.get(f"{web.url}/healthz", timeout=20).json() == {"ok": True}


def test_the_access_log_keeps_secrets(web: Served) -> None:
    requests.get(f"{web.url}/media/1/signature/raw/key/photo.jpg?download=1", timeout=20)
    requests.get(f"{web.url}/try/unchanged?token=secret", timeout=20)
    said = wait_for(lambda: "path=/try/unchanged status=200" in web.said() and web.said(), "the log")
    assert "path=/media/… status=403" in said
    assert "signature" not in said
    assert "token=secret" not in said


def test_a_path_that_is_not_text_is_an_answer_not_an_error(web: Served) -> None:
    with raw(web, "GET /%ff%fe HTTP/1.1\nHost: localhost\nConnection: close\n\n") as connection:
        assert head_of(read_all(connection))[0] in (400, 404), web.said()[-3000:]


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (f"GET /{'a' * 20_000} HTTP/1.1\nHost: localhost\n\n", 414, "address_too_long"),
        (f"GET /healthz HTTP/1.1\nHost: localhost\nX-Long: {'a' * 20_000}\n\n", 431, "header_too_large"),
        ("GET /healthz HTTP/1.1 and more\n\n", 400, "bad_request"),
    ],
)
def test_a_head_that_cannot_be_read_is_answered_in_words(web: Served, head: str, status: int, code: str) -> None:
    with raw(web, head) as connection:
        answer = read_all(connection)
    assert head_of(answer)[0] == status
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == code


def streaming(web: Served) -> dict[str, int]:
    return requests.get(f"{web.url}/try/streaming", timeout=20).json()


# --- The end -----------------------------------------------------------------------------------------


def test_a_running_request_finishes_and_new_ones_are_refused(tmp_path: Path) -> None:
    with Served(tmp_path) as web:
        answers: list[requests.Response] = []
        under_way = threading.Thread(
            target=lambda: answers.append(requests.get(f"{web.url}/try/slow?seconds=2", timeout=20))
        )
        under_way.start()
        time.sleep(0.5)
        kept = requests.Session()
        kept.get(f"{web.url}/healthz", timeout=20)
        web.signal(signal.SIGTERM)
        time.sleep(0.2)
        not_ready = kept.get(f"{web.url}/readyz", timeout=20)
        assert (not_ready.status_code, not_ready.json()["draining"]) == (503, True)
        assert not_ready.headers["connection"] == "close"
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{web.url}/healthz", timeout=20)
        under_way.join()
        assert answers[0].text == "done"
        assert web.wait(10) == 0


def test_an_idle_process_ends_at_once(tmp_path: Path) -> None:
    with Served(tmp_path) as web:
        web.signal(signal.SIGINT)
        assert web.wait(10) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Served(tmp_path) as web, raw(web, "GET /try/slow?seconds=30 HTTP/1.1\nHost: localhost\n\n"):
        time.sleep(0.5)
        web.signal(signal.SIGTERM)
        time.sleep(0.7)
        assert web.is_running
        web.signal(signal.SIGTERM)
        assert web.wait(2) == 128 + signal.SIGTERM


def test_a_taken_port_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=PROJECT_DIR,
            env=Served(tmp_path).env | {"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines() == [
        f"Port {port} on 127.0.0.1 is taken by another program: stop it, or choose another port with PORT."
    ]


def test_an_address_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "serve", "--host", "192.0.2.1", "--port", str(free_port())],
        cwd=PROJECT_DIR,
        env=Served(tmp_path).env | {"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr.strip().count("\n")) == (2, 0)
    assert "192.0.2.1 is not an address of this machine" in ended.stderr
