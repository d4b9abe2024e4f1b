"""Which addresses are public, and how a host name becomes a connection."""

import contextlib
import socket
import threading
import time
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.http import addresses
from tests.support.processes import free_port

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "172.15.0.1", "172.32.0.1", "11.0.0.1", "223.1.1.1"]
PRIVATE_6 = [
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "2001::1",
    "2001:10::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "64:ff9b:1::a00:1",
    "4000::1",
]
PUBLIC_6 = ["2606:4700:4700::1111", "2a00:1450:4001:831::200e", "2001:4860:4860::8888"]


@pytest.mark.parametrize("address", [*PRIVATE, *PRIVATE_6])
def test_an_address_of_a_network_of_ones_own_is_not_public(address):
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", [*PUBLIC, *PUBLIC_6])
def test_an_address_on_the_internet_is_public(address):
    assert addresses.is_public(address)


def written_as_ipv6(address):
    """Yield an IPv4 address in the IPv6 forms that stand for it, and in the forms that are not public."""
    number = int(IPv4Address(address))
    itself = [IPv6Address((0xFFFF << 32) | number), IPv6Address((0x64FF9B << 96) | number)]
    disguised = [
        IPv6Address(number),  # "compatible"
        IPv6Address((0xFFFF << 48) | number),  # translated
        IPv6Address((0x2002 << 112) | (number << 80)),  # 6to4
        IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),  # Teredo
        IPv6Address((0x0064FF9B0001 << 80) | number),  # NAT64 of a network's own
    ]
    return [str(one) for one in itself], [str(one) for one in disguised]


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_form(address):
    itself, disguised = written_as_ipv6(address)
    assert {addresses.is_public(one) for one in itself} == {addresses.is_public(str(address))}
    assert not any(addresses.is_public(one) for one in disguised)


@pytest.mark.parametrize("address", PRIVATE)
def test_no_way_to_write_a_private_address_makes_it_public(address):
    for forms in written_as_ipv6(address):
        assert not any(addresses.is_public(one) for one in forms)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6) | st.ip_addresses(network="2000::/3"))
def test_nothing_is_public_that_python_calls_private(address):
    if not address.is_global or address.is_multicast:
        assert not addresses.is_public(str(address)) or address.ipv4_mapped


@given(st.text(max_size=60))
def test_text_that_is_no_address_is_not_public(text):
    try:
        ip_address(text)
    except ValueError:
        assert not addresses.is_public(text)


# --- Names ---------------------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch):
    """A fake DNS: name → addresses, or a function that returns them."""
    known = {}
    asked = []

    def getaddrinfo(host, port, *arguments, **choices):
        asked.append(host)
        found = known[host]
        found = found() if callable(found) else found
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (families[ip_address(one).version], socket.SOCK_STREAM, 6, "", (one, port, *([0, 0] if ":" in one else [])))
            for one in found
        ]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(addresses, "_lookups", {})  # those of other tests may still hang
    known["asked"] = asked
    return known


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connect(host, port, *, public_only=False, seconds=2.0, each_seconds=1.0):
    deadline = time.monotonic() + seconds
    return addresses.connect(host, port, each_seconds=each_seconds, deadline=deadline, public_only=public_only)


def test_every_address_is_tried_until_one_answers(names, listener):
    names["films.example"] = ["127.0.0.3", "::1", "127.0.0.1", "127.0.0.2"]
    port = listener.getsockname()[1]
    with connect("films.example", port) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)


def test_when_no_address_responds_the_last_error_is_raised(names):
    names["films.example"] = ["127.0.0.3", "127.0.0.1"]
    with pytest.raises(ConnectionRefusedError):
        connect("films.example", free_port())


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["2606:4700::1", "::ffff:10.0.0.1"]])
def test_a_name_with_any_private_address_is_not_connected_to(found, names, monkeypatch):
    names["films.example"] = found
    monkeypatch.setattr(addresses, "dial", lambda *_, **__: pytest.fail("a connection was made"))
    with pytest.raises(addresses.NotPublic):
        connect("films.example", 443, public_only=True)


