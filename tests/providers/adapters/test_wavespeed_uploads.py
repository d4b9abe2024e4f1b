"""Where a photo may be put by WaveSpeed's upload tickets."""

import socket
from dataclasses import replace

import pytest

from providers.errors import (
    AccountProblem,
    Rejected,
    Unavailable,
)
from providers.http import addresses, hosts
from tests.providers.adapters.wavespeed import ADAPTER, PAYLOAD, PHOTO, account, submit_request


def test_a_photo_is_put_where_the_ticket_says_with_nothing_but_its_headers(server):
    server.on("POST /media/uploads", (200, PAYLOAD / "upload-ticket.json"))
    server.on("PUT /store/photo.jpg", (200, b""))
    sent = ADAPTER.upload(account(server), submit_request(photo_url="", photo_bytes=PHOTO))
    assert sent.photo_url == f"{server.url}/media/photo.jpg"
    asked, stored = server.seen
    assert asked.json == {"filename": "photo.jpg", "size": len(PHOTO), "content_type": "image/jpeg"}
    assert (stored.body, stored.headers["content-type"]) == (PHOTO, "image/jpeg")
    assert "authorization" not in stored.headers


@pytest.mark.parametrize(
    ("ticket", "stored"),
    [
        ((200, PAYLOAD / "upload-ticket.json"), (403, b"<Error>expired</Error>")),
        ((200, PAYLOAD / "upload-ticket.json"), (500, b"")),
        (
            (200, {"code": 200, "data": {"download_url": "ftp://x", "upload": {"url": "file:///etc/passwd"}}}),
            (200, b""),
        ),
        ((200, {"code": 200, "data": {"upload": []}}), (200, b"")),
        ((200, {"code": 500, "message": "oops"}), (200, b"")),
    ],
)
def test_an_upload_that_did_not_work_is_tried_again_later(server, ticket, stored):
    server.on("POST /media/uploads", ticket)
    server.on("PUT /store/photo.jpg", stored)
    with pytest.raises(Unavailable):
        ADAPTER.upload(account(server), submit_request(photo_bytes=PHOTO))


def ticket_to(url, **headers):
    upload = {"method": "PUT", "url": url, "headers": headers}
    return (200, {"code": 200, "data": {"download_url": "https://cdn.wavespeed.ai/a.jpg", "upload": upload}})


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/photo",
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "http://localhost:6379/",
        "https://[::1]/",
        "https://user@cdn.wavespeed.ai/",
        "https://wavespeed.ai.evil.example/",
        "https://cdn.wavespeed.ai:8443/",
        "http://cdn.wavespeed.ai/",
        "https://2130706433/",
    ],
)
def test_a_vendor_cannot_send_the_selfie_anywhere(server, url):
    server.on("POST /media/uploads", ticket_to(url))
    with pytest.raises((AccountProblem, Unavailable)):
        ADAPTER.upload(account(server), submit_request(photo_bytes=PHOTO))
    assert len(server.seen) == 1, "nothing but the announcement was sent"


def test_a_name_of_the_vendor_s_that_leads_inside_gets_nothing(server, monkeypatch):
    endpoint = (socket.AF_INET, ("10.0.0.5", 0))
    monkeypatch.setattr(addresses, "resolve", lambda host, *, seconds: [endpoint])
    monkeypatch.setattr(addresses, "dial", lambda *_, **__: pytest.fail("a connection was made"))
    holder = replace(account("https://api.wavespeed.ai"), parameters={})
    with pytest.raises(AccountProblem, match="not public"):
        ADAPTER.put_photo(holder, "https://up.wavespeed.ai/a", PHOTO, hosts_allowed=("*.wavespeed.ai",), headers={})
    with pytest.raises(AccountProblem, match="not public"):
        ADAPTER.fetch(holder, "pre_1")


def test_staff_may_list_where_photos_go(server):
    server.on("POST /media/uploads", ticket_to("https://store.example/a"))
    with pytest.raises(AccountProblem, match=r"store\.example"):
        ADAPTER.upload(account(server), submit_request(photo_bytes=PHOTO))
    assert ADAPTER.check_parameters({"upload_hosts": ["store.example", "*.store.example"]}) == []
    assert ADAPTER.check_parameters({"upload_hosts": ["https://store.example/x"]})
    allowed = hosts.UploadHosts(account(server), ("store.example",))
    assert allowed.permit("https://store.example/a").public_only is True


def test_a_ticket_asks_for_headers_of_a_file_store_and_no_others(server):
    wanted = {"Content-Type": "image/jpeg", "x-amz-acl": "private", "Content-MD5": "a"}
    refused = {"Host": "inside", "Cookie": "a=b", "Authorization": "Basic x", "Transfer-Encoding": "chunked"}
    refused |= {"X-Forwarded-For": "127.0.0.1", "Content-Length": "1", "x-amz-bad": "a\r\nX-Evil: 1", "Connection": "x"}
    server.on("POST /media/uploads", ticket_to(f"{server.url}/store/photo.jpg", **wanted, **refused))
    server.on("PUT /store/photo.jpg", (200, b""))
    ADAPTER.upload(account(server), submit_request(photo_bytes=PHOTO))
    got = server.seen[1].headers
    assert (got["content-type"], got["x-amz-acl"], got["content-md5"]) == ("image/jpeg", "private", "a")
    assert not {"cookie", "authorization", "transfer-encoding", "x-forwarded-for", "x-amz-bad", "x-evil"} & set(got)
    assert got["host"] in server.url
    assert int(got["content-length"]) == len(PHOTO)


def test_a_photo_that_is_too_long_is_not_uploaded(server):
    with pytest.raises(Rejected, match="20000000"):
        ADAPTER.upload(account(server), submit_request(photo_bytes=bytes(20_000_001)))
