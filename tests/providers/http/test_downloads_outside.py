"""Downloads from public servers: allowed hosts, certificates, and redirects.

The public server is a local one: DNS is faked, and `dial` connects its address to a port of this machine. Everything
else is real, TLS included.
"""

import contextlib
import socket
import ssl
import threading

import pytest

from providers.errors import Rejected, Unavailable
from providers.http import downloads
from providers.types import Account
from tests.support.certificates import Authority
from tests.support.internet import Canary, Internet
from tests.support.raw_server import answering, listening

PUBLIC = "93.184.216.34"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"


@pytest.fixture
def serve():
    """Return a function that listens and answers every connection by `behave(connection, request)`."""
    with contextlib.ExitStack() as stack:
        yield lambda behave, context=None: stack.enter_context(listening(behave, context))


@pytest.fixture
def canary():
    with socket.create_server(("127.0.0.1", 0)) as server:
        canary = Canary(server)
        yield canary
        assert canary.is_silent


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


@pytest.fixture
def internet(monkeypatch, tmp_path):
    return Internet(monkeypatch, tmp_path)


@pytest.fixture
def serve_public(internet, serve):
    """Return a function that puts a TLS server on the internet: `serve_public(name, behave)`."""

    def start(name, behave, *, address=PUBLIC, certified=()):
        context = internet.authority.server(internet.folder, *(certified or (name,)))
        greeted = []
        context.sni_callback = lambda connection, asked_for, own: greeted.append(asked_for)
        internet.host(name, address, int(serve(behave, context).rsplit(":", 1)[1].strip("/")))
        return greeted

    return start


CLOUD = account("https://api.vendor.example", "*.files.example", "films.example")


def test_a_film_comes_from_a_public_server_by_its_name(internet, serve_public):
    requests = []
    greeted = serve_public(
        "a.files.example", lambda connection, request: (requests.append(request), answering(OK)(connection, request))
    )
    assert download("https://A.files.example/film.mp4?signature=a%2Fb", CLOUD) == b"abcdef"
    assert internet.dialed == [(PUBLIC, 443)]
    assert greeted == ["a.files.example"]
    assert requests[0].startswith(b"GET /film.mp4?signature=a%2Fb HTTP/1.1\r\nHost: a.files.example\r\n")
    assert b"\r\nAccept-Encoding: identity\r\n" in requests[0]
    assert b"\r\nUser-Agent: selfie-hero/1\r\n" in requests[0]


def test_a_certificate_for_another_name_is_not_accepted(serve_public):
    requests = []
    serve_public("films.example", lambda *seen: requests.append(seen), certified=["other.example"])
    with pytest.raises(Unavailable):
        download("https://films.example/", CLOUD)
    assert requests == []


@pytest.fixture
def context_anew():
    """Have the TLS context made anew, before the test and after it."""
    downloads.tls_context.cache_clear()
    yield
    downloads.tls_context.cache_clear()


