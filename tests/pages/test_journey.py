"""The whole way on every kind of screen, in one go each: from a photo to a film, and to nothing left of both.

The first of them with WebGL on a phone, as most people go it. What every page looks like at a desk's size is for
`test_every_page` to say, so the others are tried there in `make test-all` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from jobs.models import Job
from tests import factories
from tests.pages.conftest import SHOTS, SIZES, goes_by, has_photo, percent, reads
from tests.support.layout import misplaced
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def at(*sizes: str) -> pytest.MarkDecorator:
    """Try a journey at these sizes, and in `make test-all` at all others as well."""
    return pytest.mark.parametrize(
        "size", [size if size in sizes else pytest.param(size, marks=pytest.mark.thorough) for size in SIZES]
    )


@pytest.fixture
def provider(looks: None) -> Any:
    return factories.make_provider()


@pytest.fixture
def look_at(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Nothing sticks out; what it looks like is kept."""

    def look(page: Any, name: str) -> None:
        assert misplaced(page) == [], name
        if SHOTS:
            page.wait_for_timeout(300)
            kind = request.node.name.partition("[")[0].removeprefix("test_")[:16]
            page.screenshot(path=f"{SHOTS}/journey-{kind}-{name}-{page.viewport_size['width']}.png")

    return look


def send(page: Any) -> Job:
    page.fill("#hero-name", "NOVA-7")
    page.check("#consent")
    page.click("[data-action]")
    return follow(page)


def follow(page: Any, *, last: str = "/wait/") -> Job:
    """Return the job whose page this becomes."""
    page.wait_for_url(lambda url: "/jobs/" in url and not url.endswith(last))
    return Job.objects.select_related("look").get(id=UUID(page.url.rstrip("/").split("/")[-1]))


def raise_curtain(page: Any) -> None:
    page.locator("[data-lift]").click()
    page.locator(".reveal.is-settled").wait_for()
    wait_for(lambda: page.evaluate("document.querySelector('[data-main]').currentTime > 0.1"), "the film to play")


@at("phone")
def test_a_photo_from_a_file_becomes_a_film_that_is_shared_taken_again_and_erased(
    size: str, visit: Any, show: Any, selfie: Path, provider: Any, look_at: Any, web: Any
) -> None:
    page = visit("/", size, moving=True, webgl=size == "phone")
    page.set_input_files("#photo-file", selfie)
    has_photo(page)
    look_at(page, "photo")
    job = send(page)
    goes_by(page, "socket")
    show(job, status="processing", stage="rendering", progress=0.3)
    reads(page, job.seq)
    look_at(page, "wait")

    page.reload()
    page.locator("[data-wait][data-picture=own]").wait_for(state="attached")
    assert percent(page) == "30"
    goes_by(page, "socket")

    page.context.set_offline(True)
    page.locator("[data-offline]").wait_for()
    show(job, progress=0.4)
    show(job, progress=0.6)
    look_at(page, "offline")
    assert percent(page) == "30"
    page.context.set_offline(False)
    reads(page, job.seq)
    assert percent(page) == "60"
    page.locator("[data-offline]").wait_for(state="detached")

    # From here on its rows are what the lanes would have written.
    Job.objects.filter(id=job.id).update(status="queued", stage="accepted", progress=0)
    film = factories.shoot(factories.reload(job), provider)
    page.locator("[data-reveal]").wait_for(state="attached")
    look_at(page, "curtain")
    raise_curtain(page)
    look_at(page, "reveal")
    # What follows is about words and buttons, and what moves behind them is most of the cost of a page.
    page.emulate_media(reduced_motion="reduce")

    page.evaluate("navigator.canShare = undefined")
    page.locator("[data-share]").click()
    page.locator("#link[open]").wait_for()
    link = page.locator("[data-link]").input_value()
    look_at(page, "link")
    page.keyboard.press("Escape")
    stranger = visit("", size)
    address = web.url + "/v/" + link.partition("/v/")[2]
    assert stranger.goto(address).status == 200
    assert stranger.locator("h1").inner_text() == "NOVA-7"
    wait_for(lambda: stranger.evaluate("document.querySelector('[data-shared]').readyState >= 2"), "the shared film")
    look_at(stranger, "shared")

    page.evaluate("history.back()")
    page.locator("#photo-file").wait_for(state="attached")
    page.evaluate("history.forward()")
    page.locator("[data-reveal]").wait_for(state="attached")
    raise_curtain(page)

    page.locator('[data-takes] [value="netrunner"]').click()
    take = follow(page, last=f"{film.id}/")
    assert (take.look.slug, take.hero_name) == ("netrunner", "NOVA-7")
    page.locator("[data-wait][data-picture=own]").wait_for(state="attached")
    look_at(page, "take")
    page.click("[data-open=cancel]")
    page.click("[data-cancel-job]")
    page.locator("[data-ended=canceled]").wait_for()
    look_at(page, "canceled")

    page.goto(f"{web.url}/jobs/{film.id}/")
    raise_curtain(page)
    page.locator("[data-after] [data-open=erase]").click()
    page.locator("[data-erase]").click()
    page.locator("[data-erased]:not([hidden])").wait_for()
    look_at(page, "erased")
    assert stranger.request.get(address).status == 404  # a browser may keep the page itself for a minute
    page.goto(f"{web.url}/me/")
    assert page.locator(".hero-card").count() == 1, "the take that was canceled; the erased film is gone"


