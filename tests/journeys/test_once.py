"""One order is one job: fifty at once over HTTP, and what people do to a page in a browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from jobs.models import Job
from tests import factories
from tests.journeys.conftest import PHOTO
from tests.support.browser import running_browser
from tests.support.processes import wait_for
from tests.support.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
AT_ONCE = 50


@pytest.fixture(scope="module")
def process(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A real web process with its own threads, on the tests' database and files; no worker runs."""
    folder = tmp_path_factory.mktemp("web")
    Path(settings.MEDIA_ROOT).mkdir(exist_ok=True)
    (folder / "var").mkdir()
    (folder / "var" / "media").symlink_to(settings.MEDIA_ROOT)
    with Served(folder, database=str(connection.settings_dict["NAME"]), env={"SERVED_STATIC": "1"}) as served:
        yield served


@pytest.fixture
def web(process: Served, transactional_db: None) -> Served:
    """That process, with nothing in its database but a look."""
    cache.clear()
    factories.make_look()
    return process


def send_at_once(web: Served, count: int, cookies: Any) -> list[requests.Response]:
    """Send the same order so many times, each on a connection of its own, all of them at the same moment."""
    photo, barrier = PHOTO.read_bytes(), threading.Barrier(count)

    def send(_: int) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            session.cookies.update(cookies)
            files = {"selfie": ("me.jpg", photo, "image/jpeg")}
            data = {"look": "neon-noir", "consent": "true", "hero_name": "NOVA-7"}
            barrier.wait(30)
            return session.post(
                f"{web.url}/api/v1/jobs/", data=data, files=files, headers={"Idempotency-Key": "rush"}, timeout=60
            )

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(send, range(count)))


@pytest.mark.database
def test_fifty_at_once_over_http_are_one_row_and_fifty_equal_answers(web):
    cookies = requests.get(f"{web.url}/api/v1/looks/", timeout=10).cookies
    answers = send_at_once(web, AT_ONCE, cookies)
    assert [answer.status_code for answer in answers] == [202] * AT_ONCE, web.said()
    job = Job.objects.get()
    bodies = [answer.json() for answer in answers]
    for body in bodies:
        # Its position and time range may have changed between two reads; nothing else can.
        assert set(body.pop("queue")) == {"position", "eta_seconds", "reason"}
    assert len({json.dumps(body) for body in bodies}) == 1, bodies
    assert bodies[0]["id"] == str(job.id)
    verdict = requests.get(f"{web.url}/receipts/verify", {"receipt": bodies[0]["receipt"]}, timeout=10).json()
    assert (verdict["job"], verdict["photo_sha256"]) == (str(job.id), job.photo_sha256)
    assert {answer.headers["Location"] for answer in answers} == {bodies[0]["links"]["self"]}
    assert factories.stored_files() == [job.raw_key], "those that lost took their copy of the photo with them"
    assert job.events.count() == 1
    assert "Traceback" not in web.said()


@pytest.mark.database
def test_a_key_without_a_cookie_belongs_to_a_new_visitor_each_time(web):
    answers = send_at_once(web, 4, {})
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.cookies[settings.VISITOR_COOKIE_NAME] for answer in answers}) == 4
    assert Job.objects.count() == 4


# --- In a browser ----------------------------------------------------------------------------------


