"""The reveal, the shared film, My heroes and the status, in a real browser. At every size: tests/pages/."""

import os
from pathlib import Path

import pytest
from django.utils import timezone

from jobs import identity, services, storage
from jobs.models import Job
from providers.models import ProviderConfig
from tests import factories
from tests.support.axe import violations
from tests.support.browser import running_browser
from tests.support.layout import misplaced
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
PHONE, DESK = (360, 740), (1440, 900)
# A page that only a test's route serves may frame this machine; nobody's page on the Internet may.
ANYWHERE = "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
# Where to keep what the pages look like; `make test-rest` says var/shots.
SHOTS = os.environ.get("SHOTS", "")


@pytest.fixture(scope="module")
def chromium():
    # Playwright's loop runs in this thread, and the rows are made in it too; the pages are served by others.
    with pytest.MonkeyPatch.context() as patch, running_browser(args=[ANYWHERE]) as browser:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield browser


@pytest.fixture
def visit(chromium, live_server, settings):
    """Open an address as the owner of the films made by `film_of`, at a size; what the browser complains of fails."""
    settings.PUBLIC_URL = live_server.url
    contexts, problems = [], []
    value, owner = identity.new_visitor()

    def open_page(path, size=PHONE, *, outsider=False, **choices):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            service_workers="block",
            permissions=["clipboard-read", "clipboard-write"],
            **choices,
        )
        contexts.append(context)
        if not outsider:
            context.add_cookies([{"name": settings.VISITOR_COOKIE_NAME, "value": value, "url": live_server.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.goto(live_server.url + path)
        return page

    open_page.owner, open_page.problems = owner, problems
    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def hero(provider, visit):
    """A finished film of the visitor's: real pictures, upright, of the size of a phone."""
    factories.make_look("chrome-samurai")
    factories.make_look("netrunner")
    return make_film(provider, visit.owner)


def make_film(provider, owner, *, look="neon-noir", hero_name="NOVA-7"):
    return factories.make_hero(provider, owner=owner, look=look, hero_name=hero_name)


def shot(page, name):
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(500)
        page.screenshot(path=f"{SHOTS}/{name}-{page.viewport_size['width']}.png")


def fits(page):
    assert misplaced(page) == []


def open_curtain(page):
    page.locator("[data-lift]").click()
    page.locator(".reveal.is-settled").wait_for()
    page.evaluate("scrollTo(0, 0)")  # axe looks everywhere


def test_the_reveal(visit, hero):
    page = visit(f"/jobs/{hero.id}/")
    shot(page, "reveal-curtain")
    assert violations(page) == []
    open_curtain(page)
    main = "document.querySelector('[data-main]')"
    wait_for(lambda: page.evaluate(f"{main}.currentTime > 0.2"), "the film to play")
    assert page.evaluate(f"[{main}.loop, {main}.muted]") == [True, False], "the gesture has turned the sound on"
    shot(page, "reveal")
    fits(page)
    assert violations(page) == []

    page.locator("[data-sound]").click()
    assert page.evaluate(f"{main}.muted") is True
    assert page.locator("[data-sound]").get_attribute("aria-label") == "Turn the sound on"

    page.locator("[data-compare]").click()
    line = page.locator(".reveal .line")
    line.wait_for()  # once the photo's eyes are found, or have been looked for long enough
    assert line.evaluate("node => document.activeElement === node")
    before = int(line.get_attribute("aria-valuenow"))
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowDown")
    assert int(line.get_attribute("aria-valuenow")) == before + 19
    page.keyboard.press("Home")
    assert line.get_attribute("aria-valuetext") == "0 % film, 100 % photo"
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    shot(page, "reveal-compare")
    assert violations(page) == []
    page.locator("[data-compare]").click()
    page.locator("[data-takes]").scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    shot(page, "reveal-takes")


def test_the_film_is_saved_under_its_name(visit, hero):
    page = visit(f"/jobs/{hero.id}/", DESK)
    open_curtain(page)
    with page.expect_download() as download:
        page.locator("[data-save]").click()
    assert download.value.suggested_filename == "nova-7-neon-noir.mp4"
    assert Path(download.value.path()).read_bytes() == storage.read(hero.video_key)


def test_sharing_is_turned_on_and_off(visit, hero, live_server):
    page = visit(f"/jobs/{hero.id}/")
    open_curtain(page)
    page.evaluate("navigator.canShare = undefined")
    page.locator("[data-share]").click()
    page.locator("#link[open]").wait_for()
    shot(page, "share-dialog")
    assert violations(page) == []
    address = page.locator("[data-link]").input_value()
    hero.refresh_from_db()
    assert address == f"{live_server.url}/v/{hero.share_slug}/"
    assert page.request.get(address).status == 200
    page.locator("[data-unshare]").click()
    page.get_by_text("Sharing stopped.").wait_for()
    hero.refresh_from_db()
    assert hero.share_slug is None
    assert page.request.get(address).status == 404


def test_the_page_of_a_shared_film(visit, hero):
    slug = services.share_job(hero.id, now=timezone.now()).share_slug
    page = visit(f"/v/{slug}/", outsider=True)
    page.wait_for_function("document.querySelector('[data-shared]').readyState >= 2")
    shot(page, "share")
    fits(page)
    assert violations(page) == []
    page.locator("[data-sound]").click()
    assert page.evaluate("document.querySelector('[data-shared]').muted") is False
    assert page.context.cookies() == []
    page.get_by_role("link", name="Report this film").click()
    page.get_by_label("It shows a child.").check()
    shot(page, "report")
    fits(page)
    assert violations(page) == []


def test_a_frame_on_another_site_plays(visit, hero, live_server):
    slug = services.share_job(hero.id, now=timezone.now()).share_slug
    frame = visit(f"/v/{slug}/embed/", PHONE, outsider=True)
    shot(frame, "embed")
    assert violations(frame) == []
    page = visit("/privacy/", outsider=True)
    page.route(
        "http://blog.localhost/",
        lambda route: route.fulfill(
            content_type="text/html",
            body="".join(f'<iframe src="{live_server.url}/v/{slug}/{path}"></iframe>' for path in ("embed/", "")),
        ),
    )
    page.goto("http://blog.localhost/")
    page.wait_for_load_state("networkidle")
    assert page.frames[1].locator("video").count() == 1
    assert page.frames[2].locator("video").count() == 0
    assert any("frame-ancestors" in said for said in visit.problems)
    visit.problems.clear()


def test_another_take_of_the_same_photo(visit, hero):
    page = visit(f"/jobs/{hero.id}/")
    open_curtain(page)
    page.locator('[data-takes] [value="chrome-samurai"]').click()
    page.locator("[data-wait]").wait_for()
    job = Job.objects.exclude(id=hero.id).get()
    assert page.url.endswith(f"/jobs/{job.id}/")
    assert (job.look.slug, job.hero_name) == ("chrome-samurai", "NOVA-7")
    kept = page.evaluate("JSON.parse(sessionStorage.getItem('selfie-hero:photo'))")
    assert kept["id"] == str(job.id), "the wait is painted from the photo that was on the page"
    page.wait_for_timeout(500)
    shot(page, "take-wait")
    page.close()
    visit.problems.clear()  # this server has no sockets; the page polled


def test_a_take_whose_photo_is_gone_says_so(visit, hero):
    page = visit(f"/jobs/{hero.id}/")
    open_curtain(page)
    storage.delete([hero.clean_key])
    page.locator('[data-takes] [value="netrunner"]').click()
    page.get_by_text("The photo of this film is gone. Send a photo anew.").wait_for()
    visit.problems.clear()  # the 410


def test_erasing_ends_in_a_receipt(visit, hero):
    page = visit(f"/jobs/{hero.id}/")
    open_curtain(page)
    page.locator("[data-after] [data-open=erase]").click()
    shot(page, "erase-dialog")
    assert violations(page) == []
    page.locator("[data-erase]").click()
    page.locator("[data-erased]:not([hidden])").wait_for()
    page.wait_for_timeout(300)
    shot(page, "erased")
    assert violations(page) == []
    hero.refresh_from_db()
    assert hero.erased_at
    assert page.locator("video[src]").count() == 0
    assert page.evaluate("sessionStorage.getItem('selfie-hero:photo')") is None


def test_my_heroes(visit, hero, provider):
    make_film(provider, visit.owner, look="chrome-samurai", hero_name="KAIRO BLADE")
    make_film(provider, visit.owner, look="netrunner", hero_name="")
    factories.make_waiting_job(owner=visit.owner, hero_name="ECHO SIGNAL")
    page = visit("/me/")
    page.wait_for_load_state("networkidle")
    shot(page, "me")
    fits(page)
    assert page.locator(".hero-card").count() == 4
    assert violations(page) == []


def test_my_heroes_before_the_first(visit, db):
    page = visit("/me/")
    assert violations(page) == []
    shot(page, "me-empty")


@pytest.mark.parametrize(
    "language", ["en", *(pytest.param(other, marks=pytest.mark.thorough) for other in ("es", "ja"))]
)
def test_the_status(language, visit, provider):
    now = timezone.now()
    for slug, values in (
        ("replica", {"title": "Replicate", "rate_limited_until": now + timezone.timedelta(minutes=3)}),
        ("fal", {"title": "fal", "breaker_until": now + timezone.timedelta(minutes=1), "breaker_reason": "calls"}),
    ):
        row = factories.make_provider(slug=slug, title=values.pop("title"))
        ProviderConfig.objects.filter(id=row.id).update(**values)
    for took in (12, 30, 33, 36, 39, 52):
        job = factories.make_finished_job(provider)
        begun = now - timezone.timedelta(seconds=60 + took)
        Job.objects.filter(id=job.id).update(
            created_at=begun, finished_at=begun + timezone.timedelta(seconds=took), promised_p50=25, promised_p90=45
        )
    for number in range(3):
        factories.make_submitted_attempt(provider, job=factories.make_waiting_job(owner=f"v:{number:064}"))
        factories.make_waiting_job(owner=f"v:{number + 9:064}")
    page = visit("/status", outsider=True, locale=language)
    shot(page, f"status-{language}")
    fits(page)
    assert violations(page) == []
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    shot(page, f"status-end-{language}")


@pytest.mark.parametrize(
    ("language", "saved"), [("es", "Guardar"), pytest.param("ja", "保存", marks=pytest.mark.thorough)]
)
def test_the_reveal_in_other_languages_fits_a_phone(language, saved, visit, hero):
    page = visit(f"/jobs/{hero.id}/", locale=language)
    assert page.get_attribute("html", "lang") == language
    shot(page, f"curtain-{language}")
    open_curtain(page)
    assert page.text_content("[data-save] span") == saved
    fits(page)
    shot(page, f"reveal-{language}")
    page.locator(".keep").scroll_into_view_if_needed()
    shot(page, f"after-{language}")
    page.click(f'.languages [value="{ {"es": "ja", "ja": "es"}[language] }"]')
    page.wait_for_function("was => document.documentElement.lang !== was", arg=language)
    assert page.url.endswith(f"/jobs/{hero.id}/")