def test_the_authority_of_ssl_cert_file_is_trusted_besides_the_known_ones(context_anew, monkeypatch, tmp_path):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    known = downloads.tls_context().cert_store_stats()["x509_ca"]
    authority, own = Authority(), tmp_path / "ca.pem"
    own.write_bytes(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    downloads.tls_context.cache_clear()
    assert downloads.tls_context().cert_store_stats()["x509_ca"] == known + 1
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = downloads.tls_context().wrap_bio(ours, theirs, server_hostname="hero.example")
    server = authority.server(tmp_path, "hero.example").wrap_bio(theirs, ours, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.getpeercert()


def test_a_certificate_without_a_known_authority_is_not_accepted(internet, serve_public, monkeypatch):
    requests = []
    serve_public("films.example", lambda *seen: requests.append(seen))
    monkeypatch.setattr(downloads, "tls_context", lambda: Authority().client)
    with pytest.raises(Unavailable):
        download("https://films.example/", CLOUD)
    assert requests == []


@pytest.mark.parametrize(
    "url", ["http://films.example/", "https://evil.example/", "https://files.example/", "https://films.example:8443/"]
)
def test_what_is_not_allowed_is_not_even_looked_up(url, internet):
    with pytest.raises(Rejected):
        download(url, CLOUD)
    assert internet.asked == internet.dialed == []


def test_a_name_that_does_not_exist_is_unavailable(internet):
    with pytest.raises(Unavailable):
        download("https://films.example/", CLOUD)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"])
def test_a_name_that_leads_to_a_private_address_is_rejected_and_not_connected_to(address, internet, canary):
    internet.names["films.example"] = [PUBLIC, address]
    internet.servers[address, 443] = canary.port
    with pytest.raises(Rejected):
        download("https://films.example/", CLOUD)
    assert internet.dialed == []


def test_dns_that_changes_its_mind_leads_nowhere_else(internet, serve_public, canary):
    """First public, then private: each connection uses the address that was checked for it."""
    serve_public("films.example", answering(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    internet.names["films.example"] = lambda: next(answers)
    internet.servers["127.0.0.1", 443] = canary.port
    assert download("https://films.example/", CLOUD) == b"abcdef"
    with pytest.raises(Rejected):
        download("https://films.example/", CLOUD)
    assert internet.asked == ["films.example"] * 2
    assert internet.dialed == [(PUBLIC, 443)]


def test_a_connection_to_a_listed_private_host_is_not_reused_for_another(internet, serve_public):
    """A listed base URL may be in a private network; a result host of a cloud must be public."""

    def behave(connection, request):
        while request:
            connection.sendall(OK)
            request = connection.recv(65536)

    serve_public("films.example", behave, address="10.0.0.7")
    own = account("https://films.example", "films.example")
    assert download("https://films.example/", own) == download("https://films.example/", own) == b"abcdef"
    with pytest.raises(Rejected):
        download("https://films.example/", CLOUD)
    assert internet.dialed == [("10.0.0.7", 443)]


def test_a_resolver_that_hangs_is_left_at_the_deadline(internet):
    over = threading.Event()
    internet.names["films.example"] = lambda: over.wait(10) and [PUBLIC]
    try:
        with pytest.raises(Unavailable):
            download("https://films.example/", CLOUD, total_seconds=0.2)
    finally:
        over.set()


@pytest.mark.parametrize("drip", [b"", b"\x16"])
def test_a_handshake_that_takes_too_long_is_left_at_the_deadline(internet, drip):
    over = threading.Event()

    def behave(connection):
        with connection, contextlib.suppress(OSError):
            while not over.wait(0.05):
                connection.sendall(drip)

    with socket.create_server(("127.0.0.1", 0)) as server:
        internet.host("films.example", PUBLIC, server.getsockname()[1])
        thread = threading.Thread(target=lambda: behave(server.accept()[0]))
        thread.start()
        with pytest.raises(Unavailable):
            download("https://films.example/", CLOUD, total_seconds=0.4)
        over.set()
        thread.join()


# --- Redirects ---------------------------------------------------------------------------------------


def following(*locations):
    """Return a behaviour that sends on from each address to the next, and a film at the end."""
    answers = iter([*(redirect(location) for location in locations), answering(OK)])
    return lambda connection, request: next(answers)(connection, request)


@pytest.mark.parametrize(
    "location", [b"/other", b"other?x=1", b"?x=1", b"//films.example/x", b"https://films.example/x"]
)
def test_a_redirect_to_an_allowed_address_is_followed(location, serve_public):
    serve_public("films.example", following(location))
    assert download("https://films.example/film.mp4", CLOUD) == b"abcdef"


@pytest.mark.parametrize("number", [b"301 x", b"302 x", b"303 x", b"307 x", b"308 x"])
def test_every_kind_of_redirect_is_one(number, serve_public):
    answers = iter([redirect(b"/x", number), answering(OK)])
    serve_public("films.example", lambda connection, request: next(answers)(connection, request))
    assert download("https://films.example/", CLOUD) == b"abcdef"


def test_three_redirects_are_followed_and_no_more(internet, serve_public):
    serve_public("films.example", following(b"/1", b"/2", b"/3"))
    assert download("https://films.example/", CLOUD) == b"abcdef"
    serve_public("films.example", redirect(b"/again"))
    internet.dialed.clear()
    with pytest.raises(Rejected):
        download("https://films.example/", CLOUD)
    assert len(internet.dialed) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "//127.0.0.1:{port}/",
        "https://films.example:{port}/",
        "http://films.example/",
        "https://private.files.example/",
        "https://evil.example/",
        "https://films.example@127.0.0.1:{port}/",
        "file:///etc/passwd",
        "http://[",
        "http://169.254.169.254/latest/meta-data/",
        "\t//127.0.0.1:{port}/",
    ],
)
def test_a_redirect_to_a_host_that_is_not_allowed_is_rejected_and_not_followed(
    location, internet, serve_public, canary
):
    serve_public("films.example", redirect(location.format(port=canary.port).encode()))
    internet.names |= {"private.files.example": ["127.0.0.1"], "localhost": ["127.0.0.1"]}
    internet.servers["127.0.0.1", 443] = canary.port
    with pytest.raises(Rejected):
        download("https://films.example/", CLOUD)
    assert internet.dialed == [(PUBLIC, 443)]


def test_a_studio_that_redirects_elsewhere_on_its_own_machine_is_not_followed(serve, canary):
    url = serve(redirect(f"http://127.0.0.1:{canary.port}/".encode()))
    with pytest.raises(Rejected):
        download(url)


def test_what_identifies_us_goes_to_the_providers_own_address_only(internet, serve_public):
    seen = {}

    def remember(name, behave):
        return lambda connection, request: (seen.setdefault(name, request), behave(connection, request))

    serve_public("api.vendor.example", remember("api", redirect(b"https://films.example/x")))
    serve_public("films.example", remember("cdn", answering(OK)), address="93.184.216.35")
    owner = account("https://api.vendor.example/v1", "api.vendor.example", "films.example")
    key = {"Authorization": "Bearer ключ"}
    assert download("https://api.vendor.example/v1/films/1", owner, headers=key) == b"abcdef"
    assert "Bearer ключ".encode() in seen["api"]
    assert b"uthorization" not in seen["cdn"]
    seen.clear()
    assert download("https://films.example/x", owner, headers=key) == b"abcdef"
    assert b"uthorization" not in seen["cdn"]
