"""Pages in a real browser, served by a real web process on the test's own database. Nothing works on jobs here: a test
writes the state that a page is to show."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from PIL import Image

from jobs import snapshots
from jobs.looks.shipped import SHIPPED
from jobs.models import Job
from notifications import publish
from tests import factories
from tests.support.browser import launch_options, running_browser
from tests.support.processes import wait_for
from tests.support.served import Served

SIZES = {"phone": (360, 740), "tablet": (768, 1024), "desk": (1440, 900)}
# Where to keep what pages look like at the end of each test; `make test-rest` says var/shots.
SHOTS = os.environ.get("SHOTS", "")
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="package")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    database, folder = str(connection.settings_dict["NAME"]), tmp_path_factory.mktemp("web")
    Path(settings.MEDIA_ROOT).mkdir(exist_ok=True)
    (folder / "var").mkdir()
    (folder / "var" / "media").symlink_to(settings.MEDIA_ROOT)  # what a test stores is what the pages show
    with Served(folder, database=database, env={"SERVED_STATIC": "1"}) as served:
        yield served


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """One Chromium with a camera. Its driver leaves an event loop in this thread; Django may work all the same."""
    with pytest.MonkeyPatch.context() as patch, running_browser(args=CAMERA) as running:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield running


@pytest.fixture(scope="package")
def webgl_browser(browser: Any) -> Iterator[Any]:
    """Another Chromium, whose pages draw with WebGL."""
    running = browser.browser_type.launch(**launch_options(webgl=True, args=CAMERA))
    yield running
    running.close()


@pytest.fixture
def looks(browser: Any, transactional_db: None) -> None:
    cache.clear()
    publish.client.cache_clear()
    for look in SHIPPED:
        factories.make_look(look["slug"])


@pytest.fixture
def visit(web: Served, browser: Any, looks: None, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Open a page of the product; no script of it may fail, and it may ask no other host for anything.

    Nothing moves on it unless the test is about that: drawing motion without a graphics card is most of its cost.
    """
    contexts, problems = [], []

    def note(message: Any) -> None:
        # What the browser says of answers and lost lines is what these tests are about.
        if message.type == "error" and not any(
            word in message.text for word in ("Failed to load", "WebSocket", "net::")
        ):
            problems.append(message.text)

    def open_page(
        path: str = "/",
        size: str = "phone",
        *,
        same: Any = None,
        moving: bool = False,
        webgl: bool = False,
        **choices: Any,
    ) -> Any:
        width, height = SIZES[size]
        chosen = request.getfixturevalue("webgl_browser") if webgl else browser
        motion = {} if moving else {"reduced_motion": "reduce"}
        choices.setdefault("service_workers", "block")  # it has tests of its own
        context = same or chosen.new_context(viewport={"width": width, "height": height}, **motion, **choices)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(40_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", note)
        page.on("request", lambda request: is_ours(request.url) or problems.append(request.url))
        page.add_init_script("Math.random = () => 0")  # no jitter: lines are tried again at once
        if path:
            page.goto(web.url + path)
        return page

    def is_ours(url: str) -> bool:
        return url.startswith((web.url, web.socket_url, "data:", "blob:"))

    yield open_page
    for number, context in enumerate(contexts):
        if SHOTS and context.pages:
            context.pages[-1].screenshot(
                path=f"{SHOTS}/{request.node.name}-{number}.png".replace("[", "-").replace("]", "")
            )
        context.close()
    assert problems == []


@pytest.fixture
def show(web: Served) -> Callable[..., None]:
    """Write a state of a job and tell its pages."""

    def write(job: Job, **values: Any) -> None:
        job.seq += 1
        Job.objects.filter(id=job.id).update(seq=job.seq, **values)
        publish.publish(snapshots.snapshots_for([job.id]))

    return write


@pytest.fixture
def received(web: Served) -> Callable[[], Image.Image]:
    """Return the only photo that arrived at the server, with its bytes as `raw`."""

    def read() -> Image.Image:
        job = Job.objects.get()
        raw = (web.folder / "var" / "media" / job.raw_key).read_bytes()
        image = Image.open(io.BytesIO(raw))
        image.raw = raw
        return image

    return read


@pytest.fixture(scope="session")
def selfie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phone's photo: 3000 x 2000 on the sensor, turned by its EXIF, with the place it was taken at."""
    portrait = Image.open(factories.__file__.replace("factories.py", "photos/astronaut.jpg")).convert("RGB")
    turned = portrait.crop((64, 0, 405, 512)).resize((2000, 3000)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SecretMaker"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 34.0, 0.0)})
    path = tmp_path_factory.mktemp("photos") / "selfie.jpg"
    turned.save(path, quality=90, exif=exif)
    return path


def has_photo(page: Any) -> None:
    """Wait until the form shows the photo."""
    page.locator("[data-photo-got]").wait_for(state="visible")


def reads(page: Any, seq: int, seconds: float = 40) -> None:
    """Wait until the wait page has heard of this state."""
    wait_for(lambda: page.get_attribute("[data-wait]", "data-seq") == str(seq), f"seq {seq}", seconds=seconds)


def goes_by(page: Any, way: str, seconds: float = 40) -> None:
    """Wait until news come to the wait page this way."""
    wait_for(lambda: page.get_attribute("[data-wait]", "data-way") == way, f"news by {way}", seconds=seconds)


def percent(page: Any) -> str:
    return page.get_attribute("[data-progress]", "aria-valuenow")
