"""People who left are told: from the end of a job to the push service and the mail server, once."""

import os
import smtplib
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone

from jobs import lifecycle, services
from jobs.lanes import pumps
from jobs.models import Heartbeat, Lane
from jobs.queue import engine
from jobs.queue.engine import Pump
from jobs.reconcile import retention
from notifications import lane, push
from notifications.lane import NotifyLane
from notifications.models import Notification, PushSubscription
from tests import factories
from tests.jobs.threads import in_threads
from tests.support.push import Browser, PushService, unb64, vapid_claims

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def push_service(settings):
    with PushService() as service:
        settings.PUSH_PRIVATE_HOSTS = (service.host,)
        yield service


@pytest.fixture
def browser():
    return Browser()


@pytest.fixture
def subscribed(push_service, browser):
    """The browser of the jobs' owner has subscribed."""
    return make_subscription(push_service, browser)


def make_subscription(service, browser, **values):
    fields = service.subscription(browser)
    given = {"owner": factories.OWNER, "endpoint": fields["endpoint"], "endpoint_hash": fields["endpoint"][-20:]}
    return PushSubscription.objects.create(**given | fields["keys"] | {"created_at": timezone.now()} | values)


@pytest.fixture
def notify():
    """Work the lane until nothing is due."""
    pump = Pump(NotifyLane(), listens=False)
    yield lambda: pump.run(linger=0.0)
    pump.threads.shutdown(wait=True)


def fail(job, code="deadline"):
    with transaction.atomic():
        assert lifecycle.fail(job.id, code=code, now=timezone.now())


def make_due():
    Notification.objects.update(due_at=timezone.now())


# --- Web push -------------------------------------------------------------------------------------------


