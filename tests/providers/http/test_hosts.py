"""Which addresses a provider's results may be fetched from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import Rejected
from providers.http.hosts import Entry, ResultHosts, Url, normal_host
from providers.types import Account


def hosts(*listed, base_url="https://api.vendor.example/v1"):
    return ResultHosts(Account("vendor", base_url, result_hosts=listed))


def is_allowed(url, *listed, **choices):
    try:
        hosts(*listed, **choices).permit(url)
    except Rejected:
        return False
    return True


CLOUD = ("*.replicate.delivery", "files.example.com")


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.com/film.mp4",
        "https://files.example.com",
        "https://FILES.Example.COM/film.mp4",
        "https://files.example.com./film.mp4",
        "https://files.example.com:443/film.mp4",
        "https://files.example.com:/film.mp4",
        "HTTPS://files.example.com/film.mp4?signature=a%2Fb+c&expires=1#t=2",
        "https://a.replicate.delivery/x",
        "https://a.b.c.replicate.delivery/x",
        "https://a.replicate.delivery./x",
        "https://ａ.replicate.delivery/x",
    ],
)
def test_a_listed_host_is_allowed_however_it_is_written(url):
    permit = hosts(*CLOUD).permit(url)
    assert permit.public_only
    assert (permit.url.scheme, permit.url.port) == ("https", 443)
    assert permit.url.host in ("files.example.com", "a.replicate.delivery", "a.b.c.replicate.delivery")


HOSTILE = [
    # other names
    "https://replicate.delivery/x",
    "https://evilreplicate.delivery/x",
    "https://a.replicate.delivery.evil.example/x",
    "https://replicate.delivery.evil.example/",
    "https://files.example.com.evil.example/",
    "https://a.files.example.com/",
    "https://evil.example/files.example.com",
    "https://evil.example/?x=.replicate.delivery",
    "https://evil.example#.replicate.delivery",
    "https://.replicate.delivery/x",
    "https://a..replicate.delivery/x",
    "https://a.replicate.delivery../x",
    "https://api.vendor.example/v1/x",
    # users, and what different readers take for the host
    "https://user@files.example.com/",
    "https://user:password@files.example.com/",
    "https://files.example.com@evil.example/",
    "https://evil.example\\@files.example.com/",
    "https://evil.example\\.replicate.delivery/",
    "https:/\\files.example.com/",
    "https://files.example.com\t/film.mp4",
    "https://files.example.com\r\nHost: evil.example/",
    " https://files.example.com/",
    "https://files.example.com/a film",
    "https://files%2eexample%2ecom/",
    "https://files.example.com%00.evil.example/",
    "https://files_example_com/",
    # ports
    "https://files.example.com:80/",
    "https://files.example.com:8443/",
    "https://files.example.com:0/",
    "https://files.example.com:65536/",
    "https://files.example.com:x/",
    "https://files.example.com:443:443/",
    # schemes
    "http://files.example.com/",
    "http://a.replicate.delivery/",
    "http://files.example.com:443/",
    "ftp://files.example.com/",
    "file:///etc/passwd",
    "file://files.example.com/etc/passwd",
    "gopher://files.example.com/",
    "data:video/mp4;base64,AAAA",
    "//files.example.com/",
    "files.example.com/film.mp4",
    "/film.mp4",
    "",
    # addresses
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://localhost/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fe80::1%25eth0]/",
    "https://[files.example.com]/",
    "https://[v1.files]/",
    "https://[",
    "https://]/",
    "https://" + "a" * 9000,
]


@pytest.mark.parametrize("url", HOSTILE)
def test_everything_else_is_refused(url):
    assert not is_allowed(url, *CLOUD)


@given(st.text(max_size=80) | st.text("htps:/.@\\[]%#?*replicatdvy0127", max_size=60).map("https://".__add__))
def test_no_text_is_allowed_but_names_that_are_listed(text):
    try:
        permit = hosts(*CLOUD).permit(text)
    except Rejected:
        return
    assert permit.public_only
    assert permit.url.scheme == "https"
    assert permit.url.host == "files.example.com" or permit.url.host.endswith(".replicate.delivery")


@given(st.text(max_size=40))
def test_what_a_host_is_called_does_not_change_when_it_is_asked_again(text):
    try:
        host = normal_host(text)
    except ValueError:
        return
    assert host.isascii()
    assert normal_host(host) == host


# --- What staff wrote down on purpose ---------------------------------------------------------------


def test_the_providers_own_host_is_allowed_as_it_is_configured():
    own = hosts("127.0.0.1", base_url="http://127.0.0.1:9100/replicate")
    permit = own.permit("http://127.0.0.1:9100/files/1.mp4")
    assert not permit.public_only
    assert permit.is_own
    for other in ("http://127.0.0.1:9101/x", "http://127.0.0.1/x", "http://localhost:9100/x", "http://127.0.0.2:9100/"):
        with pytest.raises(Rejected):
            own.permit(other)


def test_http_is_for_those_whose_own_address_has_it():
    assert is_allowed("http://studio:9000/x", "studio", base_url="http://studio:9000")
    assert not is_allowed("http://studio/x", "studio", base_url="https://studio")
    assert is_allowed("https://studio/x", "studio", base_url="https://studio")
    assert not hosts("studio", base_url="https://studio").permit("https://studio/x").public_only


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("10.0.0.7", "http://10.0.0.7/x"),
        ("10.0.0.7", "https://10.0.0.7/x"),
        ("10.0.0.7:8080", "http://10.0.0.7:8080/x"),
        ("localhost", "http://localhost/x"),
        ("::1", "http://[::1]/x"),
        ("[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/x"),
    ],
)
def test_a_machine_written_down_on_purpose_may_be_private_and_without_encryption(entry, url):
    permit = hosts(entry).permit(url)
    assert not permit.public_only
    assert not permit.is_own


@pytest.mark.parametrize(
    "url", ["http://10.0.0.7:9/x", "http://10.0.0.8/x", "https://10.0.0.7:8443/", "http://10.0.0.7:443/"]
)
def test_only_the_machine_and_its_usual_port_are_meant(url):
    assert not is_allowed(url, "10.0.0.7")


def test_a_listed_name_with_a_port_is_that_port_alone_and_still_public():
    assert hosts("files.example.com:8443").permit("https://files.example.com:8443/x").public_only
    assert not is_allowed("https://files.example.com/x", "files.example.com:8443")
    assert not is_allowed("http://files.example.com:8443/x", "files.example.com:8443")


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "*.",
        "*.com",
        "*.1.2.3.4",
        "*.*.example",
        "a*.example",
        "https://a.example",
        "a.example/x",
        "a b",
        "u@h",
        "a.example:0",
        "a.example:x",
        "[::1",
        "300.1.1.1",
        "1.2.3",
        "*.localhost",
        "*.::1",
        "?.example",
    ],
)
def test_an_entry_that_names_no_host_is_refused_and_allows_nothing(entry):
    with pytest.raises(ValueError):
        Entry.parse(entry)
    assert not is_allowed("https://files.example.com/", entry)
    assert is_allowed("https://files.example.com/", entry, "files.example.com")


def test_an_address_is_put_together_as_it_was_judged():
    url = Url.parse("https://BÜCHER.example:443/a%20b/ü?q=1&r=ä#part")
    assert str(url) == "https://xn--bcher-kva.example/a%20b/%C3%BC?q=1&r=%C3%A4"
    assert str(Url.parse("http://[::0001]:8080")) == "http://[::1]:8080/"
