"""Receipts: what they state, that only we can make them, and what their job's status is days later."""

import base64
import hashlib
import json
import re
from datetime import timedelta
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.core.cache import cache
from django.core.signing import b64_encode
from django.test import Client
from django.utils import timezone
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from jobs import lifecycle, receipts, services, snapshots
from jobs.intake import throttles
from jobs.models import Job
from selfiehero.environment import new_field_key
from tests import factories
from tests.jobs.orders import is_problem, order

pytestmark = pytest.mark.django_db
VERIFY = "/receipts/verify"
# Signed by an older version with the FIELD_KEYS of its test.
OLD_JOB = "7d0f3b52-5b0a-4f3c-9b43-0c1f5d3b8a11"
OLD_RECEIPT = (
    "shr1.72b57d96bd56a727.eyJkaWQiOiJhY2NlcHRlZCIsImpvYiI6IjdkMGYzYjUyLTViMGEtNGYzYy05YjQzLTBjMWY1ZDNiOGExMSIsImF0Ijoi"
    "MjAyNi0xMS0yOVQwODozMDowMC4wMDAxMjBaIiwic2hhMjU2IjoiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYm"
    "FiYWJhYmFiYWJhYmFiYWJhYiJ9.wViHzR7Si37IoiN8v0JB0AtZV4y2RhOyoK4MdUkKsY7e6X73nSNLrnMU3q-8mqEuf1dhLWYjE-0e0zJNrZ1oCg"
)


@pytest.fixture
def ordered(api):
    return api.post("/api/v1/jobs/", order(hero_name="NOVA-7")).json()


def verdict_on(receipt):
    """Return the status of a receipt, as any program gets it."""
    answer = Client().get(VERIFY, {"receipt": receipt})
    assert answer.status_code == 200, answer.content
    assert answer["Cache-Control"] == "private, no-store"
    return answer.json()


def decoded(text):
    return base64.urlsafe_b64decode(text + "==")


def key_id_of(receipt):
    return json.loads(decoded(receipt.split(".")[0]))["kid"]


def kept(client, body):
    """What its owner gets when asking for the receipts of a job."""
    return client.get(f"{body['links']['self']}receipts/").json()


def page_of(**fields):
    return Client().post(VERIFY, fields, headers={"Accept": "text/html,*/*;q=0.8"})


# --- The receipt itself ----------------------------------------------------------------------------


def test_the_202_has_a_receipt_for_the_photo_as_it_was_sent(api):
    photo = factories.tiny_photo()
    body = api.post("/api/v1/jobs/", order(photo)).json()
    said = receipts.check(body["receipt"])
    assert (said.did, str(said.job_id)) == ("accepted", body["id"])
    assert said.photo_sha256 == hashlib.sha256(photo).hexdigest()
    assert said.at == Job.objects.get().created_at
    assert len(body["receipt"]) < 400


def test_the_same_request_again_has_the_same_receipt_and_its_owner_can_get_it_again(api):
    photo, key = factories.tiny_photo(), {"Idempotency-Key": "one"}
    first = api.post("/api/v1/jobs/", order(photo), headers=key).json()
    again = api.post("/api/v1/jobs/", order(photo), headers=key).json()
    assert again["receipt"] == first["receipt"] == kept(api, first)["accepted"]
    assert kept(api, first)["erased"] is None
    assert Client().get(f"{first['links']['self']}receipts/").status_code == 404


def test_no_message_no_list_and_no_poll_carries_it(api, ordered):
    (message,) = snapshots.snapshots_for([UUID(ordered["id"])])
    assert "receipt" not in message
    assert "receipt" not in api.get("/api/v1/jobs/").json()["results"][0]
    assert "receipt" not in api.get(ordered["links"]["self"]).json()


def test_anybody_can_check_one_with_the_public_keys_alone(ordered):
    (key,) = Client().get("/receipts/keys").json()["keys"]
    signed, _, signature = ordered["receipt"].rpartition(".")
    header, payload = signed.split(".")
    assert json.loads(decoded(header)) == {"alg": "Ed25519", "kid": key["kid"]}
    assert set(key) == {"kty", "crv", "alg", "use", "kid", "x"}, "and nothing of the private one"
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "Ed25519", "sig")
    Ed25519PublicKey.from_public_bytes(decoded(key["x"])).verify(decoded(signature), signed.encode())
    assert json.loads(decoded(payload))["job"] == ordered["id"]


