"""The doors for being told: subscriptions of browsers, and an address for a film under way."""

import json

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from jobs import magic_links, services
from jobs.intake import throttles
from jobs.models import Job
from notifications.models import PushSubscription
from notifications.subscriptions import MOST_PER_OWNER
from tests import factories
from tests.jobs.orders import order
from tests.support.push import Browser, b64, unb64

pytestmark = pytest.mark.django_db
URL = "/api/v1/push/subscriptions/"


def body_of(browser=None, endpoint="https://push.example/abc", **values):
    keys = (browser or Browser()).keys
    return {"endpoint": endpoint, "expirationTime": None, "keys": keys} | values


def send(client, body, method="post", **choices):
    return getattr(client, method)(URL, json.dumps(body), content_type="application/json", **choices)


@pytest.fixture
def job(api):
    api.post("/api/v1/jobs/", order())
    return Job.objects.select_related("look").get()


def test_a_browser_subscribes_once_and_is_told_for_its_owner(api, job):
    browser = Browser()
    answer = send(api, body_of(browser), headers={"User-Agent": "Mozilla/5.0 " + "x" * 500})
    assert answer.status_code == 201
    row = PushSubscription.objects.get()
    assert (row.owner, row.job, row.endpoint) == (job.owner, None, "https://push.example/abc")
    assert len(row.user_agent) == 120
    assert send(api, body_of(browser)).status_code == 200
    assert PushSubscription.objects.count() == 1


def test_new_keys_of_the_same_browser_replace_the_old(api, job):
    newer = Browser()
    send(api, body_of())
    send(api, body_of(newer))
    assert PushSubscription.objects.get().p256dh == newer.keys["p256dh"]


def test_a_browser_without_a_cookie_gets_one(db):
    client = Client()
    assert send(client, body_of()).status_code == 201
    assert settings.VISITOR_COOKIE_NAME in client.cookies


def test_the_oldest_of_too_many_goes(api, job):
    for number in range(MOST_PER_OWNER + 2):
        assert send(api, body_of(endpoint=f"https://push.example/{number}")).status_code == 201
    kept = set(PushSubscription.objects.values_list("endpoint", flat=True))
    assert kept == {f"https://push.example/{number}" for number in range(2, MOST_PER_OWNER + 2)}


def test_who_came_with_a_magic_link_hears_of_that_film_only(api, job):
    phone = Client()
    phone.get(magic_links.url_for(job, now=timezone.now()))
    assert send(phone, body_of(job=str(job.id))).status_code == 201
    row = PushSubscription.objects.get()
    assert row.job_id == job.id
    assert row.owner != job.owner
    send(api, body_of(job=str(job.id), endpoint="https://push.example/own"))
    assert PushSubscription.objects.get(endpoint="https://push.example/own").job is None


def test_nobody_hears_of_a_film_of_somebody_else(api, job):
    answer = send(Client(), body_of(job=str(job.id)))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not PushSubscription.objects.exists()


