"""Calls to misbehaving servers. Each raises the error that says what to do next."""

import contextlib
import gzip
import re
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from providers.errors import AccountProblem, Unavailable, Unconfirmed
from providers.http import client
from tests.support.processes import free_port
from tests.support.raw_server import answering, drip_body, drip_chunks, drip_head, listening, reset, wait

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def serve():
    """Return a function that listens and answers every connection by `behave(connection, request)`."""
    with contextlib.ExitStack() as stack:
        yield lambda behave: stack.enter_context(listening(behave))


def call(url, method="POST", **others):
    near = {"public_only": False}  # every server of these tests is on this machine
    return client.call(
        method, url, **near | {"connect_seconds": 0.3, "read_seconds": 0.2, "json_body": {"a": 1}} | others
    )


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "https://127.0.0.1:9/", "https://localhost:9/", "http://x.example/"]
)
def test_nothing_is_sent_where_no_provider_can_be(url):
    with pytest.raises(AccountProblem):
        call(url, public_only=True)


def test_a_complete_response_is_returned(serve):
    requests_seen = []

    def behave(connection, request):
        while b'{"a": 1}' not in request and (more := connection.recv(65536)):
            request += more
        requests_seen.append(request)
        connection.sendall(b'HTTP/1.1 202 Accepted\r\nX-Thing: 1\r\nContent-Length: 9\r\n\r\n{"id": 1}')

    answer = call(serve(behave), headers={"Authorization": "Bearer ключ"}, params={"q": "a b"})
    assert (answer.status, answer.json(), answer.headers["x-thing"]) == (202, {"id": 1}, "1")
    assert b"POST /?q=a+b HTTP/1.1" in requests_seen[0]
    assert "Bearer ключ".encode() in requests_seen[0]
    assert b'{"a": 1}' in requests_seen[0]


def taking_all_of(received):
    """Return a behaviour that reads a request with its body and answers 200."""

    def behave(connection, request):
        head, _, body = request.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(body) < length:
            body += connection.recv(65536)
        received.append((head.lower(), body))
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")(connection, request)

    return behave


def test_bytes_are_sent_as_they_are_with_the_given_headers_alone(serve):
    received = []
    call(serve(taking_all_of(received)), "PUT", json_body=None, content=b"\xff\x00 photo", headers={"X-Test": "7"})
    ((head, body),) = received
    assert body == b"\xff\x00 photo"
    assert b"x-test: 7" in head
    assert b"content-type" not in head
    assert b"authorization" not in head


def test_a_file_travels_in_a_form(serve):
    received = []
    files = {"content": ("photo.jpg", b"\xff\xd8", "image/jpeg")}
    call(serve(taking_all_of(received)), json_body=None, files=files, form={"metadata": '{"a": 1}'})
    ((head, body),) = received
    assert b"content-type: multipart/form-data; boundary=" in head
    assert b'name="metadata"\r\n\r\n{"a": 1}\r\n' in body
    assert b'name="content"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n' in body


def test_an_answer_may_be_as_long_as_the_caller_says(serve):
    behave = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345")
    assert call(serve(behave), max_bytes=5).body == b"12345"
    with pytest.raises(Unconfirmed, match="too long"):
        call(serve(behave), max_bytes=4)


