"""What every site is asked for at a fixed address, links as chats mangle them, a start page with nothing to offer."""

from __future__ import annotations

import io

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from PIL import Image

from jobs.web import cards
from tests import factories
from tests.jobs.web.test_sharing import Head

pytestmark = pytest.mark.django_db
SITE = "https://hero.example"


def test_crawlers_may_see_shared_films_and_nothing_of_a_person() -> None:
    answer = Client().get("/robots.txt")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    lines = answer.content.decode().splitlines()
    assert lines[0] == "User-agent: *"
    assert {"Disallow: /me/", "Disallow: /jobs/", "Disallow: /t/", "Disallow: /admin/"} <= set(lines)
    assert not [line for line in lines if "/v/" in line]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/favicon.ico", "img/favicon.ico"),
        ("/apple-touch-icon.png", "img/app-180.png"),
        ("/apple-touch-icon-precomposed.png", "img/app-180.png"),
    ],
)
def test_an_icon_is_where_it_is_looked_for(path: str, name: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 302
    assert name.rpartition("/")[2].partition(".")[0] in answer["Location"]
    Image.open(finders.find(name)).verify()


@pytest.mark.parametrize("behind", [")", ").", ",", "!", "?", "».", "*", "。", "）"])
@pytest.mark.parametrize("page", ["/privacy/", "/privacy", "/status", "/v/AbC-1_2/", "/v/AbC-1_2"])
def test_a_link_opens_with_the_punctuation_that_stood_behind_it(behind: str, page: str) -> None:
    # As a browser sends it: escaped, for a raw question mark would begin the query.
    answer = Client().get(f"{page}{behind.replace('?', '%3F')}")
    assert answer.status_code == 302
    assert answer["Location"] in (page, f"{page}/")


@pytest.mark.parametrize("path", ["/nothing/).", "/api/v1/jobs/).", "/nothing/%2F%2Fevil.example/)."])
def test_what_leads_nowhere_still_leads_nowhere(path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 404


def test_only_a_look_at_a_page_is_led_on() -> None:
    assert Client().post("/privacy/).").status_code == 404


def test_the_start_page_names_a_picture_of_the_size_it_says(settings) -> None:
    settings.PUBLIC_URL = SITE
    head = Head(Client().get("/").content.decode())
    assert head.doubles == []
    assert head.meta["og:url"] == f"{SITE}/"
    assert head.meta["og:image"].startswith(f"{SITE}/static/img/card")
    assert head.meta["twitter:card"] == "summary_large_image"
    with Image.open(finders.find("img/card.jpg")) as picture:
        said = (int(head.meta["og:image:width"]), int(head.meta["og:image:height"]))
        assert said == picture.size == (1200, 630)


def test_the_start_pages_tags_are_in_the_readers_language() -> None:
    head = Head(Client().get("/", headers={"Accept-Language": "es"}).content.decode())
    assert head.meta["og:title"] == head.title.strip()
    assert "película" in head.meta["og:description"]


def test_the_shipped_card_is_what_the_code_draws() -> None:
    with Image.open(finders.find("img/card.jpg")) as shipped, Image.open(io.BytesIO(cards.of_start())) as drawn:
        assert shipped.tobytes() == drawn.tobytes()


@pytest.mark.parametrize("there_are", [True, False])
def test_a_start_page_without_a_look_says_so(there_are: bool) -> None:
    if there_are:
        factories.make_look(active=False)
    answer = Client().get("/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "No film can be made right now" in page
    assert 'type="file"' not in page
    assert "start.js" not in page


def test_a_look_that_is_not_there_is_no_choice() -> None:
    first = factories.make_look()
    page = Client().get("/?look=<nothing>").content.decode()
    assert f'<html lang="en" data-look="{first.slug}">' in page
    assert page.count(" checked") == 1