def test_a_private_address_by_itself_is_not_connected_to(listener):
    with pytest.raises(addresses.NotPublic):
        connect("127.0.0.1", listener.getsockname()[1], public_only=True)


def test_the_connection_goes_to_the_address_that_was_judged(names, monkeypatch):
    """DNS is asked once, so a change between the check and the connection has no effect."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    names["rebinding.example"] = lambda: next(answers)
    dialed = []
    monkeypatch.setattr(addresses, "dial", lambda family, endpoint, **_: dialed.append(endpoint))
    connect("rebinding.example", 443, public_only=True)
    assert dialed == [("93.184.216.34", 443)]
    with pytest.raises(addresses.NotPublic):
        connect("rebinding.example", 443, public_only=True)
    assert names["asked"] == ["rebinding.example"] * 2
    assert len(dialed) == 1


def test_an_address_is_not_looked_up(names):
    for address in ("127.0.0.1", "::1"):
        ((_, endpoint),) = addresses.resolve(address, seconds=1)
        assert endpoint[0] == address
    assert names["asked"] == []


def test_a_name_without_addresses_says_so(names):
    names["nobody.example"] = []
    with pytest.raises(socket.gaierror):
        addresses.resolve("nobody.example", seconds=1)


@pytest.mark.parametrize("name", ["x" * 64 + ".example", "a..example", "\udcff.example"])
def test_a_name_that_is_none_says_so(name):
    with pytest.raises(socket.gaierror):
        addresses.resolve(name, seconds=1)


@pytest.fixture
def hanging():
    """A lookup that ends when the test is over."""
    over = threading.Event()

    def hang():
        over.wait(10)
        return ["127.0.0.1"]

    yield hang
    over.set()


def test_a_resolver_that_hangs_holds_no_caller_beyond_the_deadline(names, hanging):
    names["slow.example"] = hanging
    with pytest.raises(TimeoutError):
        connect("slow.example", 443, seconds=0.2)


def test_a_name_that_hangs_holds_one_thread_and_no_other_name(names, hanging):
    names["hung.example"], names["films.example"] = hanging, ["127.0.0.1"]
    for _ in range(addresses.MOST_LOOKUPS + 3):
        with pytest.raises(TimeoutError):
            addresses.resolve("hung.example", seconds=0.01)
    assert names["asked"] == ["hung.example"]
    assert addresses.resolve("films.example", seconds=5)


def test_too_many_hanging_lookups_are_rejected_until_one_is_done(names, hanging):
    hung = [f"slow{number}.example" for number in range(addresses.MOST_LOOKUPS)]
    names |= dict.fromkeys(hung, hanging)
    names["films.example"] = ["127.0.0.1"]
    for name in hung:
        with contextlib.suppress(TimeoutError):
            addresses.resolve(name, seconds=0)
    with pytest.raises(socket.gaierror):
        addresses.resolve("films.example", seconds=5)


def test_one_lookup_serves_all_callers_that_wait_for_it(names):
    go = threading.Event()
    names["films.example"] = lambda: go.wait(5) and ["127.0.0.1"]
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(addresses.resolve("films.example", seconds=5))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    while not names["asked"]:
        time.sleep(0.01)
    time.sleep(0.05)
    go.set()
    for thread in threads:
        thread.join()
    assert len(found) == 5
    assert len(names["asked"]) == 1


def test_a_connection_that_hangs_leaves_time_for_the_next_address(names, listener):
    with socket.socket() as full:
        full.bind(("127.0.0.2", listener.getsockname()[1]))
        full.listen(0)
        waiting = []
        for _ in range(3):  # a listener with a full queue accepts no connection
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            waiting.append(one)
        names["films.example"] = ["127.0.0.2", "127.0.0.1"]
        try:
            with connect("films.example", listener.getsockname()[1], each_seconds=0.2, seconds=5) as connection:
                assert connection.getpeername()[0] == "127.0.0.1"
        finally:
            for one in waiting:
                one.close()
