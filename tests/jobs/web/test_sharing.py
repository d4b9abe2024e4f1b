"""The page of a shared film, as machines that make previews of links read it, and as a CDN keeps it."""

import io
import json
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from PIL import Image, ImageChops, ImageStat

from jobs import services, storage
from jobs.models import AuditEntry, FilmReport, Job
from tests import factories
from tests.jobs.films import reels

pytestmark = pytest.mark.django_db
SITE = "https://hero.example"


class Head(HTMLParser):
    """What the head of a page says: `meta` by name or property, links by their rel and type, the title."""

    def __init__(self, text):
        super().__init__()
        self.meta, self.links, self.title, self._in_title, self.doubles = {}, {}, "", False, []
        self.feed(text.partition("</head>")[0])

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "meta" and (name := found.get("property") or found.get("name")):
            if name in self.meta:
                self.doubles.append(name)
            self.meta[name] = found["content"]
        elif tag == "link":
            self.links[found["rel"], found.get("type", "")] = found
        self._in_title = tag == "title"

    def handle_data(self, data):
        if self._in_title:
            self.title += data


@pytest.fixture
def shared(provider, settings):
    settings.PUBLIC_URL = SITE
    film = reels.index_first(size=(96, 176), sound="aac")
    job = factories.make_finished_job(provider, film=film, hero_name='NOVA "7" & Söhne')
    Job.objects.filter(id=job.id).update(
        video_width=96, video_height=176, poster_width=640, poster_height=1173, video_seconds=6.04
    )
    return services.share_job(job.id, now=timezone.now())


@pytest.fixture
def head(shared):
    return Head(Client().get(f"/v/{shared.share_slug}/").content.decode())


def test_every_tag_is_there(head, shared):
    page = f"{SITE}/v/{shared.share_slug}/"
    headline = 'NOVA "7" & Söhne is the hero of this film'
    description = "A short cyberpunk film, made from one selfie."
    alt = 'Poster of a cyberpunk film, starring NOVA "7" & Söhne'
    expected = {
        "description": description,
        "robots": "noindex, noimageindex",
        "og:site_name": "Selfie Hero",
        "og:type": "video.other",
        "og:title": headline,
        "og:description": description,
        "og:url": page,
        "og:image": f"{page}card.jpg",
        "og:image:secure_url": f"{page}card.jpg",
        "og:image:type": "image/jpeg",
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": alt,
        "og:video": f"{page}film.mp4",
        "og:video:url": f"{page}film.mp4",
        "og:video:secure_url": f"{page}film.mp4",
        "og:video:type": "video/mp4",
        "og:video:width": "96",
        "og:video:height": "176",
        "og:video:duration": "6",
        "twitter:card": "summary_large_image",
        "twitter:title": headline,
        "twitter:description": description,
        "twitter:image": f"{page}card.jpg",
        "twitter:image:alt": alt,
        "twitter:player": f"{page}embed/",
        "twitter:player:width": "96",
        "twitter:player:height": "176",
        "twitter:player:stream": f"{page}film.mp4",
        "twitter:player:stream:content_type": "video/mp4",
    }
    assert {name: head.meta.get(name) for name in expected} == expected
    assert head.doubles == [], "Discord takes the first of two"
    assert not [name for name in head.meta if name.startswith(("og:", "twitter:")) and name not in expected]
    assert head.title.strip() == f"{headline} – Selfie Hero"
    assert head.links["canonical", ""]["href"] == page
    discovery = urlsplit(head.links["alternate", "application/json+oembed"]["href"])
    assert f"{discovery.scheme}://{discovery.netloc}{discovery.path}" == f"{SITE}/oembed"
    assert parse_qs(discovery.query) == {"url": [page], "format": ["json"]}


def test_who_is_invited_gets_the_look_they_saw(shared):
    page = Client().get(f"/v/{shared.share_slug}/").content.decode()
    assert f'href="/?look={shared.look.slug}"' in page