@pytest.mark.parametrize("accept", ["application/json", "application/jwk-set+json"])
def test_a_library_for_jws_checks_one_with_the_key_set_as_it_is_served(accept, ordered, settings):
    settings.FIELD_KEYS = (*settings.FIELD_KEYS, new_field_key())
    answer = Client(headers={"Accept": accept}).get("/receipts/keys")
    assert answer["Content-Type"] == accept
    keys = KeySet.import_key_set(json.loads(answer.content))
    read = jws.deserialize_compact(ordered["receipt"], keys, algorithms=["Ed25519"])
    assert json.loads(read.payload)["job"] == ordered["id"]
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(ordered["receipt"][:-5] + "AAAAA", keys, algorithms=["Ed25519"])


def test_a_receipt_of_the_form_before_jws_is_still_ours(settings, db):
    settings.FIELD_KEYS = (new_field_key(), base64.urlsafe_b64encode(b"01234567890123456789012345678901").decode())
    said = receipts.check(f"Receipt of my film: {OLD_RECEIPT}\nThank you")
    assert (said.did, str(said.job_id), said.key_id) == ("accepted", OLD_JOB, "72b57d96bd56a727")
    assert (said.at.isoformat(), said.photo_sha256) == ("2026-11-29T08:30:00.000120+00:00", "ab" * 32)
    assert verdict_on(OLD_RECEIPT)["outcome"] == "forgotten"
    assert "72b57d96bd56a727" in [key["kid"] for key in receipts.public_keys()]
    for at, letter in enumerate(OLD_RECEIPT):
        with pytest.raises(receipts.NotOurs):
            receipts.check(OLD_RECEIPT[:at] + ("A" if letter != "A" else "B") + OLD_RECEIPT[at + 1 :])
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
    with pytest.raises(receipts.KeyUnknown):
        receipts.check(OLD_RECEIPT)


@pytest.mark.parametrize("rest", [b'0123"}', b'","kid":[]}', b'","alg":"none"}', b'","b64":false}', b"\xff"])
def test_a_header_that_is_not_ours_is_no_receipt(rest, ordered):
    _header, payload, signature = ordered["receipt"].split(".")
    header = b64_encode((b'{"alg":"Ed25519","kid":"' + rest).ljust(42)).decode()
    is_problem(
        Client().get(VERIFY, {"receipt": f"{header}.{payload}.{signature}"}),
        422,
        "receipt_not_ours" if rest in (b"\xff", b'","b64":false}') else "receipt_key_unknown",
    )


def test_changing_any_letter_makes_it_none_of_ours(ordered):
    receipt = ordered["receipt"]
    for at, letter in enumerate(receipt):
        other = "A" if letter != "A" else "B"
        with pytest.raises(receipts.NotOurs):
            receipts.check(receipt[:at] + other + receipt[at + 1 :])
    for cut in (receipt[:-1], receipt[1:], ""):
        with pytest.raises(receipts.NotOurs):
            receipts.check(cut)


def test_one_is_found_in_what_people_paste(ordered):
    receipt = ordered["receipt"]
    broken = "\r\n".join(receipt[at : at + 40] for at in range(0, len(receipt), 40))
    for pasted in (f"  {receipt}\n", broken, f"Receipt of my film:\n{receipt}\nThank you"):
        assert str(receipts.check(pasted).job_id) == ordered["id"]


def test_a_new_key_signs_and_the_old_one_still_verifies_until_it_is_dropped(settings, ordered, api):
    old, new = settings.FIELD_KEYS, new_field_key()
    settings.FIELD_KEYS = (new, *old)
    assert str(receipts.check(ordered["receipt"]).job_id) == ordered["id"]
    later = kept(api, ordered)["accepted"]
    assert key_id_of(later) != key_id_of(ordered["receipt"])
    assert [key["kid"] for key in receipts.public_keys()] == [key_id_of(later), key_id_of(ordered["receipt"])]
    settings.FIELD_KEYS = (new,)
    assert receipts.check(later)
    with pytest.raises(receipts.KeyUnknown):
        receipts.check(ordered["receipt"])