class Visit:
    """A visitor's page: what its scripts sent, and what became of it."""

    def __init__(self, web: Served, page: Any) -> None:
        self.web, self.page = web, page
        self.keys: list[str] = []
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._note)
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', event => { throw Error(event.violatedDirective) })"
        )

    def _note(self, request: Any) -> None:
        if request.method == "POST" and request.url.endswith("/api/v1/jobs/"):
            self.keys.append(request.headers["idempotency-key"])

    def fill(self, *, name: str = "NOVA-7") -> None:
        """Open the start page and give it everything but the last tap."""
        self.page.goto(self.web.url)
        self.page.set_input_files("#photo-file", PHOTO)
        self.page.locator("[data-photo-got]").wait_for(state="visible")
        self.page.fill("#hero-name", name)
        self.page.check("#consent")

    def send(self, **values: str) -> str:
        """Order a film; return the address of its job."""
        self.fill(**values)
        self.page.click("[data-action]")
        self.page.wait_for_url("**/jobs/*/")
        return self.page.url

    def jobs(self) -> list[dict[str, Any]]:
        return self.page.context.request.get(f"{self.web.url}/api/v1/jobs/").json()["results"]

    def only_job(self) -> str:
        (job,) = self.jobs()
        return self.web.url + job["links"]["page"]

    def cancel(self) -> None:
        """Cancel the job on whose page it is."""
        self.page.click("[data-open=cancel]")
        self.page.click("[data-cancel-job]")
        self.page.wait_for_selector("[data-ended]")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium. Its driver leaves an event loop in this thread; Django may work all the same."""
    with pytest.MonkeyPatch.context() as patch, running_browser() as running:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield running


@pytest.fixture
def visit(browser: Any, web: Served) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    context.set_default_timeout(40_000)
    visit = Visit(web, context.new_page())
    yield visit
    context.close()
    assert visit.problems == []


def test_a_double_tap_makes_one_job(visit):
    visit.fill()
    visit.page.evaluate("const button = document.querySelector('[data-action]'); button.click(); button.click()")
    visit.page.wait_for_url("**/jobs/*/")
    assert visit.only_job() == visit.page.url
    assert len(visit.keys) == 1


def test_a_lost_answer_is_asked_for_again_and_is_the_same_job(visit):
    def lose_once(route: Any) -> None:
        if len(visit.keys) > 1:
            route.continue_()
        else:
            assert route.fetch().status == 202, "it reached the server"
            route.abort("connectionreset")

    visit.page.route("**/api/v1/jobs/", lose_once)
    address = visit.send()
    assert visit.only_job() == address
    assert len(visit.keys) == 2
    assert len(set(visit.keys)) == 1


def test_reloading_while_the_answer_is_out_and_sending_again_is_the_same_job(visit):
    accepted: list[int] = []

    def never_answer(route: Any) -> None:
        accepted.append(route.fetch().status)

    visit.page.route("**/api/v1/jobs/", never_answer)
    visit.fill()
    visit.page.click("[data-action]")
    wait_for(lambda: visit.page.wait_for_timeout(50) or accepted == [202], "the photo to arrive", seconds=20)
    visit.page.reload()
    visit.page.wait_for_url(visit.web.url + "/")
    visit.page.unroute("**/api/v1/jobs/", never_answer)  # only now: a request that is no longer held gets its answer
    assert visit.send() == visit.only_job()
    assert len(visit.keys) == 2
    assert len(set(visit.keys)) == 1


def test_the_same_photo_is_the_same_job_until_that_has_ended_and_another_one_after(visit):
    first = visit.send()
    assert visit.send() == first, "while it is under way"
    assert visit.send(name="KAIRO") != first, "another name is another film"
    visit.page.goto(first)
    visit.cancel()
    second = visit.send()
    assert second != first
    # It ends where this tab does not see it.
    visit.page.goto("about:blank")
    job = second.rstrip("/").rpartition("/")[2]
    assert visit.page.context.request.post(f"{visit.web.url}/api/v1/jobs/{job}/cancel/").status == 202
    assert visit.send() not in (first, second)
    assert len(visit.jobs()) == 4
    visit.page.goto(f"{visit.web.url}/me/")
    visit.page.click("[data-new]")
    assert visit.send() not in [visit.web.url + job["links"]["page"] for job in visit.jobs()[1:]]
    assert len(visit.jobs()) == 5, "who asks for a new hero gets one"


def test_a_page_on_an_address_that_is_not_secure_makes_the_same_digests(visit):
    visit.page.goto(visit.web.url)
    pairs = visit.page.evaluate(
        """async () => {
            const { plainSha256, sha256 } = await import("/static/js/digest.js");
            const samples = [0, 1, 55, 56, 63, 64, 65, 119, 70000].map(
                size => Uint8Array.from({ length: size }, (_, at) => at * 31 + size));
            return Promise.all(samples.map(async bytes => [plainSha256(bytes), await sha256(bytes)]));
        }"""
    )
    assert [plain for plain, _ in pairs] == [own for _, own in pairs]
    assert pairs[0][0] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_receipt_is_on_the_page_and_the_photo_is_compared_on_the_device(visit, tmp_path):
    visit.send()
    visit.page.click("[data-receipt-link]")
    text = visit.page.input_value("[data-receipt-text]")
    assert text.startswith("eyJ")
    with visit.page.expect_download() as download:
        visit.page.click("[data-receipt-save]")
    assert download.value.path().read_text().startswith(text)
    with visit.page.expect_popup() as popup:
        visit.page.click("#receipt [type=submit]")
    page = popup.value
    page.wait_for_selector("[data-verdict=open]")
    page.set_input_files("#receipt-photo", PHOTO)
    page.wait_for_selector("[data-compared=other]")
    other = visit.page.context.request
    files = {"selfie": {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": PHOTO.read_bytes()}}
    sent = other.post(f"{visit.web.url}/api/v1/jobs/", multipart=files | {"look": "neon-noir", "consent": "true"})
    page.goto(f"{visit.web.url}/receipts/verify?receipt={sent.json()['receipt']}")
    page.set_input_files("#receipt-photo", PHOTO)
    page.wait_for_selector("[data-compared=same]")
    visit.page.goto("about:blank")
    visit.page.goto(visit.web.url + sent.json()["links"]["page"])
    visit.page.click("[data-receipt-link]")
    wait_for(lambda: visit.page.input_value("[data-receipt-text]") == sent.json()["receipt"], "the receipt")
