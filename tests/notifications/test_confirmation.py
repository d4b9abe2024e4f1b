"""An address is written to only after whoever reads it has said yes."""

import re

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.utils import timezone

from jobs import contact, services
from notifications.models import ConfirmedAddress, MailCount
from tests import factories
from tests.notifications.steps import confirmed, fail, make_due

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ADDRESS = "stranger@city.example"


def link_in(message):
    """Return the path of the one link in a mail."""
    (found,) = re.findall(rf"{re.escape(settings.PUBLIC_URL)}(/\S+)", message.body)
    return found


def test_the_first_mail_has_a_link_to_confirm_and_nothing_of_the_film(notify):
    job = factories.make_job(email=ADDRESS, hero_name="BUY-PILLS")
    notify()
    (message,) = mail.outbox
    assert message.to == [ADDRESS]
    assert message.subject == "Confirm your address – Selfie Hero"
    page = message.alternatives[0][0]
    for text in (message.body, page):
        assert "BUY-PILLS" not in text
        assert str(job.id) not in text
        assert "/jobs/" not in text
    assert link_in(message).startswith("/t/mail/")


def test_nothing_else_is_sent_until_it_is_confirmed_however_the_film_ends(notify):
    factories.make_finished_job(email=ADDRESS)
    fail(factories.make_job(email=ADDRESS))
    notify()
    assert {message.subject for message in mail.outbox} == {"Confirm your address – Selfie Hero"}
    make_due()
    notify()
    assert {message.subject for message in mail.outbox} == {"Confirm your address – Selfie Hero"}


def test_opening_the_link_confirms_nothing_and_its_button_does(notify):
    job = factories.make_job(email=ADDRESS)
    notify()
    link, phone = link_in(mail.outbox.pop()), Client()
    shown = phone.get(link)
    assert shown.status_code == 200
    assert shown["Referrer-Policy"] == "no-referrer"
    assert "no-store" in shown["Cache-Control"]
    assert not ConfirmedAddress.objects.exists(), "mail servers open links to look at them"
    assert "Confirmed." in phone.post(link).content.decode()
    factories.finish(factories.prepare(job), factories.make_provider(), film=b"film")
    notify()
    (message,) = mail.outbox
    assert message.subject == "Your film is ready – Selfie Hero"


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_confirmed_after_the_end_the_mail_goes_out_then(notify, status):
    if status == "succeeded":
        factories.make_finished_job(email=ADDRESS)
    else:
        fail(factories.make_job(email=ADDRESS))
    notify()
    link = link_in(mail.outbox.pop())
    Client().post(link)
    Client().post(link)
    notify()
    (message,) = mail.outbox
    assert "/t/" in link_in(message)
    assert message.subject.startswith("Your film" if status == "succeeded" else "No film")


def test_a_film_its_owner_canceled_is_not_written_about_after_a_late_confirmation(notify):
    job = factories.make_job(email=ADDRESS)
    notify()
    services.cancel_job(job.id, now=timezone.now())
    Client().post(link_in(mail.outbox.pop()))
    notify()
    assert mail.outbox == []


def test_the_same_person_is_asked_once_and_somebody_else_anew(notify):
    confirmed(ADDRESS)
    factories.make_job(email=ADDRESS)
    notify()
    assert mail.outbox == []
    factories.make_job(email=ADDRESS, owner="v:" + "1" * 64)
    notify()
    assert [message.subject for message in mail.outbox] == ["Confirm your address – Selfie Hero"]


def test_questions_count_among_the_three_mails_a_day(notify):
    for number in range(5):
        factories.make_job(email=ADDRESS, owner=f"v:{number:064}")
    notify()
    assert len(mail.outbox) == 3
    assert MailCount.objects.get().count == 3


def test_an_address_that_was_replaced_is_not_asked_and_its_link_confirms_nothing(notify):
    job = factories.make_job(email=ADDRESS)
    notify()
    old = link_in(mail.outbox.pop())
    assert contact.remember_email(job.id, "nova@city.example", now=timezone.now()) is False
    assert contact.remember_email(job.id, "other@city.example", now=timezone.now()) is False
    assert Client().post(old).status_code == 404
    notify()
    assert [message.to for message in mail.outbox] == [["other@city.example"]]


def test_a_film_asks_three_addresses_and_each_once(notify):
    job, now = factories.make_job(), timezone.now()
    for address in ("a@x.example", "b@x.example", "A@x.example", "c@x.example"):
        contact.remember_email(job.id, address, now=now)
    with pytest.raises(contact.TooManyAddresses):
        contact.remember_email(job.id, "d@x.example", now=now)
    assert factories.reload(job).email == "c@x.example", "what is refused changes nothing"


@pytest.mark.parametrize("token", ["x", "AAAA.BBBB", "é"])
def test_a_link_that_is_not_ours_is_not_found(token):
    assert Client().post(f"/t/mail/{token}/").status_code == 404


def test_with_the_last_film_goes_what_was_confirmed_and_its_file(notify, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    job = factories.make_job(email=ADDRESS)
    notify()
    (path,) = settings.EMAIL_FILE_PATH.iterdir()
    text = path.read_text()
    token = re.search(r"/t/mail/([\w.=-]+)/", text.replace("=\n", ""))[1]
    confirmed(ADDRESS)
    services.erase_job(job.id, now=timezone.now())
    assert list(settings.EMAIL_FILE_PATH.iterdir()) == []
    assert not ConfirmedAddress.objects.exists()
    assert Client().get(f"/t/mail/{token}/").status_code == 404