def test_the_signing_key_is_no_key_that_is_used_for_anything_else(ordered):
    public = receipts.public_keys()[0]["x"] + "="
    assert public not in settings.FIELD_KEYS
    assert base64.urlsafe_b64decode(public) != base64.urlsafe_b64decode(settings.FIELD_KEYS[0])


# --- What became of it -----------------------------------------------------------------------------


def test_while_a_film_is_being_made_it_says_so(ordered):
    verdict = verdict_on(ordered["receipt"])
    assert verdict["genuine"] is True
    assert (verdict["outcome"], verdict["status"], verdict["stage"]) == ("open", "queued", "accepted")
    assert (verdict["job"], verdict["at"]) == (ordered["id"], ordered["created_at"])
    assert (verdict["did"], verdict["finished_at"], verdict["erased_at"]) == ("accepted", None, None)


@pytest.mark.parametrize("end", ["failed", "canceled", "succeeded"])
def test_after_the_end_it_says_how_and_when(end, ordered, provider):
    receipt, job = ordered["receipt"], Job.objects.get()
    if end == "failed":
        lifecycle.fail(job.id, code="no_provider", now=timezone.now())
    elif end == "canceled":
        services.cancel_job(job.id, now=timezone.now())
    else:
        job = factories.make_finished_job(provider)
        receipt = receipts.for_accepted(job)
    verdict = verdict_on(receipt)
    assert (verdict["outcome"], verdict["status"]) == (end, end)
    assert verdict["finished_at"] == snapshots._iso(factories.reload(job).finished_at)
    assert (verdict["failure"] or {}).get("code") == ("no_provider" if end == "failed" else None)


def test_it_outlives_the_erasure_of_what_it_is_about(api, ordered):
    erased = api.delete(ordered["links"]["self"]).json()
    verdict = verdict_on(ordered["receipt"])
    assert (verdict["outcome"], verdict["erased_at"]) == ("erased", erased["erased_at"])
    assert verdict["photo_sha256"], "the receipt has it, the row has not"
    assert Job.objects.get().photo_sha256 == ""
    assert kept(api, ordered) == {"accepted": None, "erased": erased["receipt"]}


def test_the_receipt_of_an_erasure_is_one_too(api, ordered):
    erased = api.delete(ordered["links"]["self"]).json()
    verdict = verdict_on(erased["receipt"])
    assert (verdict["did"], verdict["at"], verdict["outcome"]) == ("erased", erased["erased_at"], "erased")
    assert verdict["photo_sha256"] is None
    assert api.delete(ordered["links"]["self"]).json()["receipt"] == erased["receipt"]


def test_a_receipt_older_than_the_rows_is_still_ours(ordered):
    Job.objects.all().delete()
    verdict = verdict_on(ordered["receipt"])
    assert (verdict["genuine"], verdict["outcome"], verdict["status"]) == (True, "forgotten", None)
    assert page_of(receipt=ordered["receipt"]).status_code == 200


def test_its_holder_learns_nothing_about_the_person(api, provider):
    job = factories.make_finished_job(provider, hero_name="UNMISTAKABLE", email="me@example.org")
    services.share_job(job.id, now=timezone.now())
    receipt, job = receipts.for_accepted(factories.reload(job)), factories.reload(job)
    told = json.dumps(verdict_on(receipt)) + page_of(receipt=receipt).content.decode()
    for secret in ("UNMISTAKABLE", "me@example.org", job.share_slug, job.owner, "/media/", job.video_key, "/jobs/"):
        assert secret not in told, secret


@pytest.mark.parametrize("erased", [False, True])
def test_its_owner_can_download_it_and_paste_the_whole_file(erased, api, ordered):
    if erased:
        api.delete(ordered["links"]["self"])
    assert f"/jobs/{ordered['id']}/receipt.txt" in api.get(ordered["links"]["page"]).content.decode() or erased
    answer = api.get(f"{ordered['links']['page']}receipt.txt")
    assert "attachment" in answer["Content-Disposition"]
    verdict = verdict_on(answer.content.decode())
    assert (verdict["job"], verdict["did"]) == (ordered["id"], "erased" if erased else "accepted")
    assert Client().get(f"{ordered['links']['page']}receipt.txt").status_code == 404


