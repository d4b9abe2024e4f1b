"""Downloads from misbehaving servers. Each raises the error that says what to do next."""

import contextlib
import gzip

import pytest

from providers.errors import PredictionGone, Rejected, Unavailable
from providers.http import downloads
from providers.types import Account
from tests.support.processes import free_port
from tests.support.raw_server import answering, drip_body, drip_chunks, drip_head, listening, reset, wait

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"


@pytest.fixture
def serve():
    """Return a function that listens and answers every connection by `behave(connection, request)`."""
    with contextlib.ExitStack() as stack:
        yield lambda behave, context=None: stack.enter_context(listening(behave, context))


def account(url="https://api.vendor.example", *hosts):
    return Account("vendor", url.rstrip("/"), connect_seconds=0.5, result_hosts=hosts or ("127.0.0.1",))


def download(url, owner=None, *, total_seconds=2.0, max_bytes=1000, **choices):
    into = []
    size = downloads.download(
        url, into.append, account=owner or account(url), total_seconds=total_seconds, max_bytes=max_bytes, **choices
    )
    content = b"".join(into)
    assert len(content) == size
    return content


def redirect(location, status=b"302 Found"):
    return answering(b"HTTP/1.1 " + status + b"\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")


# --- What arrives ------------------------------------------------------------------------------------


def test_a_result_is_written_as_it_comes(serve):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
    assert download(serve(answering(head, b"abc", b"def", pause=0.02))) == b"abcdef"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n",
    ],
)
def test_what_it_is_called_does_not_matter(serve, head):
    assert download(serve(answering(head + b"abcdef"))) == b"abcdef"


def test_pieces_of_any_length_come_together(serve):
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n4;x=y\r\nbcde\r\n1\r\nf\r\n0\r\n\r\n"
    assert download(serve(answering(chunks))) == b"abcdef"


def test_a_connection_is_used_again(serve):
    connections = []

    def behave(connection, request):
        connections.append(connection)
        while request:
            connection.sendall(OK)
            request = connection.recv(65536)

    url = serve(behave)
    assert [download(url) for _ in range(3)] == [b"abcdef"] * 3
    assert len(connections) == 1


def test_nothing_is_inflated(serve):
    packed = gzip.compress(bytes(50 * 2**20))
    url = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", packed))
    assert download(url, max_bytes=10**6, total_seconds=5) == packed


def test_nothing_of_the_environment_is_used(serve, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert download(serve(answering(OK))) == b"abcdef"


def test_a_disk_that_is_full_is_the_callers_own_trouble(serve):
    def full(piece):
        raise OSError(28, "No space left on device")

    url = serve(answering(OK))
    with pytest.raises(OSError, match="No space"):
        downloads.download(url, full, account=account(url), total_seconds=2, max_bytes=1000)


# --- What does not -----------------------------------------------------------------------------------


def status(line):
    return answering(b"HTTP/1.1 " + line + b"\r\nContent-Length: 0\r\n\r\n")


LONG = b"x" * 1001
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def endless(connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(65536))


def endless_chunks(connection, request):
    connection.sendall(CHUNKED)
    while True:
        connection.sendall(b"400\r\n" + bytes(1024) + b"\r\n")


TROUBLE = {
    "401": (status(b"401 Unauthorized"), PredictionGone),
    "403": (status(b"403 Forbidden"), PredictionGone),
    "404": (status(b"404 Not Found"), PredictionGone),
    "410": (status(b"410 Gone"), PredictionGone),
    "400, as some storages call an expired signature": (status(b"400 Bad Request"), PredictionGone),
    "408": (status(b"408 Request Timeout"), Unavailable),
    "425": (status(b"425 Too Early"), Unavailable),
    "429": (status(b"429 Too Many Requests"), Unavailable),
    "500": (status(b"500 Oh"), Unavailable),
    "503": (status(b"503 Later"), Unavailable),
    "204": (answering(b"HTTP/1.1 204 No Content\r\n\r\n"), Unavailable),
    "206, which nobody asked for": (answering(OK.replace(b"200", b"206")), Unavailable),
    "304": (answering(b"HTTP/1.1 304 Not Modified\r\n\r\n"), Unavailable),
    "300 with an address": (redirect(b"/x", b"300 Choose"), Unavailable),
    "a redirect to nowhere": (status(b"302 Found"), Unavailable),
    "fewer bytes than announced": (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), Unavailable),
    "broken off within a chunk": (answering(CHUNKED + b"50\r\nabc"), Unavailable),
    "broken off between chunks": (answering(CHUNKED + b"3\r\nabc\r\n"), Unavailable),
    "a chunk of no length": (answering(CHUNKED + b"zz\r\nabc\r\n"), Unavailable),
    "a length that is none": (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nabc"), Unavailable),
    "longer than allowed": (answering(b"HTTP/1.1 200 OK\r\n\r\n" + LONG), Rejected),
    "longer than allowed, in one chunk": (answering(CHUNKED + b"3e9\r\n" + LONG + b"\r\n0\r\n\r\n"), Rejected),
    "endless": (endless, Rejected),
    "endless chunks": (endless_chunks, Rejected),
    "reset after the request": (reset, Unavailable),
    "closed without a word": (answering(), Unavailable),
    "not HTTP": (answering(b"220 smtp.example ESMTP ready\r\n"), Unavailable),
    "bytes": (answering(bytes(range(256)) * 10), Unavailable),
    "an endless line": (answering(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), Unavailable),
    "a thousand headers": (answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"), Unavailable),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_what_comes_of_a_result_that_cannot_be_had(serve, name):
    behave, error = TROUBLE[name]
    with pytest.raises(error) as caught:
        download(serve(behave))
    assert type(caught.value) is error


@pytest.mark.parametrize("behave", [wait, drip_head, drip_body, drip_chunks])
def test_a_result_that_takes_too_long_is_let_go_at_the_deadline(serve, behave):
    with pytest.raises(Unavailable):
        download(serve(behave), total_seconds=0.3, max_bytes=10**6)


def test_a_result_announced_too_long_is_not_even_begun(serve):
    with pytest.raises(Rejected):
        download(serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nabc")))


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/"])
def test_a_port_without_a_listener_is_unavailable(url):
    with pytest.raises(Unavailable):
        download(url.format(port=free_port()))


def test_a_header_that_cannot_be_sent_is_unavailable(serve):
    with pytest.raises(Unavailable):
        download(serve(answering(OK)), headers={"Authorization": "two\nlines"})
