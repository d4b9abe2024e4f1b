"""What makes the site an app: service worker, manifest, the page for being offline; and "Tell me" on the wait page."""

import json
import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from PIL import Image

from tests import factories
from tests.support.browser import running_browser
from tests.support.processes import wait_for
from tests.support.push import Browser, b64


def test_the_service_worker_looks_after_the_whole_site_and_is_never_kept():
    answer = Client().get("/sw.js")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/javascript")
    assert "no-cache" in answer["Cache-Control"]
    assert "connect-src 'self'" in answer["Content-Security-Policy"]


def test_all_that_the_page_for_being_offline_is_made_of_is_there():
    """One file that is missing, and no browser would install the worker."""
    text = Client().get("/sw.js").content.decode()
    told = json.loads(json.loads(re.search(r"JSON\.parse\((\".*?\")\)", text)[1]))
    assert Client().get(told["page"]).status_code == 200
    assert len(told["files"]) > 8
    for path in [*told["files"], told["icon"]]:
        assert finders.find(path.removeprefix("/static/")), path
    shown = Client().get(told["page"]).content.decode()
    for path in re.findall(r'(?:href|src)="(/static/(?:css|js|img)/[^"#]+)', shown):
        if path not in ("/static/css/noscript.css", "/static/img/app-180.png"):
            assert path in told["files"], path