POINT = Browser().point


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("endpoint", {"endpoint": "http://push.example/x"}),
        ("endpoint", {"endpoint": "https://127.0.0.1/x"}),
        ("endpoint", {"endpoint": "https://push.example:444/x"}),
        ("endpoint", {"endpoint": "https://push.example/" + "x" * 1000}),
        ("endpoint", {"endpoint": "https://push.example/\x00"}),
        ("endpoint", {"endpoint": 7}),
        ("endpoint", {"endpoint": None}),
        ("keys.p256dh", {"keys": None}),
        ("keys.p256dh", {"keys": []}),
        ("keys.p256dh", {"keys": {"p256dh": "x", "auth": b64(bytes(16))}}),
        ("keys.p256dh", {"keys": {"p256dh": b64(b"\x04" + bytes(64)), "auth": b64(bytes(16))}}),
        ("keys.p256dh", {"keys": {"p256dh": b64(b"\x02" + POINT[1:33]), "auth": b64(bytes(16))}}),
        ("keys.p256dh", {"keys": {"p256dh": "ü" * 87, "auth": b64(bytes(16))}}),
        ("keys.auth", {"keys": {"p256dh": b64(POINT), "auth": b64(bytes(15))}}),
        ("job", {"job": "x"}),
        ("job", {"job": {}}),
    ],
)
def test_what_is_no_subscription_is_said_with_its_field(field, change, api, job):
    answer = send(api, body_of() | change)
    assert answer.status_code == 422, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["field"] == field
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize(
    "change",
    [{"endpoint": "https://push.example/\ud800"}, {"keys": {"p256dh": b64(POINT), "auth": "\ud800"}}],
    ids=["endpoint", "keys.auth"],
)
def test_half_of_a_surrogate_pair_is_refused_as_json_before_fields_are_read(change, api, job):
    answer = send(api, body_of() | change)
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "malformed"
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"x"', "[1,2]"])
def test_what_is_no_object_is_a_problem(text, api, job):
    answer = api.post(URL, text, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert answer["Content-Type"] == "application/problem+json"
    assert api.delete(URL, text, content_type="application/json").status_code in (204, 400)


def test_padding_of_any_length_is_stored_as_none(api, job):
    browser = Browser()
    keys = {name: value + "=" * 200 for name, value in browser.keys.items()}
    assert send(api, body_of() | {"keys": keys}).status_code == 201
    assert PushSubscription.objects.get().p256dh == browser.keys["p256dh"]


def test_only_its_owner_ends_a_subscription(api, job):
    send(api, body_of())
    other_visitor = Client()
    other_visitor.get("/api/v1/looks/")
    assert send(other_visitor, {"endpoint": "https://push.example/abc"}, "delete").status_code == 204
    assert PushSubscription.objects.exists()
    assert send(api, {"endpoint": "https://push.example/abc"}, "delete").status_code == 204
    assert not PushSubscription.objects.exists()


def test_another_site_subscribes_nobody(api, job):
    answer = send(api, body_of(), headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert not PushSubscription.objects.exists()


def test_it_is_counted(api, job, monkeypatch):
    cache.clear()
    monkeypatch.setitem(throttles.Notify.THROTTLE_RATES, "notify", "2/min")
    assert [send(api, body_of()).status_code for _ in range(3)] == [201, 200, 429]


def test_the_key_is_a_point_and_stays_the_same(api):
    first, second = (api.get("/api/v1/push/key/").json()["key"] for _ in range(2))
    assert first == second
    assert len(unb64(first)) == 65


# --- An address for a film under way ----------------------------------------------------------------------


def email(client, job, value="nova@city.example"):
    return client.post(f"/api/v1/jobs/{job.id}/notify/", {"email": value}, content_type="application/json")


def test_an_address_can_be_added_while_waiting_and_changed(api, job):
    answer = email(api, job)
    assert answer.status_code == 202
    assert answer.json()["id"] == str(job.id)
    assert "nova" not in answer.content.decode(), "the page does not need to be told"
    email(api, job, "other@city.example")
    assert factories.reload(job).email == "other@city.example"


@pytest.mark.parametrize(
    "value", ["", "nova", "nova@", "a@b\nBcc: c@d", 7, None, ["a@b.example"], "a" * 260 + "@b.example"]
)
def test_what_is_no_address_is_said(value, api, job):
    answer = email(api, job, value)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "email_invalid", "email")


def test_only_its_owner_adds_an_address(api, job):
    assert email(Client(), job).status_code == 404
    assert factories.reload(job).email == ""


def test_after_the_end_there_is_nothing_to_wait_for(api, job):
    services.cancel_job(job.id, now=timezone.now())
    answer = email(api, job)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_ended")
    assert factories.reload(job).email == ""


def test_where_no_mail_is_sent_no_address_is_taken(api, job, settings):
    settings.EMAIL_OFFERED = False
    assert email(api, job).json()["code"] == "email_off"
    assert factories.reload(job).email == ""
