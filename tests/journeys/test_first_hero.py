"""A newcomer's way: upload, wait, film, through the page and through the API, with nothing mocked."""

import io
import json
import os
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest

from selfiehero.environment import PROJECT_DIR
from tests.journeys.conftest import PHOTO
from tests.journeys.visitor import Visitor
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def assert_is_the_film(source) -> None:
    with av.open(source) as film:
        video, sound = film.streams.video[0], film.streams.audio[0]
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, video.average_rate) == (720, 1280, 24)
        assert 5 <= float(film.duration / av.time_base) <= 7
        assert sound.codec_context.name == "aac"


def test_a_selfie_becomes_a_film_over_the_api(product):
    visitor = Visitor(product.url)
    answer = visitor.send(PHOTO, hero_name="NOVA-7")
    assert answer.status_code == 202
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    job = visitor.wait_for_end(answer.json()["id"], seconds=90)
    assert job["status"] == "succeeded"
    assert_is_the_film(io.BytesIO(visitor.film(job)))
    events = visitor.session.get(product.url + job["links"]["events"], timeout=10).json()["events"]
    assert [event["seq"] for event in events] == list(range(1, job["seq"] + 1))
    kinds = [event["kind"] for event in events]
    assert kinds[:3] == ["accepted", "preparing", "prepared"]
    assert kinds.index("preview") < kinds.index("rendered") < kinds.index("succeeded")


def test_a_selfie_becomes_a_film_from_a_terminal(product, tmp_path):
    output = tmp_path / "hero.mp4"
    argv = [sys.executable, "manage.py", "hero", PHOTO, "-o", output, "--name", "NOVA-7", "--server", product.url]
    ended = subprocess.run(argv, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"{output}: ")
    assert_is_the_film(str(output))


def test_the_page_shows_progress_by_the_socket_and_plays_the_film(product, browser):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    frames, problems, loads = [], [], []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(json.loads(frame))))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("load", lambda: loads.append(page.url))
    page.goto(product.url)
    page.set_input_files("#photo-file", PHOTO)
    page.locator("[data-photo-got]").wait_for(state="visible")
    page.fill("#hero-name", "NOVA-7")
    page.check("#consent")
    page.click("[data-action]")
    page.wait_for_url("**/jobs/*/", timeout=30_000)
    address = page.url
    page.locator("[data-reveal]").wait_for(state="attached", timeout=120_000)

    jobs = [frame["job"] for frame in frames if frame["type"] == "job.snapshot"]
    numbers = [job["seq"] for job in jobs]
    assert numbers == sorted(set(numbers)), "a snapshot came late or twice"
    assert len({job["progress"] for job in jobs if job["stage"] == "rendering"}) >= 3, "no progress came by the socket"
    assert any(job["links"]["poster"] and not job["links"]["video"] for job in jobs), "no preview before the film"
    page.wait_for_load_state("load")
    assert [load.removeprefix(product.url) for load in loads] == ["/", address.removeprefix(product.url)]
    assert page.url == address

    page.click("[data-lift]")
    playing = "document.querySelector('video').currentTime"
    wait_for(lambda: page.evaluate(playing) > 0.3, "the film to play", seconds=20)
    before = page.evaluate(playing)
    wait_for(lambda: page.evaluate(playing) > before + 0.5, "the film to go on", seconds=20)
    assert problems == []

    other_visitor = browser.new_context()
    assert other_visitor.request.get(address).status == 404
    assert other_visitor.request.get(f"{product.url}/api/v1/jobs/{address.rstrip('/').split('/')[-1]}/").status == 404
    context.close()
    other_visitor.close()


def test_a_photo_without_a_face_is_answered_with_what_to_do(product, tmp_path):
    from PIL import Image

    photo = tmp_path / "wall.jpg"
    Image.linear_gradient("L").resize((900, 1200)).convert("RGB").save(photo)
    visitor = Visitor(product.url)
    answer = visitor.send(photo)
    assert answer.status_code == 202
    job = visitor.wait_for_end(answer.json()["id"], seconds=20)
    assert (job["status"], job["failure"]["code"]) == ("failed", "no_face")
    assert job["failure"]["message"]
    assert job["failure"]["next_step"]


