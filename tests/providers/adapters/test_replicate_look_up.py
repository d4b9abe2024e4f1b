"""Replicate's look-up: found by its input, certainly absent, or Unavailable when the list leaves a doubt."""

from datetime import UTC, datetime, timedelta

import pytest

from providers import registry
from providers.errors import Unavailable
from providers.types import Account

ADAPTER = registry.adapter_for("replicate")
LIST, FILES = "GET /predictions", "GET /files"
SINCE = datetime(2026, 11, 23, 10, tzinfo=UTC)


def listed(number, given, *, minutes=0, **others):
    made_at = (SINCE + timedelta(minutes=minutes)).isoformat()
    return {"id": f"p{number}", "status": "processing", "input": given, "created_at": made_at, **others}


def pages(server, call, *all_items):
    """Script a list in pages, each with the URL of the next."""
    path = call.partition(" ")[2]
    after = [f"{server.url}{path}?cursor=page{number}" for number in range(1, len(all_items))] + [None]
    server.on(
        call, *((200, {"next": n, "previous": None, "results": i}) for n, i in zip(after, all_items, strict=True))
    )


def find(server, since=SINCE):
    account = Account("rep", server.url, api_key="r8_key", connect_seconds=1, read_seconds=2)
    return ADAPTER.find(account, "our-token", since=since)


OTHER = {"image": "https://hero.example/media/another-token.jpg"}


def test_our_attempt_is_known_by_the_photo_it_was_given(server):
    ours = {"start_image": "https://bucket.example/x.jpg?sig=1#our-token", "prompt": "a hero"}
    pages(server, LIST, [listed(1, OTHER)], [listed(2, OTHER), listed(3, ours), listed(4, OTHER)])
    assert find(server).prediction_id == "p3"
    assert [seen.query for seen in server.asked(LIST)] == [{}, {"cursor": "page1"}]


def test_none_is_said_after_the_last_page_alone(server):
    pages(server, LIST, [listed(1, OTHER)], [listed(2, {})], [listed(3, OTHER)])
    assert find(server) is None
    assert len(server.asked(LIST)) == 3


def test_what_is_older_than_the_attempt_is_not_read(server):
    pages(server, LIST, [listed(1, OTHER), listed(2, OTHER, minutes=-6, data_removed=True)], [listed(3, OTHER)])
    assert find(server) is None
    assert len(server.asked(LIST)) == 1
    pages(server, LIST, [listed(1, OTHER), listed(2, {"image": "x#our-token"}, minutes=-4)], [])
    assert find(server).prediction_id == "p2", "clocks may differ by five minutes"


@pytest.mark.parametrize("item", [{"data_removed": True}, {"input": None}, {"input": "removed"}])
def test_a_prediction_that_does_not_show_its_input_leaves_a_doubt(server, item):
    pages(server, LIST, [listed(1, OTHER), listed(2, {}) | item])
    with pytest.raises(Unavailable, match="do not show"):
        find(server)
    pages(server, LIST, [listed(2, {}) | item, listed(1, {"image": "x#our-token"})])
    assert find(server).prediction_id == "p1"


def stored(address, metadata):
    return {"id": "x", "urls": {"get": address}, "metadata": metadata, "created_at": SINCE.isoformat()}


def test_an_uploaded_photo_is_known_by_the_metadata_of_its_file(server):
    file1, file2, file9 = (f"{server.url}/files/file{number}" for number in (1, 2, 9))
    pages(server, LIST, [listed(1, {"image": file1}), listed(2, {"image": file2})])
    pages(server, FILES, [stored(file1, {"reference": "another"})], [stored(file2, {"reference": "our-token"})])
    assert find(server).prediction_id == "p2"
    pages(server, FILES, [stored(file1, {"reference": "another"}), stored(file9, {"reference": "our-token"})])
    assert find(server) is None, "uploaded, and never ordered with"
    pages(server, FILES, [stored(file1, {"reference": "another"})])
    assert find(server) is None, "never uploaded; the other file is deleted"
    pages(server, FILES, [stored(file1, None), stored(file9, None)])
    with pytest.raises(Unavailable):
        find(server)


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"results": [], "previous": None}),
        (200, {"results": {}, "next": None}),
        (200, {"results": [7], "next": None}),
        (200, {"results": [], "next": 7}),
        (200, {"results": [], "next": "https://api.replicate.com/v1/predictions"}),
        (200, {"results": [], "next": "http://["}),
        (200, b"<html>"),
        (404, b""),
        (500, b""),
        (302, b""),
    ],
)
def test_a_listing_that_cannot_be_read_proves_nothing(server, answer):
    server.on(LIST, answer)
    with pytest.raises(Unavailable):
        find(server)


def test_an_endless_listing_proves_nothing(server):
    endless = {"results": [listed(1, OTHER)], "next": f"{server.url}/predictions?cursor=again"}
    server.on(LIST, (200, endless))
    with pytest.raises(Unavailable, match="longer"):
        find(server)
    assert len(server.seen) <= 40


def test_the_next_page_is_asked_for_at_our_host_whatever_the_listing_names(server):
    server.on(
        LIST,
        (200, {"results": [], "next": "https://evil.example/steal?cursor=c2"}),
        (200, {"results": [], "next": None}),
    )
    assert find(server, since=None) is None
    assert server.seen[1].query == {"cursor": "c2"}


def test_a_found_prediction_that_cannot_be_read_is_not_none(server):
    pages(server, LIST, [listed(1, {"image": "x#our-token"}) | {"id": 7}])
    with pytest.raises(Unavailable):
        find(server)