def test_what_the_tags_name_is_there(head, shared):
    """The film is one for previews: it begins at its front, and any part of it can be had."""
    film, poster, player = (urlsplit(head.meta[name]).path for name in ("og:video", "og:image", "twitter:player"))
    answer = Client().get(film)
    stored = b"".join(answer.streaming_content)
    assert answer["Content-Type"] == "video/mp4"
    assert stored.index(b"moov") < stored.index(b"mdat")
    part = Client().get(film, headers={"Range": "bytes=0-99"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, stored[:100])
    assert film in Client().get(player).content.decode()
    assert Client().head(poster)["Content-Type"] == "image/jpeg"


def test_a_film_without_a_name_or_a_known_size_has_a_page_too(provider, settings):
    settings.PUBLIC_URL = SITE
    job = services.share_job(factories.make_finished_job(provider).id, now=timezone.now())
    head = Head(Client().get(f"/v/{job.share_slug}/").content.decode())
    assert head.meta["og:title"] == "The hero of this film could be you"
    sizes = [head.meta[f"og:{kind}:{edge}"] for kind in ("video", "image") for edge in ("width", "height")]
    assert sizes == ["720", "1280", "1200", "630"]
    with Image.open(io.BytesIO(Client().get(f"/v/{job.share_slug}/card.jpg").content)) as card:
        assert card.size == (1200, 630)


def test_the_picture_of_a_link_shows_the_hero_and_their_name(shared):
    """Its right side is the poster's own colours; its left says the name, which another name changes."""
    job = shared
    poster = Image.new("RGB", (720, 1280), (200, 30, 90))
    data = io.BytesIO()
    poster.save(data, "JPEG")
    Job.objects.filter(id=job.id).update(poster_key=storage.save(storage.new_key("poster", "jpg"), data.getvalue()))
    answer = Client().get(f"/v/{job.share_slug}/card.jpg")
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("image/jpeg", "public, no-cache")
    assert answer["X-Robots-Tag"] == "noindex, noimageindex"
    card = Image.open(io.BytesIO(answer.content))
    assert card.size == (1200, 630)
    right = ImageStat.Stat(card.crop((900, 40, 1190, 590))).mean
    assert [abs(seen - own) < 6 for seen, own in zip(right, (200, 30, 90), strict=True)] == [True] * 3
    again = Client().get(f"/v/{job.share_slug}/card.jpg", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again["Cache-Control"]) == (304, "public, no-cache")
    Job.objects.filter(id=job.id).update(hero_name="KAIRO")
    other = Image.open(io.BytesIO(Client().get(f"/v/{job.share_slug}/card.jpg").content))
    box = ImageChops.difference(card, other).point(lambda value: 255 * (value > 40)).getbbox()
    assert box[0] >= 50 and box[2] < 660 and box[1] > 150 and box[3] < 330, "only the name differs"


@pytest.mark.parametrize("name", ["日本", "Анна", "🦾", "X" * 60])
def test_a_name_that_the_card_cannot_write_is_left_out(name, shared):
    Job.objects.filter(id=shared.id).update(hero_name=name)
    with Image.open(io.BytesIO(Client().get(f"/v/{shared.share_slug}/card.jpg").content)) as card:
        assert card.size == (1200, 630)


# --- Kept by a CDN ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "embed/"])
def test_a_page_is_kept_for_a_minute_by_all_and_asked_for_by_its_tag(path, shared):
    address = f"/v/{shared.share_slug}/{path}"
    owner = Client()
    owner.get("/")  # a newcomer's cookie
    pages = [client.get(address) for client in (Client(), owner)]
    for page in pages:
        assert page["Cache-Control"] == "public, max-age=60, stale-while-revalidate=30"
        assert not page.cookies
        assert "Cookie" not in page.get("Vary", "")
        assert page["X-Robots-Tag"] == "noindex, noimageindex"
    assert pages[0].content == pages[1].content, "the same for everybody"
    assert pages[0]["ETag"] == pages[1]["ETag"]
    again = Client().get(address, headers={"If-None-Match": pages[0]["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", pages[0]["ETag"])
    assert "max-age=60" in again["Cache-Control"]
    Job.objects.filter(id=shared.id).update(hero_name="OTHER")
    assert Client().get(address, headers={"If-None-Match": pages[0]["ETag"]}).status_code == 200


def test_a_page_costs_one_look_into_the_database(shared, django_assert_num_queries):
    with django_assert_num_queries(1):
        Client().get(f"/v/{shared.share_slug}/")


def test_only_the_frame_may_be_framed(shared):
    page, frame = (Client().get(f"/v/{shared.share_slug}/{path}") for path in ("", "embed/"))
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
    assert page["X-Frame-Options"] == "DENY"
    assert "frame-ancestors *;" in frame["Content-Security-Policy"] + ";"
    assert "default-src 'none'" in frame["Content-Security-Policy"]
    assert "X-Frame-Options" not in frame
    assert b"<script" not in frame.content


@pytest.mark.parametrize("stop", ["unshare", "erase"])
def test_when_sharing_stops_nothing_is_left(stop, shared):
    slug = shared.share_slug
    {"unshare": services.unshare_job, "erase": services.erase_job}[stop](shared.id, now=timezone.now())
    for path in ("", "embed/", "report/", "card.jpg"):
        assert Client().get(f"/v/{slug}/{path}").status_code == 404
    assert oembed(f"{SITE}/v/{slug}/").status_code == 404


# --- oEmbed -------------------------------------------------------------------------------------


def oembed(url, **more):
    return Client().get("/oembed", {"url": url, **more})


def test_oembed_says_what_to_embed(shared):
    answer = oembed(f"{SITE}/v/{shared.share_slug}/", format="json")
    assert answer["Content-Type"] == "application/json"
    assert "max-age=60" in answer["Cache-Control"]
    assert answer["Access-Control-Allow-Origin"] == "*"
    body = answer.json()
    frame = body["html"]
    del body["html"]
    assert body == {
        "version": "1.0",
        "type": "video",
        "title": 'NOVA "7" & Söhne is the hero of this film',
        "provider_name": "Selfie Hero",
        "provider_url": f"{SITE}/",
        "cache_age": 60,
        "width": 96,
        "height": 176,
        "thumbnail_url": f"{SITE}/v/{shared.share_slug}/poster.jpg",
        "thumbnail_width": 640,
        "thumbnail_height": 1173,
    }
    assert frame.startswith(f'<iframe src="{SITE}/v/{shared.share_slug}/embed/" width="96" height="176"')
    assert 'title="NOVA &quot;7&quot; &amp; Söhne is the hero of this film"' in frame
    assert oembed(f"{SITE}/v/{shared.share_slug}/embed/").json()["html"] == frame


def test_oembed_keeps_to_the_room_there_is(shared):
    body = oembed(f"{SITE}/v/{shared.share_slug}", maxwidth="48", maxheight="1000").json()
    assert (body["width"], body["height"]) == (48, 88)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 404),
        ({"url": "https://elsewhere.example/v/{slug}/"}, 404),
        ({"url": "ftp://hero.example/v/{slug}/"}, 404),
        ({"url": "https://hero.example/v/nothing/"}, 404),
        ({"url": "https://hero.example/v/{slug}/film.mp4"}, 404),
        ({"url": "https://hero.example/privacy/"}, 404),
        ({"url": "https://[/"}, 404),
        ({"url": "https://hero.example/v/{slug}/", "format": "xml"}, 501),
        ({"url": "https://hero.example/v/{slug}/", "maxwidth": "wide"}, 400),
        ({"url": "https://hero.example/v/{slug}/", "maxheight": "-1"}, 400),
    ],
)
def test_oembed_of_anything_else(query, status, shared):
    query = {name: value.replace("{slug}", shared.share_slug) for name, value in query.items()}
    answer = Client().get("/oembed", query)
    assert answer.status_code == status
    assert json.loads(answer.content)["error"]
    assert answer["Cache-Control"] == "private, no-store"


