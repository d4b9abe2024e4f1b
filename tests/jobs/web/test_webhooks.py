import base64
import hashlib
import json
import time
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.intake import deliveries
from jobs.models import Job, Lane, WebhookDelivery
from providers import signatures
from providers.models import ProviderConfig
from tests import factories
from tests.stub_provider import Delivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def prediction(provider, stub, work):
    """A prediction under way, whose job waits for news."""
    deliveries._allowance = deliveries._Allowance(deliveries._REJECTED_KEPT_PER_MINUTE)
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    return stub.only


def verdicts():
    return list(WebhookDelivery.objects.order_by("id").values_list("verdict", flat=True))


def test_a_genuine_delivery_is_kept_as_it_came(prediction, stub, deliver):
    delivery = stub.delivery(prediction.run(0.2))
    assert deliver(delivery) == 202
    row = WebhookDelivery.objects.get()
    assert (row.verdict, bytes(row.body)) == ("valid", delivery.body)
    assert row.headers["webhook-id"] == row.event_id == delivery.headers["webhook-id"]
    assert row.due_at
    assert row.applied_at is None


@pytest.mark.database
def test_a_repeat_is_a_success_and_kept_once(prediction, stub, deliver, work):
    delivery = stub.delivery(prediction.complete())
    assert [deliver(delivery) for _ in range(3)] == [202, 200, 200]
    work(Lane.COLLECT)
    assert deliver(delivery) == 200
    assert verdicts() == ["valid"]


def test_forged(prediction, stub, deliver):
    delivery = stub.delivery(prediction.complete(), secret=signatures.new_secret())
    assert deliver(delivery) == 401
    assert verdicts() == ["forged"]


def test_a_body_that_was_changed_is_forged(prediction, stub, deliver):
    delivery = stub.delivery(prediction.complete())
    assert deliver(Delivery(delivery.path, delivery.headers, delivery.body + b" ")) == 401


@pytest.mark.parametrize("age", [301, -360, 10**7])
def test_stale(age, prediction, stub, deliver):
    assert deliver(stub.delivery(prediction.complete(), at=time.time() - age)) == 401
    assert verdicts() == ["stale"]


@pytest.mark.parametrize("age", [290, -290])
def test_a_clock_that_is_a_little_off_is_fine(age, prediction, stub, deliver):
    assert deliver(stub.delivery(prediction.complete(), at=time.time() - age)) == 202


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_without_its_headers_a_delivery_is_forged(missing, prediction, stub, deliver):
    delivery = stub.delivery(prediction.complete())
    del delivery.headers[missing]
    assert deliver(delivery) == 401


def test_both_secrets_are_good_during_a_rotation(prediction, stub, deliver):
    new = signatures.new_secret()
    row = ProviderConfig.objects.get()
    old = row.webhook_secrets
    row.webhook_secrets = [new, *old]
    row.save()
    assert deliver(stub.delivery(prediction.run(0.1), secret=new)) == 202
    assert deliver(stub.delivery(prediction.run(0.2), secret=old[0])) == 202
    row.webhook_secrets = [new]
    row.save()
    assert deliver(stub.delivery(prediction.run(0.3), secret=old[0])) == 401


@pytest.mark.parametrize("size", [deliveries.MAX_BYTES + 1, 3_000_000])
def test_oversized(size, prediction, stub, deliver):
    assert deliver(stub.delivery(prediction, body=b"x" * size)) == 413
    assert verdicts() == []


def test_as_long_as_it_may_be(prediction, stub, deliver):
    assert deliver(stub.delivery(prediction, body=b"x" * deliveries.MAX_BYTES)) == 202
    row = WebhookDelivery.objects.get()
    assert len(bytes(row.body)) == deliveries.KEPT_BYTES
    assert row.headers["(bytes)"] == str(deliveries.MAX_BYTES)


@pytest.mark.database
@pytest.mark.parametrize(
    "echo",
    [
        {"logs": "frame 1 of 81\n" * 7000},
        {"logs": "é" * 60_000, "input": {"image": "data:image/jpeg;base64," + "A" * 100_000}},
        {"input": {f"option-{number}": "x" * 30 for number in range(3000)}},
        {"metrics": [[number] for number in range(40_000)]},
    ],
    ids=["logs", "photo", "options", "list"],
)
def test_a_call_that_echoes_input_and_logs_is_verified_whole_stored_cut_and_applied(
    echo, prediction, stub, deliver, work
):
    prediction.complete()
    told = {"type": "prediction.succeeded", **echo, "prediction": prediction.body() | echo}
    body = json.dumps(told).encode()
    assert deliveries.KEPT_BYTES < len(body) <= deliveries.MAX_BYTES
    delivery = stub.delivery(prediction, body=body)
    changed = Delivery(delivery.path, delivery.headers, body[:-3] + b" }}")
    assert deliver(changed) == 401
    assert deliver(delivery) == 202
    row = WebhookDelivery.objects.get(verdict="valid")
    assert len(bytes(row.body)) <= deliveries.KEPT_BYTES
    assert row.headers["(sha256)"] == hashlib.sha256(body).hexdigest()
    work(Lane.COLLECT)
    assert WebhookDelivery.objects.get(verdict="valid").error == ""
    assert Job.objects.get().status == "succeeded"


