"""The start page: from a photo to an order, by every way there is."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy
import pytest
from PIL import Image
from pillow_heif import from_pillow, register_heif_opener

from jobs.models import Job
from tests.pages.conftest import has_photo
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BUDGET = 150_000
# Plays a file into the page as a hand or a clipboard would.
HAND_OVER = """([kind, bytes]) => {
    const data = new DataTransfer(), raw = Uint8Array.from(atob(bytes), letter => letter.charCodeAt(0));
    data.items.add(new File([raw], "selfie.jpg", { type: "image/jpeg" }));
    if (kind === "paste") dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
    else for (const type of ["dragenter", "dragover", "drop"]) {
        const event = new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
        document.querySelector("[data-photo]").dispatchEvent(event);
    }
}"""


def send(page: Any) -> None:
    page.check("#consent")
    assert page.text_content("[data-action]") == "Make my film"
    page.click("[data-action]")
    page.wait_for_url("**/jobs/*/")


def shown(page: Any) -> numpy.ndarray:
    """Return what the camera's sheet shows of the photo it took."""
    picture = page.evaluate("document.querySelector('[data-shot]').toDataURL('image/png')")
    return numpy.asarray(Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2]))).convert("RGB"), int)


def is_alike(picture: numpy.ndarray) -> bool:
    return abs(picture - picture[:, ::-1]).mean() < 8


def test_a_photo_from_a_file_leaves_upright_small_and_without_its_secrets(visit, received, selfie):
    assert b"SecretMaker" in selfie.read_bytes()
    page = visit()
    page.set_input_files("#photo-file", selfie)
    has_photo(page)
    page.fill("#hero-name", "nova-7")
    send(page)
    photo = received()
    assert photo.size == (1024, 1536)
    assert (photo.format, dict(photo.getexif()), photo.info.get("exif")) == ("JPEG", {}, None)
    assert b"SecretMaker" not in photo.raw
    assert page.get_attribute("[data-wait]", "data-picture") == "own"
    job = Job.objects.get()
    assert (job.hero_name, job.look.slug) == ("NOVA-7", "neon-noir")


def test_the_camera_shows_a_mirror_and_sends_what_is_around_its_guide(visit, received):
    page = visit()
    page.click("[data-photo-none] [data-camera]")
    page.locator("#camera[open] [data-guide]").wait_for(state="visible")
    wait_for(lambda: page.evaluate("document.querySelector('#camera video').videoWidth"), "the camera")
    assert page.evaluate("getComputedStyle(document.querySelector('#camera video')).transform").startswith("matrix(-1")
    page.click("[data-shutter]")
    page.click("[data-retake]")
    assert page.is_visible("[data-shutter]")
    assert page.is_hidden("[data-shot]")
    page.click("[data-shutter]")
    page.locator("[data-use]").wait_for(state="visible")
    while is_alike(seen := shown(page)):  # the camera's circle is now and then the same from both sides
        page.click("[data-retake]")
        page.click("[data-shutter]")
        page.locator("[data-use]").wait_for(state="visible")
    page.click("[data-use]")
    has_photo(page)
    assert page.evaluate("document.querySelector('#camera video').srcObject") is None, "the camera is still on"
    send(page)
    photo = received()
    width, height = photo.size
    assert abs(width / height - 3 / 4) < 0.02
    sent = numpy.asarray(photo.convert("RGB"), int)
    assert sent.shape == seen.shape
    assert abs(sent[:, ::-1] - seen).mean() < abs(sent - seen).mean() / 2, "it was sent as in a mirror"


def test_a_camera_that_is_not_allowed_is_no_dead_end(visit):
    page = visit()
    page.evaluate("() => { MediaDevices.prototype.getUserMedia = () => Promise.reject(new Error('not allowed')); }")
    page.click("[data-photo-none] [data-camera]")
    page.locator("[data-error=selfie]").wait_for(state="visible")
    assert "Choose a photo instead" in page.text_content("[data-error=selfie]")


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_photo_may_be_pasted_or_dropped(kind, visit, received, selfie):
    page = visit("/", "desk")
    page.evaluate(HAND_OVER, [kind, base64.b64encode(selfie.read_bytes()).decode()])
    has_photo(page)
    send(page)
    assert received().size == (1024, 1536)


def in_format(selfie: Any, name: str, **options: Any) -> bytes:
    with Image.open(selfie) as photo:
        output = io.BytesIO()
        photo.resize((300, 200)).save(output, name, **options)
    return output.getvalue()