def test_the_manifest_makes_it_installable():
    answer = Client().get("/manifest.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    manifest = answer.json()
    assert (manifest["display"], manifest["scope"], manifest["id"]) == ("standalone", "/", "/")
    icons = [icon for icon in manifest["icons"] if icon["type"] == "image/png"]
    assert {icon.get("purpose", "any") for icon in icons} == {"any", "maskable"}
    for icon in icons:
        with Image.open(finders.find(icon["src"].removeprefix("/static/"))) as picture:
            assert f"{picture.width}x{picture.height}" == icon["sizes"]
            is_opaque = picture.convert("RGBA").getpixel((0, 0))[3] == 255
            assert is_opaque is (icon.get("purpose") == "maskable"), "a mask cuts into a full background"


def test_every_page_names_the_manifest_and_may_start_a_worker(db):
    factories.make_look()
    answer = Client().get("/")
    assert b'<link rel="manifest" href="/manifest.webmanifest">' in answer.content
    assert b'rel="apple-touch-icon"' in answer.content
    assert "worker-src 'self'" in answer["Content-Security-Policy"]
    assert "manifest-src 'self'" in answer["Content-Security-Policy"]


def test_where_no_mail_is_sent_no_address_is_asked_for(db, settings):
    assert b"Or by e-mail" in Client().get("/wait/").content
    settings.EMAIL_OFFERED = False
    shown = Client().get("/wait/").content
    assert b"Or by e-mail" not in shown
    assert b"Notify this device" in shown


# --- In a real browser -----------------------------------------------------------------------------------

# Chromium's own push service is outside; what its script would return is given here. All else is real.
FAKE_SUBSCRIBE = """
PushManager.prototype.subscribe = async function (choices) {
  window.subscribedWith = Array.from(new Uint8Array(choices.applicationServerKey));
  return { endpoint: "https://push.example/abc", options: choices,
           toJSON: () => (%s), unsubscribe: async () => true };
};
"""


@pytest.fixture(scope="module")
def browser():
    """One Chromium. Its driver leaves an event loop in this thread; Django may work all the same."""
    with pytest.MonkeyPatch.context() as patch, running_browser() as running:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield running


@pytest.fixture
def waiting(transactional_db, web, browser, visitor):
    """A waiting job's page, in a context of its own with its owner's cookie, and what went wrong in it."""
    cookie, owner = visitor
    job = factories.make_job(owner=owner, hero_name="NOVA-7")
    name, value = cookie.split("=", 1)
    context = browser.new_context(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    context.add_cookies([{"name": name, "value": value, "url": web.url}])
    context.grant_permissions(["notifications"], origin=web.url)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            page.problems.append(message.text) if message.type == "error" and "WebSocket" not in message.text else None
        ),
    )
    yield job, web, page
    context.close()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_address_is_left_on_the_wait_page(waiting):
    job, web, page = waiting
    page.goto(f"{web.url}/jobs/{job.id}/")
    page.click("[data-open=notify]")
    page.fill("#email", "nova@")
    page.click("[data-email] button")
    assert page.locator("#email-error").is_visible()
    assert page.get_attribute("#email", "aria-invalid") == "true"
    page.fill("#email", "nova@city.example")
    page.click("[data-email] button")
    page.locator("#notify").wait_for(state="hidden")
    assert page.text_content("[data-notify-label]") == "Open the mail we sent"
    assert factories.reload(job).email == "nova@city.example"
    assert page.problems == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_device_is_told_when_it_asked_and_shows_what_it_is_pushed(waiting):
    from notifications.models import PushSubscription

    job, web, page = waiting
    shown = {"endpoint": "https://push.example/abc", "keys": Browser().keys}
    page.add_init_script(FAKE_SUBSCRIBE % json.dumps(shown))
    page.goto(f"{web.url}/jobs/{job.id}/")
    page.click("[data-open=notify]")
    page.click("[data-push]")
    page.locator('[data-push][aria-pressed="true"]').wait_for()
    row = PushSubscription.objects.get()
    assert (row.owner, row.endpoint) == (job.owner, "https://push.example/abc")
    key = page.request.get(f"{web.url}/api/v1/push/key/").json()["key"]
    assert b64(bytes(page.evaluate("window.subscribedWith"))) == key

    # What a push service would bring, by the browser's own debugging door.
    session = page.context.new_cdp_session(page)
    registrations = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda event: registrations.extend(event["registrations"]))
    session.send("ServiceWorker.enable")
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    wait_for(lambda: page.evaluate("1") and registrations, "the worker to be registered", seconds=10)
    told = {"title": "Your film is ready", "body": "NOVA-7", "url": f"/jobs/{job.id}/", "tag": "job-1"}
    for _ in range(2):
        session.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": web.url, "registrationId": registrations[-1]["registrationId"], "data": json.dumps(told)},
        )
    ask = """navigator.serviceWorker.ready.then(async registration =>
        (await registration.getNotifications()).map(one => [one.title, one.body, one.tag, one.data.url]))"""
    wait_for(lambda: page.evaluate(ask), "the notification", seconds=10)
    assert page.evaluate(ask) == [["Your film is ready", "NOVA-7", "job-1", f"/jobs/{job.id}/"]], "one, not two"
    assert page.problems == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_photo_shared_by_another_app_is_on_the_form(waiting):
    _job, web, page = waiting
    page.goto(web.url)
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    page.goto(f"{web.url}/privacy/")  # a page that the worker looks after
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    target = Client().get("/manifest.webmanifest").json()["share_target"]
    page.evaluate(
        """([action, name]) => {
            const canvas = document.createElement("canvas"), form = document.createElement("form");
            const file = document.createElement("input"), held = new DataTransfer();
            Object.assign(canvas, { width: 300, height: 400 });
            return new Promise(resolve => canvas.toBlob(blob => {
                held.items.add(new File([blob], "shared.png", { type: "image/png" }));
                Object.assign(file, { type: "file", name, files: held.files });
                Object.assign(form, { action, method: "POST", enctype: "multipart/form-data" });
                form.append(file);
                document.body.append(form);
                resolve(form.submit());
            }));
        }""",
        [target["action"], target["params"]["files"][0]["name"]],
    )
    page.locator("[data-photo-got]").wait_for(state="visible")
    assert page.url.endswith("/?shared=1#make")
    page.reload()
    assert page.locator("[data-photo-got]").is_hidden(), "it is taken once and kept nowhere"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_without_a_line_there_is_a_page_that_says_so(waiting):
    job, web, page = waiting
    page.goto(f"{web.url}/jobs/{job.id}/")
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    page.goto(f"{web.url}/me/")
    page.context.set_offline(True)
    page.goto(f"{web.url}/jobs/{job.id}/")
    assert page.locator("[data-offline] h1").inner_text().startswith("No signal")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(5, 6, 9)", "it has its style with it"
    page.context.set_offline(False)
    page.locator("[data-wait]").wait_for(timeout=15_000)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_chime_is_played_for_who_wants_it(waiting):
    _, web, page = waiting
    job = waiting[0]
    page.add_init_script(
        "window.notes = 0; const start = OscillatorNode.prototype.start;"
        "OscillatorNode.prototype.start = function (...at) { window.notes++; return start.apply(this, at); };"
    )
    page.goto(f"{web.url}/jobs/{job.id}/")
    page.click("[data-open=notify]")
    page.check("[data-chime]")
    assert page.evaluate("window.notes") == 3, "a sample"
    page.reload()
    page.click("[data-open=notify]")
    assert page.is_checked("[data-chime]")
