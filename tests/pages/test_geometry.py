"""Where things are on the pages, measured at every size on one load of each page: films whole, words beside them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image, ImageOps

from jobs import identity, services, storage
from jobs.models import Job
from providers.faces.vision import TEMPLE_LEFT, TEMPLE_RIGHT, find_faces, find_mesh
from tests import factories
from tests.pages.conftest import SHOTS
from tests.support.axe import violations
from tests.support.layout import misplaced
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SIZES = [(360, 640), (390, 844), (430, 932), (844, 390), (768, 1024), (1440, 900)]
FRAMES = [(640, 360), (1440, 900), (320, 568)]
FILM = 720 / 1280

# Boxes of what is seen: the film, and every text and control that may not lie on it.
MEASURE = """([film, others]) => {
    const seen = node => node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    const box = node => (({ left, top, right, bottom }) => [left, top, right, bottom])(node.getBoundingClientRect());
    return { film: box(document.querySelector(film)),
             others: [...document.querySelectorAll(others)].filter(seen)
                 .map(node => [node.outerHTML.slice(0, 60), box(node)])
                 .filter(([, [left, top, right, bottom]]) => right > left && bottom > top) };
}"""
WORDS_AND_CONTROLS = ".lit h1, .lit p, .lit a, .lit button, .bar a"


@pytest.fixture
def shared(looks: None, web: Any, provider: Any) -> tuple[Job, str]:
    """A shared film, and the cookie of its owner."""
    cookie, owner = identity.new_visitor()
    job = factories.make_hero(provider, owner=owner, hero_name="NOVA-7")
    reframe(job)
    return services.share_job(job.id, now=timezone.now()), cookie


def reframe(job: Job) -> None:
    """Store the photo as if it had been taken from further away, and aslant."""
    photo = Image.open(io.BytesIO(storage.read(job.clean_key)))
    turned = photo.rotate(6, Image.Resampling.BICUBIC, expand=True, fillcolor=(120, 110, 100))
    wide = ImageOps.expand(turned, (160, 40, 30, 20), (120, 110, 100))
    with default_storage.open(job.clean_key, "wb") as file:
        wide.save(file, "JPEG", quality=92)


def at_every_size(page: Any, name: str, sizes: list[tuple[int, int]] = SIZES) -> Iterator[tuple[int, int]]:
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate(
            "scrollTo(0, 0), new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
        )
        yield width, height
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/geometry-{name}-{width}x{height}.png")


def is_whole(film: list[float], width: int, height: int) -> bool:
    """Whether a film of the studio's shape is seen from edge to edge."""
    left, top, right, bottom = film
    is_in = left >= -1 and top >= -1 and right <= width + 1 and bottom <= height + 1
    return is_in and abs((right - left) / (bottom - top) - FILM) < 0.01


def lies_on(box: list[float], film: list[float]) -> bool:
    return box[0] < film[2] - 1 and box[2] > film[0] + 1 and box[1] < film[3] - 1 and box[3] > film[1] + 1


def check_screen(page: Any, name: str, film: str) -> None:
    for width, height in at_every_size(page, name):
        seen = page.evaluate(MEASURE, [film, WORDS_AND_CONTROLS])
        assert is_whole(seen["film"], width, height), (name, width, height, seen["film"])
        assert seen["others"], "words and controls are there"
        for what, box in seen["others"]:
            assert not lies_on(box, seen["film"]), (name, width, height, what, box, seen["film"])
        assert misplaced(page) == []
        big = (seen["film"][3] - seen["film"][1]) / height
        assert big > (0.62 if height < 700 else 0.68), (name, width, height, big)


def eyes_of(page: Any, key: str) -> tuple[np.ndarray, float]:
    """Return the middles of both eyes on one side of the Line, in pixels of the film's frame, and the face's width."""
    page.locator(".line").focus()
    page.keyboard.press(key)
    page.evaluate(
        "document.adoptedStyleSheets = [new CSSStyleSheet()], document.adoptedStyleSheets[0].replaceSync(`"
        ".line, .opening__copy, .bar { visibility: hidden; } .film::after { display: none !important; }`)"
    )
    picture = page.locator(".film").first.screenshot()
    page.evaluate("document.adoptedStyleSheets = []")
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    points = find_mesh(pixels, find_faces(pixels)[0]).points[:, :2]
    eyes = np.stack([points[[33, 133]].mean(0), points[[263, 362]].mean(0)])
    return eyes, float(np.linalg.norm(points[TEMPLE_RIGHT] - points[TEMPLE_LEFT]))


def check_eyes(page: Any, name: str) -> None:
    """Eyes meet eyes on both sides of the Line, although the photo was framed otherwise than the film."""
    for width, height in at_every_size(page, name, [(390, 844), (1440, 900)]):
        (film, face), (photo, _) = eyes_of(page, "End"), eyes_of(page, "Home")
        apart = np.linalg.norm(film - photo, axis=1) / face
        assert max(apart) < 0.03, (name, width, height, apart)
        page.locator(".line").focus()
        for _ in range(3):
            page.keyboard.press("PageDown")