# --- Reports ------------------------------------------------------------------------------------


def test_a_report_reaches_staff(shared):
    cache.clear()
    visitor, address = Client(), f"/v/{shared.share_slug}/report/"
    assert address in visitor.get(f"/v/{shared.share_slug}/").content.decode()
    assert visitor.get(address).status_code == 200
    answer = visitor.post(address, {"reason": "me", "words": "That is me. " * 100})
    assert "Thank you." in answer.content.decode()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.actor) == ("film_reported", str(shared.id), None)
    assert entry.data == {"reason": "me"}, "what somebody wrote goes with the film, and the audit log stays"
    kept = FilmReport.objects.get()
    assert (kept.job_id, kept.reason, kept.state, kept.email) == (shared.id, "me", "open", "")
    assert kept.words.startswith("That is me.")
    assert len(kept.words) == 500
    assert Client().get(f"/v/{shared.share_slug}/").status_code == 200, "a report alone takes nothing down"


def test_a_report_needs_a_reason_and_its_token(shared):
    address = f"/v/{shared.share_slug}/report/"
    answer = Client().post(address, {"reason": "<b>", "words": "<script>"})
    assert answer.status_code == 422
    assert b"<script>" not in answer.content
    assert Client(enforce_csrf_checks=True).post(address, {"reason": "me"}).status_code == 403
    assert not AuditEntry.objects.exists()


def test_a_report_may_name_an_address_for_questions(shared):
    cache.clear()
    address = f"/v/{shared.share_slug}/report/"
    wrong = Client().post(address, {"reason": "child", "words": "Hers.", "email": "no address"})
    page = wrong.content.decode()
    assert (wrong.status_code, FilmReport.objects.count()) == (422, 0)
    assert "This is not an e-mail address." in page
    assert 'value="child" required checked' in page, "nothing has to be typed twice"
    assert "Hers." in page
    written_in_japan = "rachael＠example．org\u200b"
    assert Client().post(address, {"reason": "child", "email": written_in_japan}).status_code == 200
    assert FilmReport.objects.get().email == "rachael@example.org"


def test_one_address_cannot_flood_staff_with_reports(shared):
    cache.clear()
    address = f"/v/{shared.share_slug}/report/"
    said = [Client().post(address, {"reason": "other"}).status_code for _ in range(11)]
    assert said == [200] * 10 + [429]
    assert AuditEntry.objects.count() == 10
