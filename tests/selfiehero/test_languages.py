"""Pages and messages are in the visitor's language: the browser's, the switch's, or that of the order."""

from __future__ import annotations

import html
import json
import re
from functools import cache as cache_of_process
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from jobs import identity, services, snapshots
from jobs.models import Job, Look
from notifications import email, messages
from selfiehero import catalogues
from tests import factories
from tests.jobs.orders import order

pytestmark = pytest.mark.django_db
LANGUAGES = [code for code, _name in settings.LANGUAGES if code != "en"]
ROOT = Path(settings.ROOT)
HOLES = re.compile(r"%\(\w+\)s|%%|\{\w*\}|<[^>]*>|\n")


def spanish(text: str, language: str = "es") -> str:
    """Return what the catalogue says for this."""
    catalogue = catalogues.read(catalogues.po_path(ROOT, language, "django"), language)
    return catalogues.translations(catalogue[text])[0]


@cache_of_process
def pieces(language: str) -> list[str]:
    """Return the English that must not be read: sentences, without what is put into them."""
    catalogue = catalogues.read(catalogues.po_path(ROOT, language, "django"), language)
    ids = [message.id for message in catalogues.messages(catalogue)]
    texts = [text for known in ids for text in ((known,) if isinstance(known, str) else known)]
    return [part.strip() for text in texts for part in HOLES.split(text) if len(part.strip()) > 12]


def english_in(content: bytes, language: str) -> list[str]:
    """Return what a page still says in English."""
    page = html.unescape(content.decode())
    return [part for part in pieces(language) if part in page]


@pytest.fixture
def visitor(provider) -> tuple[Client, str]:
    """A browser and the owner it is."""
    cache.clear()
    Look.objects.filter(slug="neon-noir").delete()
    factories.make_look(note="Rain, glass, magenta")
    value, owner = identity.new_visitor()
    client = Client()
    client.cookies[settings.VISITOR_COOKIE_NAME] = value
    return client, owner