def test_bytes_and_not_names_say_what_a_photo_is(visit, received, selfie):
    page, jpeg = visit(), in_format(selfie, "JPEG")

    def choose(name: str, kind: str, content: bytes) -> None:
        page.evaluate("document.querySelector('[data-photo]').dataset.photo = 'none'")
        page.set_input_files("#photo-file", {"name": name, "mimeType": kind, "buffer": content})

    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><rect width="90" height="90"/></svg>'
    for name, kind, content in (
        ("page.pdf", "application/pdf", b"%PDF-1.7 no photo"),
        ("photo.jpg", "image/jpeg", b"no photo at all"),
        ("photo.tif", "image/tiff", in_format(selfie, "TIFF")),
        ("photo.svg", "image/svg+xml", svg),
    ):
        choose(name, kind, content)
        page.locator("[data-error=selfie]", has_text="not a photo").wait_for()
        choose("selfie.jpg", "image/jpeg", jpeg)
        page.locator("[data-photo=seen]").wait_for()
    for name, kind, content in (
        ("IMG_0001.jpg", "image/jpg", jpeg),
        ("download", "application/octet-stream", jpeg),
        ("1000012345", "", jpeg),
        ("photo.png", "text/plain", in_format(selfie, "PNG")),
        ("photo.gif", "image/gif", in_format(selfie, "GIF")),
        ("photo.bmp", "image/bmp", in_format(selfie, "BMP")),
        ("photo.avif", "image/avif", in_format(selfie, "AVIF", quality=70)),
    ):
        choose(name, kind, content)
        page.locator("[data-photo=seen]").wait_for()
    send(page)
    assert received().format == "JPEG", "the page sends what it drew"


def test_what_the_browser_cannot_read_is_sent_as_it_is(visit, received, tmp_path):
    heic = tmp_path / "selfie.heic"
    from_pillow(Image.new("RGB", (640, 800), "#a07060")).save(heic)
    page = visit()
    page.set_input_files("#photo-file", heic)
    has_photo(page)
    assert "cannot show it" in page.text_content("[data-photo-words]")
    send(page)
    assert page.get_attribute("[data-wait]", "data-picture") == "placeholder"
    register_heif_opener()
    assert received().raw == heic.read_bytes()


def test_an_answer_that_got_lost_costs_no_second_film(visit, selfie):
    page, keys = visit(), []

    def lose_the_first(route: Any) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            route.continue_()
            return
        assert route.fetch().status == 202
        route.abort("connectionreset")

    page.route("**/api/v1/jobs/", lose_the_first)
    page.set_input_files("#photo-file", selfie)
    has_photo(page)
    send(page)
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert Job.objects.count() == 1


def test_a_network_that_goes_away_in_the_middle_keeps_everything(visit, selfie):
    page = visit()
    page.set_input_files("#photo-file", selfie)
    has_photo(page)
    page.fill("#hero-name", "VESPER")
    page.check("#consent")
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    page.click("[data-action]")
    page.locator("[data-busy]").wait_for(state="visible")
    assert page.is_visible("[data-offline]")
    assert page.is_visible("[data-busy-photo]")
    page.context.set_offline(False)
    page.wait_for_url("**/jobs/*/")
    assert Job.objects.get().hero_name == "VESPER"


def test_too_many_orders_are_answered_with_a_countdown_and_a_way_back(visit, selfie):
    page = visit()
    body = json.dumps({"status": 429, "code": "too_many_requests", "detail": "That was a lot at once."})
    headers = {"Retry-After": "40", "Content-Type": "application/problem+json"}
    page.route("**/api/v1/jobs/", lambda route: route.fulfill(status=429, headers=headers, body=body))
    page.set_input_files("#photo-file", selfie)
    has_photo(page)
    page.check("#consent")
    page.click("[data-action]")
    page.locator("[data-busy]").wait_for(state="visible")
    assert page.text_content("[data-busy-title]") == "Take a breath."
    assert page.text_content("[data-busy-words]") == "That was a lot at once."
    assert 30 < int(page.text_content("[data-count]")) <= 40
    page.click("[data-back]")
    has_photo(page)
    assert page.is_checked("#consent")


def test_the_page_is_light_and_its_own(visit, web):
    page, weights = visit(""), {}

    def weigh(answer: Any) -> None:
        kind = answer.request.resource_type
        if answer.ok and kind not in ("image", "media"):
            weights[re.sub(r"^https?://[^/]+", "", answer.url)] = len(answer.body())

    page.on("requestfinished", lambda request: weigh(request.response()))
    page.goto(web.url)
    page.wait_for_load_state("networkidle")
    wait_for(lambda: any(name.endswith(".woff2") for name in weights), "the fonts")
    print(f"start page without images and films: {sum(weights.values())} bytes, uncompressed, in {len(weights)} files")
    assert {"/", "/static/js/start.js", "/static/css/pages.css"} <= set(weights)
    assert sum(weights.values()) <= BUDGET, weights
