"""E-mail about a film that ended."""

import os
import smtplib
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.utils import timezone

from jobs import services
from jobs.reconcile import retention
from notifications import mail_limits
from notifications.lane import NotifyLane
from notifications.models import Notification
from tests import factories
from tests.notifications.steps import confirmed, fail, make_due

pytestmark = [pytest.mark.django_db, pytest.mark.database]


# --- E-mail ---------------------------------------------------------------------------------------------


def test_a_mail_says_it_and_its_link_opens_the_film_on_any_device(notify):
    job = factories.make_finished_job(email=confirmed(), hero_name="NOVA <7>")
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
        services.erase_job(factories.make_finished_job(email=confirmed(address)).id, now=timezone.now())
        factories.make_finished_job(email=confirmed(address))
        notify()
    assert len(mail.outbox) == 3
    assert Notification.objects.filter(given_up_at__isnull=False, error__startswith="three mails").count() == 1
    factories.make_finished_job(email=confirmed("vesper@city.example"))
    notify()
    assert len(mail.outbox) == 4, "others get theirs"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nova@bücher.example", "Nova@xn--bcher-kva.example"),
        ("nova@BÜCHER.example", "nova+x@bücher.example"),
        ("nova@city.example", " NOVA@City.Example "),
    ],
)
def test_a_mailbox_is_counted_once_however_it_is_spelled(one, other):
    assert mail_limits.digest(one) == mail_limits.digest(other)
    assert mail_limits.digest(one) != mail_limits.digest(f"x{one}")


def test_the_mail_s_file_goes_with_the_erasure(notify, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    first, second = (
        factories.make_finished_job(email=confirmed(f"{name}@city.example")) for name in ("nova", "vesper")
    )
    notify()
    services.erase_job(first.id, now=timezone.now())
    (left,) = (tmp_path / "mail").iterdir()
    assert b"vesper@city.example" in left.read_bytes()
    services.erase_job(second.id, now=timezone.now())
    assert list((tmp_path / "mail").iterdir()) == []


def test_a_mail_sent_twice_is_the_same_message(notify):
    factories.make_finished_job(email=confirmed())
    crashed = NotifyLane()
    for message in crashed.claim(5):
        crashed.work(message)
    make_due()
    notify()
    first, second = (sent.message()["Message-ID"] for sent in mail.outbox)
    assert first == second


def test_an_address_is_forgotten_when_the_film_was_told_of(notify):
    job = factories.make_finished_job(email=confirmed())
    notify()
    assert factories.reload(job).email == ""


def test_after_a_failure_the_address_stays_for_the_film_that_staff_make_after_all(notify):
    job = factories.make_job(email=confirmed())
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
    factories.make_finished_job(email=confirmed())
    notify()
    row = Notification.objects.get()
    assert (row.given_up_at is not None) is is_over
    assert row.sent_at is None
    assert "nova" not in row.error


def test_without_a_mail_server_a_mail_is_a_file(notify, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    factories.make_finished_job(email=confirmed())
    notify()
    (path,) = settings.EMAIL_FILE_PATH.iterdir()
    assert "To: nova@city.example" in path.read_text()
    retention.sweep(now=timezone.now())
    assert path.exists()
    old = timezone.now() - settings.RETENTION - timedelta(minutes=1)
    os.utime(path, (old.timestamp(), old.timestamp()))
    retention.sweep(now=timezone.now())
    assert not path.exists(), "it is kept no longer than the film"