def job_pages(owner: str, provider) -> list[str]:
    """Make a job of every kind and return their pages, and where one of them is shared and reported."""
    made = factories.make_finished_job(provider, owner=owner)
    shared = services.share_job(made.id, now=timezone.now())
    rows = [made, factories.make_job(owner=owner)]
    for code in ("no_face", "no_provider"):
        failed = factories.make_job(owner=owner)
        Job.objects.filter(id=failed.id).update(status="failed", lane="", failure_code=code, finished_at=timezone.now())
        rows.append(failed)
    rows.append(factories.make_job(owner=owner))
    services.cancel_job(rows[-1].id, now=timezone.now())
    rows.append(factories.make_job(owner=owner))
    services.erase_job(rows[-1].id, now=timezone.now())
    return [*(f"/jobs/{row.id}/" for row in rows), f"/v/{shared.share_slug}/report/"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_has_english_left_in_it(language, visitor, provider):
    client, owner = visitor
    pages = ["/", "/wait/", "/me/", "/privacy/", "/verify/", "/status", "/receipts/verify", "/offline/", "/nowhere/"]
    pages += job_pages(owner, provider)
    assert len(pages) == 16
    for path in [*pages, "/manifest.webmanifest"]:
        page = client.get(path, headers={"Accept-Language": f"{language},en;q=0.5", "Accept": "text/html,*/*;q=0.8"})
        assert page["Content-Language"] == language, path
        assert {"Accept-Language", "Cookie"} <= set(page["Vary"].split(", ")), path
        assert english_in(page.content, language) == [], path
        if path != "/manifest.webmanifest":
            assert f'<html lang="{language}"' in page.content.decode(), path
            assert re.search(
                rf'<script type="module" src="[^"]*js/catalogue/{language}[^"]*\.js">', page.content.decode()
            )
            english = client.get(path, headers={"Accept": "text/html"}).content
            assert len(english_in(english, language)) > 3, f"{path}: this test finds nothing"


def test_english_is_what_everybody_else_gets_and_needs_no_catalogue(visitor):
    client, _owner = visitor
    for accepted in ("", "de", "xx;q=2", "en-GB", "*"):
        page = client.get("/privacy/", headers={"Accept-Language": accepted})
        assert '<html lang="en"' in page.content.decode(), accepted
        assert "js/catalogue" not in page.content.decode()
    odd = {"es_MX": "es", "ja-JP-u-ca-japanese-hc-h23": "ja", "!,ja;q=0.9": "ja", "abcdefghijkl,es": "es", "ja,;": "ja"}
    odd |= {"ja;q=0.55555,es;q=0.1": "es", "de_DE, es_419;q=0.8": "es", "ja," + "x-y," * 2000: "ja"}
    for accepted, wanted in {"es-MX": "es", "de,ja;q=0.9,en;q=0.1": "ja", **odd}.items():
        assert client.get("/privacy/", headers={"Accept-Language": accepted})["Content-Language"] == wanted


def test_the_switch_is_on_every_page_and_counts_more_than_the_browser(visitor, provider):
    client, owner = visitor
    browser = {"Accept-Language": "ja"}
    for path in ["/", "/me/", "/privacy/", "/status", "/nowhere/", *job_pages(owner, provider)]:
        page = client.get(path, headers=browser | {"Accept": "text/html"}).content.decode()
        assert 'action="/i18n/setlang/"' in page, path
        assert re.findall(r'name="language" value="(\w+)"', page) == ["en", "es", "ja"], path
        assert 'value="ja" lang="ja" aria-current="true"' in page, path
    answer = Client(enforce_csrf_checks=True).post(
        "/i18n/setlang/", {"language": "es"}, headers={"Referer": "http://testserver/me/?page=2"}
    )
    assert (answer.status_code, answer["Location"]) == (302, "http://testserver/me/?page=2")
    cookie = answer.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert (cookie.value, cookie["samesite"], cookie["path"], bool(cookie["httponly"])) == ("es", "Lax", "/", True)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = cookie.value
    assert client.get("/me/", headers=browser)["Content-Language"] == "es"


@pytest.mark.parametrize(
    "headers",
    [{"Referer": "https://evil.example/"}, {"Referer": "javascript:alert(1)"}, {}, {"Referer": "//evil.example/"}],
)
def test_the_switch_leads_nowhere_else(headers):
    answer = Client().post("/i18n/setlang/", {"language": "es", "next": "https://evil.example/"}, headers=headers)
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_another_site_cannot_switch_and_nobody_to_a_language_there_is_not():
    answer = Client().post("/i18n/setlang/", {"language": "es"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, list(answer.cookies)) == (403, [])
    assert not Client().post("/i18n/setlang/", {"language": "xx"}).cookies
    assert Client().get("/i18n/setlang/").status_code == 405


def test_a_shared_film_is_in_its_owners_language_for_everybody(provider):
    job = services.share_job(factories.make_finished_job(provider, locale="es").id, now=timezone.now())
    for path in (f"/v/{job.share_slug}/", f"/v/{job.share_slug}/embed/"):
        pages = [Client().get(path, headers={"Accept-Language": accepted}) for accepted in ("ja", "en")]
        assert pages[0].content == pages[1].content
        for page in pages:
            assert '<html lang="es"' in page.content.decode()
            assert english_in(page.content, "es") == []
            assert "setlang" not in page.content.decode()
            assert (page["Content-Language"], page.get("Vary")) == ("es", None)
    answer = Client().get(
        "/oembed", {"url": f"{settings.PUBLIC_URL}/v/{job.share_slug}/"}, headers={"Accept-Language": "ja"}
    )
    assert answer.json()["title"] in (
        spanish("The hero of this film could be you"),
        f"{job.hero_name} protagoniza esta película",
    )
    assert (answer["Content-Language"], answer.get("Vary")) == ("es", None)


def test_the_api_says_in_spanish_what_is_wrong(api):
    answer = api.post("/api/v1/jobs/", order(consent="no"), headers={"Accept-Language": "es"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "consent_missing")
    assert problem["title"] == "No se puede usar"
    assert problem["detail"] == "Hace falta tu consentimiento antes de usar la foto de una cara."
    assert {"Accept-Language", "Cookie"} <= set(answer["Vary"].split(", "))
    assert api.post("/api/v1/jobs/", order(consent="no")).json()["title"] == "Cannot be used"
    photo = api.post(
        "/api/v1/jobs/", order(selfie=SimpleUploadedFile("me.jpg", b"no photo")), headers={"Accept-Language": "ja"}
    ).json()
    assert photo["detail"] == "このファイルは読み取れる写真ではありません。"
    name = api.post("/api/v1/jobs/", order(hero_name="x" * 40), headers={"Accept-Language": "es"}).json()
    assert name["detail"] == "El nombre de un héroe tiene como mucho 24 caracteres; este tiene 40."
    assert api.get("/api/v1/nothing/", headers={"Accept-Language": "es"}).json()["title"] == "No encontrado"
    Look.objects.update(note="Rain, glass, magenta")
    assert api.get("/api/v1/looks/", headers={"Accept-Language": "es"}).json()[0]["note"] == "Lluvia, cristal, magenta"
    Look.objects.update(note="Escrito por el equipo")
    assert api.get("/api/v1/looks/", headers={"Accept-Language": "ja"}).json()[0]["note"] == "Escrito por el equipo"


def test_an_order_keeps_the_language_it_came_in(api):
    body = api.post("/api/v1/jobs/", order(), headers={"Accept-Language": "ja"}).json()
    assert Job.objects.get(id=UUID(body["id"])).locale == "ja"
    api.cookies[settings.LANGUAGE_COOKIE_NAME] = "es"
    page = api.post("/", order(), headers={"Accept-Language": "ja"})
    assert Job.objects.get(id=UUID(page["Location"].split("/")[2])).locale == "es"


def test_mails_and_pushes_are_in_the_language_of_the_order(provider):
    job = factories.make_finished_job(provider, locale="ja", email="nova@example.net", hero_name="NOVA-7")
    mail = email.mail(job, now=timezone.now())
    assert mail.subject == "ムービーができました – Selfie Hero"
    text, (page, _kind) = mail.body, mail.alternatives[0]
    assert "NOVA-7 が待っています。" in text
    assert re.search(r"\d{4}年\d+月\d+日", text)
    assert english_in(text.encode(), "ja") == english_in(page.encode(), "ja") == []
    assert json.loads(email.push_content(job))["title"] == "ムービーができました"
    job.locale = "es"
    assert re.search(r"\d+ de [a-z]+ de \d{4}", email.mail(job, now=timezone.now()).body)


def test_the_line_speaks_the_language_of_the_page_and_not_that_of_the_order(provider):
    job = factories.make_waiting_job(locale="es")
    (body,) = snapshots.snapshots_for([job.id])
    changed = messages.job_changed(body)
    assert "texts" not in changed, "without a sentence one text is for all"
    assert messages.text_for(changed, "ja") == changed["text"]
    Job.objects.filter(id=job.id).update(
        reason_code="moved_busy", reason_subject="WaveSpeed", reason_target="Replicate", status="processing"
    )
    (body,) = snapshots.snapshots_for([job.id])
    changed = json.loads(json.dumps(messages.job_changed(body)))
    said = {code: json.loads(messages.text_for(changed, code))["job"]["queue"]["reason"] for code in ("en", "es", "ja")}
    assert said["en"] == "WaveSpeed is busy, your hero moves to Replicate."
    assert said["es"] == "WaveSpeed está a tope: tu héroe se muda a Replicate."
    assert said["ja"].startswith("WaveSpeedが混雑")
    assert max(len(text.encode()) for text in changed["texts"].values()) <= 1100
    assert messages.language_of({"accept-language": "ja,en;q=0.5"}) == "ja"
    assert messages.language_of({"accept-language": "ja", "cookie": f"a=b; {settings.LANGUAGE_COOKIE_NAME}=es"}) == "es"
    assert messages.language_of({}) == "en"


def test_the_service_worker_keeps_the_offline_page_of_the_language(visitor):
    client, _owner = visitor
    workers = {
        code: client.get("/sw.js", headers={"Accept-Language": code}).content.decode() for code in ("en", "es", "ja")
    }
    assert len(set(workers.values())) == 3, "another language is another cache"
    assert "catalogue" not in workers["en"]
    assert "catalogue/ja" in workers["ja"].replace("\\u002D", "-").replace("\\u002F", "/")
