"""The second step of a log-in: a code, a backup code, a passkey."""

import re
import time

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

from jobs.models import AuditEntry
from tests.support.browser import running_browser
from tests.support.processes import free_port
from tests.support.served import Served

PASSWORD = "correct horse battery staple"


@pytest.fixture
def ada(db):
    return get_user_model().objects.create_superuser("ada", password=PASSWORD)


def log_in(client, *, then="/admin/jobs/job/"):
    return client.post("/admin/login/", {"username": "ada", "password": PASSWORD, "next": then}, follow=True)


def code(device):
    device.refresh_from_db()
    # A code is good once: the next one, as a clock that is half a minute fast shows it.
    return f"{totp(device.bin_key, drift=max(0, device.last_t + 1 - int(time.time()) // 30)):06d}"


def enrol(client):
    """Set up a code app and return the device and its backup codes."""
    page = client.post("/admin/security/", {"do": "start_app"}).content.decode()
    device = TOTPDevice.objects.get()
    assert "data:image/svg+xml" in page
    assert 'name="code"' in page
    done = client.post("/admin/security/", {"do": "confirm_app", "code": code(device)}).content.decode()
    codes = re.findall(r"<code>([a-z0-9]+)</code>", done)
    assert len(codes) == 10
    return device, codes


def reaches_the_admin(client):
    return client.get("/admin/jobs/job/").status_code == 200


def test_without_one_a_password_is_enough_by_default(ada):
    client = Client()
    assert log_in(client).status_code == 200
    assert reaches_the_admin(client)


def test_a_password_alone_opens_nothing_once_one_is_set_up(ada):
    first = Client()
    log_in(first)
    device, _codes = enrol(first)
    assert reaches_the_admin(first), "who has just set it up is in"
    client = Client()
    answer = log_in(client)
    assert answer.redirect_chain[-1][0].startswith("/admin/second-step/?next=")
    for path in ("/admin/", "/admin/jobs/job/", "/admin/security/", "/admin/password_change/"):
        assert client.get(path).status_code == 302, path
    assert client.post("/admin/security/", {"do": "remove", "device": device.persistent_id}).status_code == 302
    assert TOTPDevice.objects.exists()
    taken = client.post("/admin/second-step/", {"code": code(device), "next": "/admin/jobs/job/"})
    assert (taken.status_code, taken["Location"]) == (302, "/admin/jobs/job/")
    assert reaches_the_admin(client)


def test_a_session_that_was_open_takes_the_step_too(ada):
    other, client = Client(), Client()
    log_in(other)
    log_in(client)
    enrol(client)
    assert not reaches_the_admin(other)


def test_a_code_is_good_once_and_wrong_ones_make_the_next_try_wait(ada, caplog):
    client = Client()
    log_in(client)
    device, _ = enrol(client)
    used = f"{totp(device.bin_key):06d}"
    for attempt in (used, "000000", "x", ""):
        fresh = Client()
        log_in(fresh)
        assert fresh.post("/admin/second-step/", {"code": attempt}).status_code == 403
        assert not reaches_the_admin(fresh)
    assert "second_step_failed" in caplog.text
    assert used not in caplog.text
    right = code(device)
    assert fresh.post("/admin/second-step/", {"code": right}).status_code == 403, "too soon after wrong ones"


def test_a_backup_code_is_good_once(ada):
    client = Client()
    log_in(client)
    _, codes = enrol(client)
    for expected in (302, 403):
        fresh = Client()
        log_in(fresh)
        assert fresh.post("/admin/second-step/", {"code": codes[0]}).status_code == expected
    assert StaticToken.objects.count() == 9


def test_the_second_step_gives_the_session_a_new_key(ada):
    client = Client()
    before = client.get("/admin/login/") and client.session.session_key
    log_in(client)
    first = client.session.session_key
    enrol(client)
    assert len({before, first, client.session.session_key}) == 3


def test_where_it_is_required_nobody_gets_past_setting_it_up(ada, settings):
    settings.REQUIRE_STAFF_2FA = True
    client = Client()
    answer = log_in(client)
    assert answer.redirect_chain[-1][0].startswith("/admin/security/")
    assert "Everybody here logs in with a second step" in answer.content.decode()
    assert not reaches_the_admin(client)
    enrol(client)
    assert reaches_the_admin(client)


def test_changes_are_written_down_and_the_last_device_takes_the_codes_along(ada):
    client = Client()
    log_in(client)
    device, _ = enrol(client)
    client.post("/admin/security/", {"do": "remove", "device": device.persistent_id})
    assert not StaticToken.objects.exists()
    entries = AuditEntry.objects.order_by("at").values_list("actor__username", "action")
    assert list(entries) == [("ada", "second_step_added"), ("ada", "second_step_removed")]
    assert reaches_the_admin(client)


def test_people_who_are_no_staff_have_no_business_there(db):
    client = Client()
    client.force_login(get_user_model().objects.create_user("visitor"))
    for path in ("/admin/security/", "/admin/second-step/"):
        assert client.get(path)["Location"] == "/admin/login/"


@pytest.mark.parametrize(
    ("seen", "since", "is_in"), [(3500, 3500, True), (3700, 3700, False), (10, 8 * 3600 + 1, False)]
)
def test_a_log_in_ends_when_it_is_idle_or_old(seen, since, is_in, ada):
    client = Client()
    log_in(client)
    session = client.session
    now = timezone.now().timestamp()
    session["seen_at"], session["logged_in_at"] = now - seen, now - since
    session.save()
    assert reaches_the_admin(client) is is_in


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_passkey_in_a_real_browser_under_our_policy(tmp_path, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]  # as the web process has it
    get_user_model().objects.create_superuser("ada", password=PASSWORD)
    port = free_port()
    env = {"PUBLIC_URL": f"http://localhost:{port}", "PORT": str(port)}
    web = Served(tmp_path, database=str(connection.settings_dict["NAME"]), env=env)
    web.port, web.url = port, env["PUBLIC_URL"]
    with web, running_browser() as browser:
        page = browser.new_page()
        violations = []
        page.on("console", lambda said: violations.append(said.text) if "Content Security" in said.text else None)
        cdp = page.context.new_cdp_session(page)
        cdp.send("WebAuthn.enable")
        key = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
        options = key | {"isUserVerified": True, "automaticPresenceSimulation": True}
        cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})

        def with_password():
            page.goto(f"{web.url}/admin/login/?next=/admin/")
            page.fill("#id_username", "ada")
            page.fill("#id_password", PASSWORD)
            page.click("#login-form input[type=submit]")

        with_password()
        page.wait_for_url(f"{web.url}/admin/")
        page.goto(f"{web.url}/admin/security/")
        page.click("#passkey-register-button")
        page.wait_for_selector("button:has-text('Remove')")
        page.context.clear_cookies()
        with_password()
        page.wait_for_url("**/admin/second-step/**")
        page.click("#passkey-verification-button")
        page.wait_for_url(f"{web.url}/admin/")
        page.context.clear_cookies()
        page.goto(f"{web.url}/admin/login/?next=/admin/jobs/job/")
        page.click("#passkey-verification-button")
        page.wait_for_url(f"{web.url}/admin/jobs/job/")
        assert violations == []
        assert "second_step_taken user=" in web.said()
        assert web.said().count("login_succeeded") == 3
    assert WebAuthnCredential.objects.get().user.username == "ada"
