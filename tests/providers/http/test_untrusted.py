"""POSTs to URLs that visitors gave: only to public hosts, and not to others by redirects or DNS."""

import socket
import threading

import pytest

from providers.errors import Rejected, Unavailable
from providers.http import untrusted
from tests.support.internet import Canary, Internet
from tests.support.push import PushService


@pytest.fixture
def internet(monkeypatch, tmp_path):
    return Internet(monkeypatch, tmp_path)


@pytest.fixture
def canary():

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Canary(server)


def send(url, **choices):
    settings = {"headers": {}, "connect_seconds": 1.0, "total_seconds": 3.0} | choices
    return untrusted.post(url, b"sealed", **settings)


def serve_tls(internet, service, name, address):
    """Let a public name lead to this push service, with a certificate for it."""
    service.server.socket = internet.authority.server(internet.folder, name).wrap_socket(
        service.server.socket, server_side=True
    )
    internet.host(name, address, service.server.server_port)


def test_a_public_https_address_is_reached(internet):
    with PushService() as service:
        serve_tls(internet, service, "push.example", "93.184.216.34")
        answer = send("https://push.example/a/b?c=d", headers={"TTL": "5"})
        assert answer.status == 201
        (pushed,) = service.pushed
        assert (pushed.path, pushed.body, pushed.headers["ttl"]) == ("/a/b?c=d", b"sealed", "5")
        assert pushed.headers["host"] == "push.example"


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc:APA91_-", "https://fcm.googleapis.com/fcm/send/abc:APA91_-"),
        ("https://FCM.GoogleApis.com:443/x", "https://fcm.googleapis.com/x"),
        ("https://updates.push.services.mozilla.com/wpush/v2/gAA==", None),
        ("https://wns2.notify.windows.com/w/?token=BQYAAA%2b%2f", None),
        ("https://web.push.apple.com/QA?x=1#part", "https://web.push.apple.com/QA?x=1"),
        ("https://push.bücher.example./x", "https://push.xn--bcher-kva.example/x"),
    ],
)
def test_an_endpoint_is_called_as_browsers_write_it(url, called):
    assert str(untrusted.check_address(url).url) == (called or url)


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example/x",
        "https://push.example:8443/x",
        "https://push.example:22/x",
        "https://user@push.example/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://93.184.216.34/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://localhost/x",
        "https://localhost./x",
        "https://metadata/x",
        "ftp://push.example/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://push.example\\@127.0.0.1/x",
        "https://push.example/\r\nX: y",
        "https://",
        "",
        "https://" + "a" * 9000 + ".example/",
    ],
)
def test_an_address_that_is_not_allowed_is_rejected_without_asking_dns(url, internet):
    with pytest.raises(Rejected):
        untrusted.check_address(url)
    with pytest.raises(Rejected):
        send(url)
    assert internet.asked == []
    assert internet.dialed == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0"]
)
def test_a_name_that_leads_into_a_private_network_is_not_connected_to(address, internet):
    internet.names["evil.example"] = [address]
    with pytest.raises(Rejected):
        send("https://evil.example/x")
    internet.names["half.example"] = ["93.184.216.34", address]
    with pytest.raises(Rejected):
        send("https://half.example/x")
    assert internet.dialed == []


def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_judged(internet, canary):
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    internet.names["rebind.example"] = lambda: answers.pop(0)
    internet.servers["127.0.0.1", 443] = canary.port
    internet.servers["93.184.216.34", 443] = 9  # no listener
    with pytest.raises(Unavailable):
        send("https://rebind.example/x", total_seconds=1.0)
    assert [endpoint[0] for endpoint in internet.dialed] == ["93.184.216.34"]
    assert canary.is_silent


def test_a_redirect_is_returned_and_not_followed(internet, canary):
    with PushService() as service:
        serve_tls(internet, service, "push.example", "93.184.216.34")
        service.answers = [(307, {"Location": f"http://127.0.0.1:{canary.port}/"})]
        assert send("https://push.example/").status == 307
    assert canary.is_silent


def test_nothing_is_sent_to_a_server_without_a_certificate_for_its_name(internet):
    with PushService() as service:
        service.server.socket = internet.authority.server(internet.folder, "other.example").wrap_socket(
            service.server.socket, server_side=True
        )
        internet.host("push.example", "93.184.216.34", service.server.server_port)
        service.server.handle_error = lambda *_: None
        with pytest.raises(Unavailable):
            send("https://push.example/")
        assert service.pushed == []


def test_what_staff_listed_is_reached_in_a_private_network_on_that_port_only():
    with PushService() as service:
        assert send(f"http://{service.host}/x", trusted=[service.host, "not a host!"]).status == 201
        for trusted in ([], ["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1:1"], ["push.example"]):
            with pytest.raises(Rejected):
                send(f"http://{service.host}/x", trusted=trusted)
        assert len(service.pushed) == 1


def test_a_name_is_never_trusted_for_it_may_lead_anywhere(internet):
    internet.names["push.example"] = ["127.0.0.1"]
    with pytest.raises(Rejected):
        send("https://push.example/", trusted=["push.example", "*.example.org"])


def test_an_endless_response_is_cut():

    def drip(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 201 Created\r\n\r\n")
            try:
                while True:
                    connection.sendall(b"x" * 65536)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        answer = send(f"http://{host}/", trusted=[host])
        assert (answer.status, len(answer.body)) == (201, untrusted.MAX_RESPONSE_BYTES)
        thread.join(5)
        assert not thread.is_alive(), "the connection was closed"


def test_a_server_that_says_nothing_costs_the_time_it_was_given():

    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Unavailable):
            send(f"http://{host}/", trusted=[host], total_seconds=0.3)
