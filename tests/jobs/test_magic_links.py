"""Magic links: one job, for a while, on a device that has no cookie of its owner."""

import re
import struct
from datetime import timedelta

import pytest
import segno
from django.conf import settings
from django.core import signing
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs import identity, magic_links, services
from jobs.models import Job
from tests import factories
from tests.jobs.orders import order

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(api):
    api.post("/api/v1/jobs/", order(hero_name="NOVA"))
    return Job.objects.select_related("look").get()


def phone_with(job, **choices):
    phone = Client()
    answer = phone.get(magic_links.url_for(job, now=timezone.now(), **choices))
    return phone, answer


def test_a_magic_link_opens_its_job_at_its_clean_address(job):
    phone, answer = phone_with(job)
    assert (answer.status_code, answer["Location"]) == (302, f"/jobs/{job.id}/")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]
    assert b"NOVA" in phone.get(answer["Location"]).content
    assert phone.get(f"/api/v1/jobs/{job.id}/").json()["id"] == str(job.id)
    assert f"/jobs/{job.id}/".encode() in phone.get("/me/").content


def test_the_cookie_is_out_of_reach_for_scripts(job):
    phone, _ = phone_with(job)
    cookie = phone.cookies[settings.MAGIC_LINK_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_a_magic_link_opens_no_other_job(job, api):
    api.post("/api/v1/jobs/", order(photo=factories.tiny_photo()))
    other = Job.objects.exclude(id=job.id).get()
    phone, _ = phone_with(job)
    assert phone.get(f"/jobs/{other.id}/").status_code == 404
    assert phone.get(f"/api/v1/jobs/{other.id}/").status_code == 404
    assert phone.get("/api/v1/jobs/").json()["results"] == []


def test_what_its_owner_may_do_its_holder_may_do(job):
    phone, _ = phone_with(job)
    assert phone.post(f"/api/v1/jobs/{job.id}/cancel/").status_code == 202
    assert Job.objects.get().status == "canceled"


def test_two_magic_links_open_two_jobs(job, api):
    api.post("/api/v1/jobs/", order(photo=factories.tiny_photo()))
    other = Job.objects.exclude(id=job.id).get()
    phone, _ = phone_with(job)
    phone.get(magic_links.url_for(other, now=timezone.now()))
    assert [phone.get(f"/jobs/{one.id}/").status_code for one in (job, other)] == [200, 200]


def test_the_oldest_of_too_many_magic_links_is_forgotten(job):
    now, cookie = timezone.now(), ""
    ids = [factories.uuid.uuid4() for _ in range(magic_links.MOST_KEPT + 1)]
    for job_id in ids:
        cookie = magic_links.cookie_with(cookie, magic_links.MagicLink(job_id, now + timedelta(hours=1)), now=now)
    assert set(magic_links.opened(cookie, now=now)) == set(ids[1:])
    assert len(cookie) < 3000, "it fits into a cookie"


def test_a_magic_link_ends_when_the_job_is_erased_or_earlier(job):
    now = timezone.now()
    text = magic_links.url_for(job, now=now).split("/")[2]
    assert magic_links.read(text, now=job.erase_at - timedelta(seconds=2)).job_id == job.id
    assert magic_links.read(text, now=job.erase_at) is None
    short = magic_links.url_for(job, now=now, lasts=timedelta(minutes=10)).split("/")[2]
    assert magic_links.read(short, now=now + timedelta(minutes=9)) is not None
    assert magic_links.read(short, now=now + timedelta(minutes=10)) is None
    assert phone_with(job, lasts=timedelta())[1].status_code == 404


def test_an_opened_job_is_closed_at_its_end(job):
    now = timezone.now()
    cookie = magic_links.cookie_with("", magic_links.MagicLink(job.id, now + timedelta(minutes=1)), now=now)
    assert magic_links.opened(cookie, now=now)
    assert not magic_links.opened(cookie, now=now + timedelta(minutes=1))


def test_the_magic_link_of_an_erased_job_says_that_it_is_gone(job):
    phone, _ = phone_with(job)
    services.erase_job(job.id, now=timezone.now())
    answer = phone.get(f"/jobs/{job.id}/")
    assert answer.status_code == 200
    assert b"NOVA" not in answer.content


def test_a_magic_link_changes_nothing_for_the_owner(job, api):
    answer = api.get(magic_links.url_for(job, now=timezone.now()))
    assert answer.status_code == 302
    assert settings.MAGIC_LINK_COOKIE_NAME not in answer.cookies


def test_no_byte_of_a_magic_link_can_be_changed(job):
    now = timezone.now()
    text = magic_links.url_for(job, now=now).split("/")[2]
    for place in range(len(text)):
        other = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert magic_links.read(other, now=now) is None, place


def test_a_magic_link_is_short_enough_for_a_line_of_mail_and_a_small_qr_code(job):
    link = magic_links.url_for(job, now=timezone.now())
    assert re.fullmatch(r"/t/[A-Za-z0-9_-]{28}\.[A-Za-z0-9_-]{43}/", link)
    assert segno.make(f"https://hero.example{link}", error="m", micro=False).version <= 6


def test_magic_links_outlive_the_replacement_of_the_secret_key_while_the_old_one_is_a_fallback(job, settings):
    now, old = timezone.now(), settings.SECRET_KEY
    text = magic_links.url_for(job, now=now).split("/")[2]
    cookie = magic_links.cookie_with("", magic_links.MagicLink(job.id, job.erase_at), now=now)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key, of the day after it leaked", [old]
    assert magic_links.read(text, now=now).job_id == job.id
    assert set(magic_links.opened(cookie, now=now)) == {job.id}
    settings.SECRET_KEY_FALLBACKS = []
    assert magic_links.read(text, now=now) is None
    assert magic_links.opened(cookie, now=now) == {}


def test_other_things_signed_with_the_secret_key_are_no_magic_links(job):
    value = magic_links.url_for(job, now=timezone.now()).split("/")[2].split(".")[0]
    for salt in ("", "jobs.magic_links", "jobs.identity"):
        assert magic_links.read(signing.Signer(salt=salt, sep=".").sign(value), now=timezone.now()) is None


@given(st.text(max_size=80))
def test_what_is_not_a_magic_link_opens_nothing(text):
    now = timezone.now()
    assert magic_links.read(text, now=now) is None
    assert magic_links.opened(text, now=now) == {}


def test_a_socket_reads_the_same_cookie(job):
    phone, _ = phone_with(job)
    header = f"{settings.MAGIC_LINK_COOKIE_NAME}={phone.cookies[settings.MAGIC_LINK_COOKIE_NAME].value}"
    assert identity.opened_by_headers({"cookie": header}, now=timezone.now()) == {job.id}
    assert identity.opened_by_headers({"cookie": f"{settings.MAGIC_LINK_COOKIE_NAME}=x"}, now=timezone.now()) == set()


def test_its_owner_ends_all_links_and_what_they_opened(job, api):
    """A link that came into other hands, by a forwarded mail or a photo of the QR code, used to open until the end."""
    phone, _ = phone_with(job)
    old, ended = magic_links.url_for(job, now=timezone.now()), f"/api/v1/jobs/{job.id}/links/"
    assert phone.delete(ended).status_code == 404, "not for whoever came by one"
    assert phone.get(f"/jobs/{job.id}/").status_code == 200
    assert api.delete(ended).status_code == 204
    assert Client().get(old).status_code == 404
    assert [phone.get(address).status_code for address in (f"/jobs/{job.id}/", f"/api/v1/jobs/{job.id}/")] == [404, 404]
    assert api.get(f"/jobs/{job.id}/").status_code == 200
    job.refresh_from_db()
    assert phone_with(job)[1].status_code == 302, "a new one opens it"
    assert Client().delete(ended).status_code == 404


def test_links_of_before_there_were_epochs_open_as_long_as_none_was_ended(job):
    now = timezone.now()
    before = struct.pack(magic_links._PACKED_BEFORE, job.id.bytes, int(job.erase_at.timestamp()))
    text = magic_links._signer().sign(signing.b64_encode(before).decode())
    cookie = signing.dumps([(job.id.hex, int(job.erase_at.timestamp()))], salt=magic_links._COOKIE_SALT)
    assert Client().get(f"/t/{text}/").status_code == 302
    assert magic_links.still_open(magic_links.opened(cookie, now=now)) == {job.id}
    magic_links.end(job.id)
    assert Client().get(f"/t/{text}/").status_code == 404
    assert magic_links.still_open(magic_links.opened(cookie, now=now)) == frozenset()


def test_after_256_ends_it_begins_again(job):
    Job.objects.update(links_epoch=magic_links.EPOCHS - 1)
    magic_links.end(job.id)
    assert Job.objects.get().links_epoch == 0