def test_the_page_of_what_is_erased_shows_its_receipt(api, ordered):
    erased = api.delete(ordered["links"]["self"]).json()
    assert erased["receipt"] in api.get(ordered["links"]["page"]).content.decode()


# --- The address -----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/receipts/verify", "/receipts/verify/"])
@pytest.mark.parametrize("way", ["query", "form", "json"])
def test_a_program_asks_in_any_way(address, way, ordered):
    client, sent = Client(enforce_csrf_checks=True), {"receipt": ordered["receipt"]}
    answer = {
        "query": lambda: client.get(address, sent),
        "form": lambda: client.post(address, sent),
        "json": lambda: client.post(address, json.dumps(sent), content_type="application/json"),
    }[way]()
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json()["job"] == ordered["id"]


def test_what_is_not_ours_is_a_problem(ordered):
    forged = ordered["receipt"][:-5] + "AAAAA"
    header = b64_encode(b'{"alg":"Ed25519","kid":"0123456789abcdef"}').decode()
    foreign = re.sub(r"^[\w-]+", header, ordered["receipt"])
    for text, code in [(forged, "receipt_not_ours"), ("hello", "receipt_not_ours"), (foreign, "receipt_key_unknown")]:
        assert is_problem(Client().get(VERIFY, {"receipt": text}), 422, code)["field"] == "receipt"
        page = page_of(receipt=text)
        assert page.status_code == 422
        assert f'data-problem="{code}"' in page.content.decode()
        assert "data-verdict" not in page.content.decode()


@pytest.mark.parametrize("body", ["[]", "{}", "null", '"text"', '{"receipt": 7}', '{"receipt": ["a"]}'])
def test_a_request_without_a_receipt_is_a_problem(body, db):
    is_problem(Client().post(VERIFY, body, content_type="application/json"), 422, "receipt_missing")
    is_problem(Client().get(VERIFY), 422, "receipt_missing")


def test_a_body_that_is_no_json_is_a_problem_for_people_too(db):
    is_problem(Client().post(VERIFY, "{", content_type="application/json"), 400, "malformed")
    page = Client().post(VERIFY, "{", content_type="application/json", headers={"Accept": "text/html"})
    assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")


def test_people_get_a_form_and_the_answer_on_the_page(ordered):
    browser = Client(headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    empty = browser.get(VERIFY)
    assert empty.status_code == 200
    assert "<textarea" in empty.content.decode()
    for answer in (
        browser.get(VERIFY, {"receipt": ordered["receipt"]}),
        browser.post(VERIFY, {"receipt": ordered["receipt"]}),
    ):
        page = answer.content.decode()
        assert 'data-verdict="open"' in page
        assert receipts.check(ordered["receipt"]).photo_sha256 in page
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert "style=" not in page
        assert "no-store" in answer["Cache-Control"]
        assert "Accept" in answer["Vary"]


def test_what_was_pasted_is_never_markup(db):
    page = page_of(receipt="</textarea><script>alert(1)</script>").content.decode()
    assert "<script>alert" not in page


def test_another_site_may_send_people_here(ordered):
    answer = Client().post(VERIFY, {"receipt": ordered["receipt"]}, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 200, "it changes nothing"


def test_asking_is_counted(ordered, monkeypatch):
    cache.clear()
    monkeypatch.setitem(throttles.Reads.THROTTLE_RATES, "reads", "2/min")
    client = Client()
    answers = [client.get(VERIFY, {"receipt": ordered["receipt"]}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1]["Retry-After"]
    assert page_of(receipt=ordered["receipt"]).status_code == 429


@pytest.mark.database
def test_a_receipt_says_when_to_the_microsecond_on_every_database(api):
    moment = timezone.now().replace(microsecond=120) - timedelta(days=3)
    job = factories.make_job(now=moment)
    assert receipts.for_accepted(job) == receipts.for_accepted(factories.reload(job))
    assert receipts.check(receipts.for_accepted(job)).at == moment
