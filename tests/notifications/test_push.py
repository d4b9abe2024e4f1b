"""Web push: what a browser gets, and what a push service's answers lead to."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from jobs import services
from notifications import lane, push
from notifications.models import Notification, PushSubscription
from tests import factories
from tests.notifications.steps import fail, make_due, make_subscription
from tests.support.push import PushService, unb64, vapid_claims

pytestmark = [pytest.mark.django_db, pytest.mark.database]


# --- Web push -------------------------------------------------------------------------------------------


def test_a_push_decrypts_to_the_right_text(subscribed, push_service, device, notify):
    job = factories.make_finished_job(hero_name="NOVA-7")
    notify()
    (pushed,) = push_service.pushed
    assert device.read(pushed.body) == {
        "title": "Your film is ready",
        "body": "NOVA-7 is waiting for you.",
        "url": f"/jobs/{job.id}/",
        "tag": f"job-{job.id}",
    }
    assert pushed.headers["content-encoding"] == "aes128gcm"
    assert 0 < int(pushed.headers["ttl"]) <= settings.RETENTION.total_seconds()
    assert unb64(pushed.headers["topic"]) == job.id.bytes, "one that comes twice replaces the first"
    assert Notification.objects.get().sent_at is not None
    subscribed.refresh_from_db()
    assert subscribed.last_ok_at is not None


def test_a_push_is_signed_for_its_push_service_with_the_key_that_browsers_get(subscribed, push_service, notify, api):
    factories.make_finished_job()
    notify()
    claims, key = vapid_claims(push_service.pushed[0].headers["authorization"])
    assert claims["aud"] == f"http://{push_service.host}"
    assert claims["sub"] == settings.VAPID_SUBJECT
    assert 0 < claims["exp"] - timezone.now().timestamp() <= 24 * 3600
    assert key == api.get("/api/v1/push/key/").json()["key"]


@pytest.mark.parametrize("name", ["", "Ж" * 24, "💥" * 24])
def test_any_name_fits_into_a_push(name, subscribed, push_service, device, notify):
    factories.make_finished_job(hero_name=name)
    notify()
    assert name in device.read(push_service.pushed[0].body)["body"]


def test_each_push_has_keys_of_its_own(push_service, device):
    target = push.Target(push_service.endpoint(), **device.keys)
    first, second = push.encrypt(target, b"same"), push.encrypt(target, b"same")
    assert first[:86] != second[:86]
    assert device.decrypt(first) == device.decrypt(second) == b"same"


def test_a_failed_film_is_told_with_its_reason(subscribed, push_service, device, notify):
    fail(factories.make_job(), "no_face")
    notify()
    told = device.read(push_service.pushed[0].body)
    assert told["title"] == "No film this time"
    assert "face" in told["body"]


@pytest.mark.parametrize(("by", "count"), [("owner", 0), ("retention", 0), ("staff", 1)])
def test_a_canceled_film_is_told_to_its_owner_unless_they_canceled_it(by, count, subscribed, push_service, notify):
    services.cancel_job(factories.make_job().id, now=timezone.now(), by=by)
    notify()
    assert len(push_service.pushed) == count


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_is_over_is_forgotten(status, subscribed, push_service, notify):
    push_service.answers = [(status, {})]
    factories.make_finished_job()
    notify()
    assert not PushSubscription.objects.exists()
    assert not Notification.objects.is_open().exists()


@pytest.mark.parametrize("status", [503, 500, 429])
def test_a_push_service_that_is_busy_is_asked_again(status, subscribed, push_service, notify):
    push_service.answers = [(status, {"Retry-After": "90"})]
    factories.make_finished_job()
    notify()
    row = Notification.objects.get()
    assert (row.sent_at, row.given_up_at, row.tries) == (None, None, 1)
    assert row.due_at > timezone.now() + timedelta(seconds=80), "not before it said"
    notify()
    assert len(push_service.pushed) == 1
    make_due()
    notify()
    assert len(push_service.pushed) == 2
    assert Notification.objects.get().sent_at is not None


def test_it_is_not_tried_for_ever(subscribed, push_service, notify):
    push_service.answers = [(503, {})] * (lane.MOST_TRIES + 5)
    factories.make_finished_job()
    for _ in range(lane.MOST_TRIES + 3):
        make_due()
        notify()
    assert len(push_service.pushed) == lane.MOST_TRIES
    row = Notification.objects.get()
    assert row.given_up_at is not None
    assert "503" in row.error
    assert PushSubscription.objects.exists(), "that says nothing against the subscription"


def test_a_push_that_is_refused_is_not_repeated_and_the_fifth_ends_the_subscription(subscribed, push_service, notify):
    push_service.answers = [(403, {})] * lane.MOST_REFUSALS
    for number in range(1, lane.MOST_REFUSALS + 1):
        assert PushSubscription.objects.exists()
        fail(factories.make_job())
        notify()
        make_due()
        notify()
        assert len(push_service.pushed) == number
    assert not PushSubscription.objects.exists()


def test_a_redirect_is_not_followed(subscribed, push_service, notify):
    push_service.answers = [(307, {"Location": push_service.endpoint()})]
    factories.make_finished_job()
    notify()
    assert len(push_service.pushed) == 1
    assert Notification.objects.get().given_up_at is not None


def test_a_push_service_that_is_away_is_asked_again(device, notify, settings):
    with PushService() as service:
        settings.PUSH_PRIVATE_HOSTS = (service.host,)
        make_subscription(service, device)
    factories.make_finished_job()
    notify()
    row = Notification.objects.get()
    assert row.sent_at is row.given_up_at is None
    assert row.due_at > timezone.now()


def test_what_was_subscribed_before_the_rules_changed_is_not_connected_to(push_service, subscribed, notify, settings):
    settings.PUSH_PRIVATE_HOSTS = ()
    factories.make_finished_job()
    notify()
    assert push_service.pushed == []
    assert Notification.objects.get().given_up_at is not None


def test_a_browser_with_a_magic_link_hears_of_that_film_only(push_service, device, notify):
    job, other = factories.make_job(), factories.make_job()
    make_subscription(push_service, device, owner="v:guest", job=job)
    fail(other)
    fail(job)
    notify()
    assert [device.read(pushed.body)["tag"] for pushed in push_service.pushed] == [f"job-{job.id}"]
