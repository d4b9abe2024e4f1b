"""Results from servers that behave in every bad way there is, and from addresses that nobody may fetch.

A public server is played by one of ours: DNS is the test's own and `dial` leads its address to a port of this machine.
Everything else is real, TLS included.
"""

import contextlib
import gzip
import socket
import threading
import time

import pytest

from providers import addresses, downloads
from providers.errors import PredictionGone, Rejected, Unavailable
from providers.types import Account
from tests.support.certificates import Authority
from tests.support.processes import free_port
from tests.support.raw_server import answering, drip_body, drip_chunks, drip_head, listening, reset, wait

PUBLIC = "93.184.216.34"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"


@pytest.fixture
def serve():
    """Return a function that listens and answers every connection by `behave(connection, request)`."""
    with contextlib.ExitStack() as stack:
        yield lambda behave, context=None: stack.enter_context(listening(behave, context))


class Canary:
    """A listener that must never hear of us."""

    def __init__(self, server):
        self.server = server
        self.port = server.getsockname()[1]

    @property
    def is_silent(self):
        self.server.settimeout(0.05)
        try:
            self.server.accept()[0].close()
        except TimeoutError:
            return True
        return False


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
    began = time.monotonic()
    with pytest.raises(Unavailable):
        download(serve(behave), total_seconds=0.3, max_bytes=10**6)
    assert time.monotonic() - began < 2


def test_a_result_announced_too_long_is_not_even_begun(serve):
    pieces = []
    url = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + LONG))
    with pytest.raises(Rejected):
        downloads.download(url, pieces.append, account=account(url), total_seconds=2, max_bytes=1000)
    assert pieces == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/"])
def test_where_nobody_listens_is_unavailable(url):
    with pytest.raises(Unavailable):
        download(url.format(port=free_port()))


def test_a_header_that_cannot_be_sent_is_unavailable(serve):
    with pytest.raises(Unavailable):
        download(serve(answering(OK)), headers={"Authorization": "two\nlines"})


# --- A public server, and what may be said to it -----------------------------------------------------


class Internet:
    """DNS and the way to public addresses: `names` is who has which, `servers` where an address really leads."""

    def __init__(self, monkeypatch, folder):
        self.names, self.servers, self.dialed, self.asked = {}, {}, [], []
        self.authority = Authority()
        self.folder = folder
        real_dial = addresses.dial

        def getaddrinfo(host, port, *arguments, **choices):
            self.asked.append(host)
            found = self.names.get(host)
            if found is None:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            found = found() if callable(found) else found
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

        def dial(family, endpoint, **choices):
            self.dialed.append(endpoint)
            if endpoint in self.servers:
                return real_dial(socket.AF_INET, ("127.0.0.1", self.servers[endpoint]), **choices)
            return real_dial(family, endpoint, **choices)

        monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(addresses, "dial", dial)
        monkeypatch.setattr(downloads, "tls_context", lambda: self.authority.client)
        monkeypatch.setattr(downloads, "_local", threading.local())

    def host(self, name, address, port):
        """Let a name have an address, and that address lead to a port of this machine."""
        self.names[name] = [address]
        self.servers[address, 443] = port


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


def test_a_certificate_for_another_name_is_not_accepted(serve_public):
    requests = []
    serve_public("films.example", lambda *seen: requests.append(seen), certified=["other.example"])
    with pytest.raises(Unavailable):
        download("https://films.example/", CLOUD)
    assert requests == []


def test_a_certificate_nobody_vouches_for_is_not_accepted(internet, serve_public, monkeypatch):
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
    """First public, then private: the connection goes to the address that was judged, the next one is judged anew."""
    serve_public("films.example", answering(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    internet.names["films.example"] = lambda: next(answers)
    internet.servers["127.0.0.1", 443] = canary.port
    assert download("https://films.example/", CLOUD) == b"abcdef"
    with pytest.raises(Rejected):
        download("https://films.example/", CLOUD)
    assert internet.asked == ["films.example"] * 2
    assert internet.dialed == [(PUBLIC, 443)]


def test_a_connection_made_where_staff_said_serves_nobody_else(internet, serve_public):
    """The studio's owner may have it in a private network; for a cloud the same name has to be public."""

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
        began = time.monotonic()
        with pytest.raises(Unavailable):
            download("https://films.example/", CLOUD, total_seconds=0.4)
        assert time.monotonic() - began < 2
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
def test_a_redirect_to_where_nobody_may_go_is_rejected_and_not_followed(location, internet, serve_public, canary):
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