def test_nothing_of_the_environment_is_used(serve, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert call(serve(answering(b"HTTP/1.1 204 No Content\r\n\r\n"))).status == 204


def test_a_redirect_is_not_followed(serve):
    answer = call(serve(answering(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")))
    assert answer.status == 302


# --- What did not arrive: try again -------------------------------------------------------------------


def test_a_refused_connection_is_unavailable():
    with pytest.raises(Unavailable):
        call(f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize(
    "url",
    [
        "http://nobody.invalid/",
        "http://",
        "not an address",
        "gopher://x/",
        "http://[broken/",
        "http://127.0.0.1:99999/",
    ],
)
def test_an_address_that_leads_nowhere_is_unavailable(url):
    with pytest.raises(Unavailable):
        call(url)


def test_a_name_that_is_not_resolved_in_time_is_unavailable(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10) and [])
    try:
        with pytest.raises(Unavailable):
            call("http://slow.example/")
    finally:
        over.set()


def test_a_header_that_cannot_be_sent_is_unavailable():
    with pytest.raises(Unavailable):
        call(f"http://127.0.0.1:{free_port()}/", headers={"Authorization": "Bearer two\nlines"})


def test_a_certificate_without_a_known_authority_is_unavailable(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_expired_certificate(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands():
            with contextlib.suppress(OSError):
                context.wrap_socket(listener.accept()[0], server_side=True).close()

        thread = threading.Thread(target=shake_hands)
        thread.start()
        with pytest.raises(Unavailable):
            call(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()


def _expired_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW - timedelta(days=9)).not_valid_after(NOW - timedelta(days=8))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    path = folder / "certificate.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(encoding))
    return path


# --- What may have arrived: look it up ----------------------------------------------------------------


LOST = {
    "reset after the request": reset,
    "closed without a word": answering(),
    "reset within the head": lambda connection, request: (connection.sendall(b"HTTP/1.1 20"), reset(connection, b"")),
    "closed within the first line": answering(b"HTTP/1.1 20"),
    "closed within the body": answering(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{"),
    "closed within a chunk": answering(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nabc"),
    "a chunk of no length": answering(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"),
    "not HTTP": answering(b"220 smtp.example ESMTP ready\r\n"),
    "bytes": answering(bytes(range(256)) * 10),
    "an endless line": answering(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000),
    "a thousand headers": answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"),
}


@pytest.mark.parametrize("name", LOST)
def test_an_answer_that_was_lost_is_unconfirmed(serve, name):
    with pytest.raises(Unconfirmed):
        call(serve(LOST[name]))


@pytest.mark.parametrize("name", LOST)
def test_a_lost_answer_to_what_may_be_repeated_is_unavailable(serve, name):
    with pytest.raises(Unavailable) as caught:
        call(serve(LOST[name]), repeatable=True)
    assert caught.value.detail


def test_an_answer_closed_within_its_head_has_no_body_to_be_read(serve):
    answer = call(serve(answering(b"HTTP/1.1 202 Accepted\r\nX: 1\r\nContent-Ty")))
    with pytest.raises(ValueError, match="not JSON"):
        answer.json()


@pytest.mark.parametrize("behave", [wait, drip_head, drip_body, drip_chunks])
def test_a_call_ends_at_its_deadline_however_slowly_bytes_come(serve, behave):
    began = time.monotonic()
    with pytest.raises(Unconfirmed):
        call(serve(behave))
    assert 0.15 < time.monotonic() - began < 10, "a quarter of a second on an idle machine; the body would take hours"


def test_a_reused_connection_has_a_deadline_of_its_own(serve):
    def behave(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        while b"POST" not in connection.recv(65536):
            pass
        drip_body(connection, request)

    url = serve(behave)
    assert call(url).status == 200
    time.sleep(0.6)
    began = time.monotonic()
    with pytest.raises(Unconfirmed):
        call(url)
    assert 0.15 < time.monotonic() - began < 10, "a quarter of a second on an idle machine; the body would take hours"


def test_a_large_photo_has_the_whole_time_to_be_sent(serve):
    """Sending may take longer than the connection's timeout."""

    def behave(connection, request):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        time.sleep(0.6)
        received = len(request)
        while received < 8_000_000:
            received += len(connection.recv(1_000_000))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    url = serve(behave)
    assert call(url, connect_seconds=0.3, read_seconds=3, json_body={"photo": "x" * 8_000_000}).status == 200


def test_an_answer_that_is_too_long_is_unconfirmed(serve):
    behave = answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (client.MAX_RESPONSE_BYTES + 1))
    with pytest.raises(Unconfirmed, match="too long"):
        call(serve(behave), read_seconds=5)


def test_nothing_is_inflated(serve):
    packed = gzip.compress(bytes(50 * 2**20))
    answer = call(serve(answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", packed)), read_seconds=5)
    assert answer.body == packed
    with pytest.raises(ValueError, match="not JSON"):
        answer.json()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"1", b'{"a":', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_says_so(body):
    with pytest.raises(ValueError, match=r"not|nested"):
        client.Response(200, {}, body).json()