def test_the_address_without_its_last_slash_is_the_same(prediction, stub, deliver):
    delivery = stub.delivery(prediction.complete(), path=prediction.webhook_path.removesuffix("/"))
    assert deliver(delivery) == 202
    assert deliver(delivery) == 200
    assert verdicts() == ["valid"]


def test_a_call_that_is_refused_gets_a_problem(prediction, stub):
    delivery = stub.delivery(prediction, secret=signatures.new_secret())
    for answer in (
        Client().post(delivery.path, delivery.body, content_type="application/json", headers=delivery.headers),
        Client().post(delivery.path, b"x" * (deliveries.MAX_BYTES + 1), content_type="application/json"),
        Client().get(delivery.path),
    ):
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
    assert answer["Allow"] == "POST"


def test_an_unknown_attempt_is_accepted_and_kept(prediction, stub, deliver):
    assert deliver(stub.delivery(prediction.complete(), path="/webhooks/studio/nobody/")) == 202
    assert verdicts() == ["unknown"]


def test_an_attempt_of_another_provider_is_unknown(prediction, stub, deliver, db):
    factories.make_provider(slug="other")
    path = prediction.webhook_path.replace("studio", "other")
    assert deliver(stub.delivery(prediction.complete(), path=path)) == 202
    assert verdicts() == ["unknown"]


def test_an_unknown_provider_is_not_genuine(prediction, stub, deliver):
    assert deliver(stub.delivery(prediction, path="/webhooks/nobody/token/")) == 401
    assert verdicts() == []


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_only_post(method, prediction):
    assert getattr(Client(), method)(prediction.webhook_path).status_code == 405


def test_no_csrf_token_and_no_cookie_is_needed(prediction, stub):
    delivery = stub.delivery(prediction.complete())
    client = Client(enforce_csrf_checks=True)
    answer = client.post(delivery.path, delivery.body, content_type="application/json", headers=delivery.headers)
    assert answer.status_code == 202
    assert not answer.cookies


@pytest.mark.parametrize("path", ["/webhooks/studio/%00/", "/webhooks/%00/token/", "/webhooks/studio/%ff%fe/"])
@pytest.mark.database
def test_odd_addresses_are_no_error(path, prediction, stub, deliver):
    assert deliver(stub.delivery(prediction, path=path)) in (202, 401)
    assert deliver(stub.delivery(prediction, path=path, secret=signatures.new_secret())) == 401


@pytest.mark.parametrize("length", ["abc", "-1", "", "9" * 30])
def test_an_odd_content_length_is_no_error(length, prediction, stub):
    delivery = stub.delivery(prediction)
    answer = Client().post(
        delivery.path, delivery.body, content_type="application/json", headers=delivery.headers, CONTENT_LENGTH=length
    )
    assert 200 <= answer.status_code < 500


def test_forgeries_do_not_fill_the_disk(prediction, stub, deliver):
    for _ in range(deliveries._REJECTED_KEPT_PER_MINUTE + 5):
        assert deliver(stub.delivery(prediction, secret=signatures.new_secret())) == 401
    assert len(verdicts()) == deliveries._REJECTED_KEPT_PER_MINUTE
    big = stub.delivery(prediction, body=b"x" * deliveries.MAX_BYTES, secret=signatures.new_secret())
    deliveries._allowance = deliveries._Allowance(1)
    deliver(big)
    assert len(bytes(WebhookDelivery.objects.latest("id").body)) <= 4096


headers = st.dictionaries(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "content-encoding"]),
    st.one_of(
        st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=200),
        st.sampled_from(["v1,", "v1,AAAA", "v2,x v1,é", "1" * 400, "-1", "1e9", "٣", "\x00", "multipart/form-data"]),
    ),
)


@pytest.mark.database
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_headers=headers, body=st.binary(max_size=300), signed=st.booleans(), token=st.text(max_size=80))
def test_whatever_is_sent_the_answer_is_no_server_error(prediction, stub, given_headers, body, signed, token):
    path = f"/webhooks/studio/{quote(token, safe='') or 'x'}/"
    if signed:
        given_headers = {**given_headers, **stub.delivery(prediction, body=body).headers}
    environment = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in given_headers.items()}
    content_type = environment.pop("HTTP_CONTENT_TYPE", "application/json")
    answer = Client().generic("POST", path, body, content_type=content_type, **environment)
    assert answer.status_code < 500
    if given_headers.get("content-encoding", "").strip():
        assert answer.status_code == 415
    elif not signed:
        assert answer.status_code in (401, 404)


@given(
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text(max_size=60)
    ),
    body=st.binary(max_size=100),
    secret=st.one_of(st.just("whsec_" + base64.b64encode(b"k" * 32).decode()), st.text(max_size=20)),
)
def test_a_signature_check_raises_nothing_else(headers, body, secret):
    from datetime import UTC, datetime

    from providers.errors import BadSignature

    with pytest.raises(BadSignature):
        signatures.verify([secret], headers, body, now=datetime.now(UTC))