def test_a_push_decrypts_to_the_right_text(subscribed, push_service, browser, notify):
    job = factories.make_finished_job(hero_name="NOVA-7")
    notify()
    (pushed,) = push_service.pushed
    assert browser.read(pushed.body) == {
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
def test_any_name_fits_into_a_push(name, subscribed, push_service, browser, notify):
    factories.make_finished_job(hero_name=name)
    notify()
    assert name in browser.read(push_service.pushed[0].body)["body"]


def test_each_push_has_keys_of_its_own(push_service, browser):
    target = push.Target(push_service.endpoint(), **browser.keys)
    first, second = push.encrypt(target, b"same"), push.encrypt(target, b"same")
    assert first[:86] != second[:86]
    assert browser.decrypt(first) == browser.decrypt(second) == b"same"


def test_a_failed_film_is_told_with_its_reason(subscribed, push_service, browser, notify):
    fail(factories.make_job(), "no_face")
    notify()
    told = browser.read(push_service.pushed[0].body)
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


def test_a_push_service_that_is_away_is_asked_again(browser, notify, settings):
    with PushService() as service:
        settings.PUSH_PRIVATE_HOSTS = (service.host,)
        make_subscription(service, browser)
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


def test_a_browser_with_a_magic_link_hears_of_that_film_only(push_service, browser, notify):
    job, other = factories.make_job(), factories.make_job()
    make_subscription(push_service, browser, owner="v:guest", job=job)
    fail(other)
    fail(job)
    notify()
    assert [browser.read(pushed.body)["tag"] for pushed in push_service.pushed] == [f"job-{job.id}"]


# --- Once -----------------------------------------------------------------------------------------------


def test_what_has_to_be_sent_is_written_by_the_transaction_that_ends_the_job(subscribed):
    job = factories.make_job(email="nova@city.example")
    with pytest.raises(RuntimeError), transaction.atomic():
        assert lifecycle.fail(job.id, code="deadline", now=timezone.now())
        assert Notification.objects.count() == 2
        raise RuntimeError
    assert not factories.reload(job).is_final
    assert not Notification.objects.exists()
    fail(job)
    assert sorted(Notification.objects.values_list("channel", flat=True)) == ["email", "push"]


@pytest.mark.django_db(transaction=True)
def test_two_pumps_send_each_message_once(push_service, browser):
    make_subscription(push_service, browser)
    jobs = [factories.make_job() for _ in range(12)]
    for job in jobs:
        fail(job)
    made = [Pump(NotifyLane(), listens=False) for _ in range(2)]
    in_threads(2, lambda index: made[index].run(linger=0.0))
    for pump in made:
        pump.threads.shutdown(wait=True)
    tags = sorted(browser.read(pushed.body)["tag"] for pushed in push_service.pushed)
    assert tags == sorted(f"job-{job.id}" for job in jobs)
    assert Notification.objects.filter(sent_at=None).count() == 0


def test_a_crash_before_the_sending_is_made_up_for_after_the_lease(subscribed, push_service, notify):
    factories.make_finished_job()
    assert len(NotifyLane().claim(5)) == 1
    notify()
    assert push_service.pushed == [], "another worker holds it"
    make_due()
    notify()
    assert len(push_service.pushed) == 1


def test_a_crash_after_the_sending_sends_what_replaces_the_first(subscribed, push_service, browser, notify):
    factories.make_finished_job()
    crashed = NotifyLane()
    (message,) = crashed.claim(5)
    result = crashed.work(message)
    make_due()
    notify()
    first, second = push_service.pushed
    assert first.headers["topic"] == second.headers["topic"]
    assert browser.read(first.body)["tag"] == browser.read(second.body)["tag"]
    row = Notification.objects.get()
    crashed.record([result])
    assert Notification.objects.get().sent_at == row.sent_at, "whoever lost the lease writes nothing"


def test_a_lease_is_renewed_while_a_push_service_takes_its_time(subscribed):
    factories.make_finished_job()
    busy = NotifyLane()
    held = busy.claim(5)
    make_due()
    busy.keep(held)
    assert NotifyLane().claim(5) == []


def test_an_exception_nobody_expected_costs_one_try(subscribed, push_service, notify, monkeypatch):
    factories.make_finished_job()
    monkeypatch.setattr(push, "send", lambda *_, **__: 1 / 0)
    notify()
    row = Notification.objects.get()
    assert (row.error, row.sent_at, row.given_up_at) == ("ZeroDivisionError", None, None)


# --- E-mail ---------------------------------------------------------------------------------------------


def test_a_mail_says_it_and_its_link_opens_the_film_on_any_device(notify):
    job = factories.make_finished_job(email="nova@city.example", hero_name="NOVA <7>")
    notify()
    (message,) = mail.outbox
    assert message.to == ["nova@city.example"]
    assert message.subject == "Your film is ready – Selfie Hero"
    assert "NOVA <7> is waiting for you." in message.body
    page, kind = message.alternatives[0]
    assert kind == "text/html"
    assert "NOVA &lt;7&gt;" in page
    link = next(line for line in message.body.splitlines() if line.startswith("http"))
    assert link.startswith(f"{settings.PUBLIC_URL}/t/")
    assert link in page
    phone = Client()
    shown = phone.get(link.removeprefix(settings.PUBLIC_URL), follow=True)
    assert shown.redirect_chain[-1][0] == f"/jobs/{job.id}/"
    assert shown.status_code == 200


def test_an_address_gets_three_mails_a_day_whoever_orders(notify):
    for address in ("nova@city.example", "NOVA@city.example", "nova+a@city.example", "nova@city.example"):
        services.erase_job(factories.make_finished_job(email=address).id, now=timezone.now())
        factories.make_finished_job(email=address)
        notify()
    assert len(mail.outbox) == 3
    assert Notification.objects.filter(given_up_at__isnull=False, error__startswith="three mails").count() == 1
    factories.make_finished_job(email="vesper@city.example")
    notify()
    assert len(mail.outbox) == 4, "others get theirs"


def test_the_mail_s_file_goes_with_the_erasure(notify, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    first, second = (factories.make_finished_job(email=f"{name}@city.example") for name in ("nova", "vesper"))
    notify()
    services.erase_job(first.id, now=timezone.now())
    (left,) = (tmp_path / "mail").iterdir()
    assert b"vesper@city.example" in left.read_bytes()
    services.erase_job(second.id, now=timezone.now())
    assert list((tmp_path / "mail").iterdir()) == []


def test_a_mail_sent_twice_is_the_same_message(notify):
    factories.make_finished_job(email="nova@city.example")
    crashed = NotifyLane()
    for message in crashed.claim(5):
        crashed.work(message)
    make_due()
    notify()
    first, second = (sent.message()["Message-ID"] for sent in mail.outbox)
    assert first == second


def test_an_address_is_forgotten_when_the_film_was_told_of(notify):
    job = factories.make_finished_job(email="nova@city.example")
    notify()
    assert factories.reload(job).email == ""


def test_after_a_failure_the_address_stays_for_the_film_that_staff_make_after_all(notify):
    job = factories.make_job(email="nova@city.example")
    fail(job)
    notify()
    assert mail.outbox[0].subject == "No film this time – Selfie Hero"
    assert factories.reload(job).email == "nova@city.example"


@pytest.mark.parametrize(
    ("error", "is_over"),
    [
        (smtplib.SMTPRecipientsRefused({"x": (550, b"no such user")}), True),
        (smtplib.SMTPRecipientsRefused({"x": (451, b"greylisted")}), False),
        (smtplib.SMTPDataError(554, b"spam"), True),
        (smtplib.SMTPServerDisconnected("gone"), False),
        (smtplib.SMTPAuthenticationError(535, b"who are you"), False),
        (ConnectionRefusedError(), False),
    ],
)
def test_what_a_mail_server_says_decides_whether_to_try_again(error, is_over, notify, monkeypatch):
    def send(self, **_):
        raise error

    monkeypatch.setattr(mail.EmailMultiAlternatives, "send", send)
    factories.make_finished_job(email="nova@city.example")
    notify()
    row = Notification.objects.get()
    assert (row.given_up_at is not None) is is_over
    assert row.sent_at is None
    assert "nova" not in row.error


def test_without_a_mail_server_a_mail_is_a_file(notify, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    factories.make_finished_job(email="nova@city.example")
    notify()
    (path,) = settings.EMAIL_FILE_PATH.iterdir()
    assert "To: nova@city.example" in path.read_text()
    retention.sweep(now=timezone.now())
    assert path.exists()
    old = timezone.now() - settings.RETENTION - timedelta(minutes=1)
    os.utime(path, (old.timestamp(), old.timestamp()))
    retention.sweep(now=timezone.now())
    assert not path.exists(), "it is kept no longer than the film"


# --- Erasing --------------------------------------------------------------------------------------------


def test_what_is_erased_is_told_to_nobody(subscribed, push_service, notify):
    job = factories.make_finished_job(email="nova@city.example")
    services.erase_job(job.id, now=timezone.now())
    notify()
    assert push_service.pushed == []
    assert mail.outbox == []
    assert not Notification.objects.exists()


def test_with_the_last_film_goes_where_to_send_messages(subscribed, push_service, browser):
    first, second = factories.make_job(), factories.make_job()
    make_subscription(push_service, browser, owner="v:guest", job=first)
    services.erase_job(first.id, now=timezone.now())
    assert list(PushSubscription.objects.all()) == [subscribed]
    services.erase_job(second.id, now=timezone.now())
    assert not PushSubscription.objects.exists()


# --- Who works it ---------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_reconcile_works_the_lane_unless_a_worker_does(push_service, browser, reconciler):
    make_subscription(push_service, browser)
    engine.beat("worker-notify")
    fail(factories.make_job())
    reconciler._work_other_lanes()
    assert "notify" not in reconciler._substitutes
    Heartbeat.objects.filter(name="worker-notify").delete()
    reconciler._work_other_lanes()
    reconciler._substitutes["notify"].join(20)
    assert len(push_service.pushed) == 1
    pumps._substitute_pump("notify").threads.shutdown(wait=True)
    pumps._substitute_pump.cache_clear()


def test_every_lane_has_a_queue_and_a_pump():
    assert set(settings.RQ_QUEUES) == set(pumps.lanes()) == {*Lane.values, "notify"}