def open_as_owner(visit: Any, web: Any, cookie: str, **choices: Any) -> Any:
    page = visit("", **choices)
    page.context.add_cookies([{"name": settings.VISITOR_COOKIE_NAME, "value": cookie, "url": web.url}])
    return page


def test_reveal_shared_page_and_frame_show_the_whole_film_at_every_size(visit: Any, web: Any, shared: Any) -> None:
    job, cookie = shared
    page = open_as_owner(visit, web, cookie)
    page.goto(f"{web.url}/jobs/{job.id}/")
    page.locator("[data-lift]").click()
    page.locator(".reveal.is-settled").wait_for()
    check_screen(page, "reveal", "[data-main]")
    page.locator("[data-compare]").click()
    page.locator(".is-comparing[data-placed=true]").wait_for()
    check_eyes(page, "compare")

    page.goto(f"{web.url}/v/{job.share_slug}/")
    page.wait_for_function("document.querySelector('[data-shared]').readyState >= 1")
    check_screen(page, "share", "[data-shared]")

    page.goto(f"{web.url}/v/{job.share_slug}/embed/")
    page.wait_for_function("document.querySelector('video').readyState >= 1")
    for width, height in at_every_size(page, "embed", FRAMES):
        seen = page.evaluate(MEASURE, ["video", ".mark"])
        assert seen["film"] == [0, 0, width, height], "the player fills the frame, the film is whole inside it"
        assert page.evaluate("getComputedStyle(document.querySelector('video')).objectFit") == "contain"
        assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
            width,
            height,
        ]
    page.evaluate("document.querySelector('video').play()")
    wait_for(lambda: page.evaluate("document.querySelector('video').currentTime > 0.1"), "the frame to play")


def test_the_start_page_holds_still_and_keeps_its_button_in_view(visit: Any, web: Any, shared: Any) -> None:
    page = visit("", moving=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.add_init_script("""globalThis.shifted = 0;
        new PerformanceObserver(list => { for (const one of list.getEntries()) shifted += one.value; })
            .observe({ type: "layout-shift", buffered: true });""")
    page.goto(web.url)
    wait_for(lambda: page.get_attribute(".opening .line", "aria-valuenow") == "52", "the Line to have travelled")
    assert page.evaluate("shifted") < 0.02
    for width, height in at_every_size(page, "start", [*SIZES, (720, 450), (320, 568)]):
        box = page.locator(".opening__copy .btn").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, (width, height, box)
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, (width, height, box)
        title = page.locator("#headline").bounding_box()
        assert title["y"] >= 0, (width, height, title)
        assert misplaced(page) == []

    page = visit("/")
    check_eyes(page, "start-line")


def test_a_film_that_is_watched_has_the_phone_to_itself(visit: Any, web: Any, shared: Any) -> None:
    job, cookie = shared
    page = open_as_owner(visit, web, cookie, moving=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{web.url}/jobs/{job.id}/")
    page.locator("[data-lift]").click()
    page.locator(".reveal.is-settled.is-watching").wait_for()
    wait_for(lambda: page.evaluate(MEASURE, ["[data-main]", WORDS_AND_CONTROLS])["others"] == [], "the words to go")
    wait_for(lambda: page.evaluate(MEASURE, ["[data-main]", ".lit"])["film"][2] > 389, "the film to grow")
    left, top, right, bottom = page.evaluate(MEASURE, ["[data-main]", ".lit"])["film"]
    assert (round(left), round(right)) == (0, 390) and is_whole([left, top, right, bottom], 390, 844), (
        "as wide as the phone"
    )
    page.mouse.click(195, 400)
    page.locator(".reveal:not(.is-watching)").wait_for()
    wait_for(
        lambda: "NOVA-7" in page.locator(".reveal__words").inner_text() and page.locator("[data-share]").is_visible(),
        "the words to come back",
    )


def test_a_long_wait_offers_to_tell_and_another_look_or_name(visit: Any, web: Any, looks: None, provider: Any) -> None:
    cookie, owner = identity.new_visitor()
    job = factories.make_waiting_job(owner=owner, hero_name="NOVA-7")
    earlier = timezone.now() - timezone.timedelta(seconds=75)
    Job.objects.filter(id=job.id).update(
        created_at=earlier, due_at=timezone.now() + timezone.timedelta(hours=1), reason_code="films_slower"
    )
    page = open_as_owner(visit, web, cookie)
    page.goto(f"{web.url}/jobs/{job.id}/")
    page.locator("[data-offer]").wait_for(state="visible")
    assert "tell you" in page.inner_text("[data-offer]")
    assert "longer right now" in page.inner_text("[data-reason]")
    page.locator(".other[data-look=netrunner]").wait_for()
    for _size in at_every_size(page, "wait"):
        assert misplaced(page) == []
    assert violations(page) == []
    page.click(".other[data-look=netrunner]")
    page.locator("html[data-look=netrunner]").wait_for()
    page.fill("#new-name", "onyx")
    page.click("[data-rename] button")
    wait_for(lambda: page.inner_text("[data-hero-name]") == "ONYX", "the new name")
    job = factories.reload(job)
    assert (job.look.slug, job.hero_name) == ("netrunner", "ONYX")