@at("phone")
def test_a_photo_from_the_camera_becomes_a_film_where_sockets_are_blocked_and_then_streams(
    size: str, visit: Any, show: Any, provider: Any, look_at: Any
) -> None:
    page, streams, asked = visit("/", size, moving=True), [], []
    page.route_web_socket("**/ws/**", lambda socket: socket.close(code=3000, reason="blocked"))
    page.on("request", lambda request: "/stream/" in request.url and streams.append(request.url))
    page.click("[data-photo-none] [data-camera]")
    wait_for(lambda: page.evaluate("document.querySelector('#camera video').videoWidth"), "the camera")
    look_at(page, "camera")
    page.click("[data-shutter]")
    page.locator("[data-use]").wait_for(state="visible")
    look_at(page, "taken")
    page.click("[data-use]")
    has_photo(page)
    job = send(page)
    goes_by(page, "stream")
    page.on("request", lambda request: request.url.endswith(f"/api/v1/jobs/{job.id}/") and asked.append(request.url))
    for progress in (0.3, 0.5):
        show(job, status="processing", stage="rendering", progress=progress)
        reads(page, job.seq, seconds=10)
    assert asked == [], "it was asked for, not told"

    page.route("**/stream/", lambda route: route.abort())
    page.evaluate("dispatchEvent(new Event('offline')); dispatchEvent(new Event('online'))")  # another network
    wait_for(lambda: page.wait_for_timeout(50) or len(streams) == 4, "one good stream and three that fail", seconds=40)
    goes_by(page, "polling")
    show(job, progress=0.8)
    reads(page, job.seq)
    assert len(streams) == 4, "a stream that failed three times is left alone"
    look_at(page, "polling")
    Job.objects.filter(id=job.id).update(status="queued", stage="accepted", progress=0)
    factories.shoot(factories.reload(job), provider)
    page.locator("[data-reveal]").wait_for(state="attached")
    raise_curtain(page)


@at("phone")
def test_less_motion_means_stills_all_the_way(
    size: str, visit: Any, show: Any, selfie: Path, provider: Any, look_at: Any
) -> None:
    page = visit("/", size, webgl=True)
    page.evaluate(COUNT_PAINTINGS)
    assert page.get_attribute(".line", "aria-valuenow") == "52"
    page.set_input_files("#photo-file", selfie)
    has_photo(page)
    page.locator(".looks").scroll_into_view_if_needed()
    look_at(page, "start")
    assert page.evaluate("[...document.querySelectorAll('video')].filter(film => film.src || !film.paused).length") == 0
    job = send(page)
    goes_by(page, "socket")
    show(job, status="processing", stage="rendering", progress=0.4)
    reads(page, job.seq)
    page.wait_for_timeout(400)
    painted = page.evaluate("painted")
    assert painted > 0
    page.wait_for_timeout(600)
    assert page.evaluate("painted") == painted, "the picture moves"
    look_at(page, "wait")
    Job.objects.filter(id=job.id).update(status="queued", stage="accepted", progress=0)
    factories.shoot(factories.reload(job), provider)
    page.locator("[data-reveal]").wait_for(state="attached")
    page.locator("[data-lift]").click()
    page.locator(".reveal.is-settled").wait_for()
    moving = "document.getAnimations().filter(one => one.effect.getComputedTiming().duration > 250).length"
    assert page.evaluate(moving) == 0
    look_at(page, "reveal")


COUNT_PAINTINGS = """() => {
    const { prototype } = WebGL2RenderingContext, paint = prototype.drawArrays;
    window.painted = 0;
    prototype.drawArrays = function (...all) { window.painted++; return paint.apply(this, all); };
}"""