def test_a_full_disk_is_said_with_its_own_sentence_and_tried_again(product, browser):
    page = browser.new_context(viewport={"width": 360, "height": 740}, reduced_motion="reduce").new_page()
    detail, sent = "There is no room for new photos right now.", []

    def refuse_once(route):
        sent.append(route.request.method)
        if len(sent) > 1:
            route.continue_()
            return
        body = json.dumps({"status": 507, "code": "storage_full", "detail": detail})
        headers = {"Retry-After": "60", "Content-Type": "application/problem+json"}
        route.fulfill(status=507, headers=headers, body=body)

    page.route("**/api/v1/jobs/", refuse_once)
    page.goto(product.url)
    page.set_input_files("#photo-file", PHOTO)
    page.check("#consent")
    page.click("[data-action]")
    page.wait_for_selector("[data-busy]")
    assert page.text_content("[data-busy-title]") == "No room."
    assert page.text_content("[data-busy-words]") == detail
    assert int(page.text_content("[data-count]")) > 30
    page.click("[data-try]")
    page.wait_for_url("**/jobs/*/")
    assert sent == ["POST", "POST"]


COVERS = ("header", ".reveal__hud", ".curtain", ".line", "[data-still]")


def test_without_scripts_the_films_own_controls_are_free(product, browser):
    context = browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=False)
    page = context.new_page()
    page.goto(product.url)
    page.set_input_files("#photo-file", PHOTO)
    page.check("#consent")
    page.click("[data-action]")
    page.wait_for_selector("video[data-main]", timeout=120_000)  # the page refreshes itself
    # All in one look: the browser may still be scrolling to where the page stood before it refreshed itself.
    film, *others = page.evaluate(
        """names => names.map(name => document.querySelector(name)).map(
            element => element && element.checkVisibility({visibilityProperty: true})
                ? (({top, bottom}) => ({top, bottom}))(element.getBoundingClientRect()) : null)""",
        ["video[data-main]", *COVERS],
    )
    for name, box in zip(COVERS, others, strict=True):
        is_apart = box is None or box["top"] >= film["bottom"] - 1 or box["bottom"] <= film["top"] + 1
        assert is_apart, f"{name} lies on the film: {box}, {film}"
    page.click("[data-erase-form] button")
    assert page.text_content("h1") == "Erased."


def test_a_film_survives_the_death_of_the_studio_during_its_render(product):
    """The other processes die in test_kills."""
    visitor = Visitor(product.url)
    job_id = visitor.send(PHOTO, hero_name="NOVA-7").json()["id"]
    visitor.wait_for(job_id, "rendering")
    old = product.kill("studio")
    job = visitor.wait_for_end(job_id, seconds=120)
    assert job["status"] == "succeeded", job
    assert_is_the_film(io.BytesIO(visitor.film(job)))
    product.wait_until_restarted("studio", old)


# --- A picture without a face -------------------------------------------------------------------------

ALLOW = "from providers.models import ProviderConfig as P; P.objects.filter(adapter='studio').update(parameters={})"


@pytest.fixture
def pot(tmp_path):
    picture = np.full((900, 700, 3), 60, np.uint8)
    cv2.ellipse(picture, (350, 560), (230, 180), 0, 0, 360, (60, 120, 200), -1)
    cv2.rectangle(picture, (280, 330), (420, 390), (90, 160, 230), -1)
    cv2.imwrite(str(tmp_path / "pot.jpg"), picture)
    return tmp_path / "pot.jpg"


def allow(product, answer: bool) -> None:
    """What staff do in the admin: write the studio's parameter."""
    code = ALLOW.replace("{}", f"{{'allow_no_face': {answer}}}")
    environment = {name: value for name, value in {**os.environ, **product.env}.items() if value is not None}
    subprocess.run([sys.executable, "manage.py", "shell", "-c", code], cwd=PROJECT_DIR, env=environment, check=True)


def test_a_picture_without_a_face_is_a_hologram_where_staff_allow_it(product, pot):
    visitor = Visitor(product.url)
    allow(product, False)
    refused = visitor.wait_for_end(visitor.send(pot).json()["id"], seconds=60)
    assert (refused["status"], refused["failure"]["code"]) == ("failed", "no_face")
    assert refused["failure"]["next_step"]
    allow(product, True)
    try:
        job = visitor.wait_for_end(visitor.send(pot, hero_name="Pot").json()["id"], seconds=90)
    finally:
        allow(product, False)
    assert job["status"] == "succeeded"
    assert_is_the_film(io.BytesIO(visitor.film(job)))
