"""Our adapters against the simulated vendors, with every fault, over real HTTP.

The official clients prove that the simulator has the vendors' formats; these tests prove that our adapters read them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from providers import registry
from providers.errors import AccountProblem, BadSignature, Busy, PredictionGone, StaleSignature, Unconfirmed
from providers.simulator import signing
from providers.types import Account, PhotoTransport, PredictionStatus, SubmitRequest
from selfiehero.simulated_providers import ROWS

REFERENCE = "q3J0-attempt-token"
PHOTO = b"\xff\xd8\xff" + b"a photo" * 200


@pytest.fixture
def adapter(caller):
    return registry.adapter_for(caller.provider)


@pytest.fixture
def account(simulator, caller):
    row = ROWS[caller.provider]
    secret = simulator.control("GET", f"{caller.provider}/secret")["secret"]
    return Account(
        slug=f"simulator-{caller.provider}",
        base_url=simulator.url + row["path"],
        model=row["model"],
        api_key="simulator",
        webhook_secrets=(signing.verifying_secret(caller.provider, secret),),
    )


@pytest.fixture
def submit_request(listener):
    return SubmitRequest(
        reference=REFERENCE,
        look="neon-noir",
        prompt="a hero in the rain",
        negative_prompt="blurry",
        hero_name="NOVA-7",
        seed="1",
        webhook_url=listener.hook(REFERENCE),
        photo_url=f"{listener.url}/photos/{REFERENCE}.jpg",
    )


def test_a_prediction_is_followed_from_the_submit_to_the_webhook(
    simulator, caller, adapter, account, submit_request, listener
):
    simulator.behave(caller.provider, times={"duration": None}, fetch_photo=True)
    made = adapter.submit(account, submit_request)
    assert made.status in (PredictionStatus.QUEUED, PredictionStatus.WARMING_UP)
    assert adapter.fetch(account, made.prediction_id).status == PredictionStatus.RUNNING
    assert simulator.finish(caller.provider, REFERENCE)
    shown = adapter.fetch(account, made.prediction_id)
    assert shown.status == PredictionStatus.SUCCEEDED
    assert shown.video_url.startswith(simulator.url)
    last = listener.wait(REFERENCE, 2 if caller.provider == "replicate" else 1)[-1]
    assert adapter.verify(account, last.headers, last.body, now=datetime.now(UTC))
    told = adapter.parse(last.body)
    assert (told.prediction_id, told.status, told.video_url) == (made.prediction_id, shown.status, shown.video_url)


def test_a_photo_travels_by_upload(simulator, caller, adapter, account, submit_request):
    assert PhotoTransport.UPLOAD in adapter.photo_transports
    simulator.behave(caller.provider, fetch_photo=True)
    plain = SubmitRequest(**{**vars(submit_request), "photo_url": "", "photo_bytes": PHOTO})
    adapter.submit(account, adapter.upload(account, plain))
    assert simulator.wait_until_ended(caller.provider)["ended"] == {"succeeded": 1}
    assert simulator.entries(caller.provider, fields="photo")[0]["photo"]["bytes"] == len(PHOTO)


def test_what_webhooks_are_signed_with_can_be_learned(simulator, caller, adapter, account):
    assert set(account.webhook_secrets) <= set(adapter.learn_secrets(account))
    new = simulator.control("POST", f"{caller.provider}/secret")["secret"]
    assert signing.verifying_secret(caller.provider, new) in adapter.learn_secrets(account)


@pytest.mark.parametrize("fault", ["status", "html", "garbage", "lose_answer", "lose_request"])
def test_a_submit_whose_answer_says_nothing_is_unconfirmed(simulator, caller, adapter, account, submit_request, fault):
    simulator.next(caller.provider, "submit", fault)
    with pytest.raises(Unconfirmed):
        adapter.submit(account, submit_request)
    assert simulator.state(caller.provider)["submits"] == 1


@pytest.mark.parametrize("upload", [False, True])
def test_a_submit_whose_answer_was_lost_is_found_where_there_is_a_look_up(
    simulator, caller, adapter, account, submit_request, upload
):
    if upload:
        submit_request = adapter.upload(
            account, SubmitRequest(**{**vars(submit_request), "photo_url": "", "photo_bytes": PHOTO})
        )
    since = datetime.now(UTC) - timedelta(minutes=1)
    if not adapter.can_look_up:
        with pytest.raises(NotImplementedError):
            adapter.find(account, REFERENCE, since=since)
        return
    assert adapter.find(account, REFERENCE, since=since) is None
    simulator.next(caller.provider, "submit", "lose_answer")
    with pytest.raises(Unconfirmed):
        adapter.submit(account, submit_request)
    found = adapter.find(account, REFERENCE, since=since)
    assert found.prediction_id == simulator.entries(caller.provider)[0]["prediction_id"]


@pytest.mark.parametrize("form", ["seconds", "date", "body"])
def test_busy_says_when_to_come_again(simulator, caller, adapter, account, submit_request, form):
    simulator.next(caller.provider, "submit", "busy", retry_after=form, seconds=30)
    with pytest.raises(Busy) as caught:
        adapter.submit(account, submit_request)
    assert timedelta(seconds=20) < caught.value.retry_after <= timedelta(seconds=31)


def test_busy_may_say_nothing(simulator, caller, adapter, account, submit_request):
    simulator.next(caller.provider, "submit", "busy")
    with pytest.raises(Busy) as caught:
        adapter.submit(account, submit_request)
    assert caught.value.retry_after is None


@pytest.mark.parametrize("trouble", ["unauthorized", "no_credit", "forbidden"])
def test_trouble_with_the_account_is_ours(simulator, caller, adapter, account, submit_request, trouble):
    simulator.behave(caller.provider, account={"trouble": trouble})
    with pytest.raises(AccountProblem):
        adapter.submit(account, submit_request)


@pytest.mark.parametrize(
    ("outcome", "code"), [("fail", "provider_failed"), ("refuse", "photo_refused"), ("no_output", "provider_failed")]
)
def test_a_failure_has_our_code(simulator, caller, adapter, account, submit_request, outcome, code):
    simulator.next(caller.provider, "outcome", outcome)
    made = adapter.submit(account, submit_request)
    simulator.wait_until_ended(caller.provider)
    shown = adapter.fetch(account, made.prediction_id)
    assert (shown.status, shown.error_code) == (PredictionStatus.FAILED, code)


def test_a_canceled_prediction_is_canceled_and_an_unknown_one_gone(simulator, caller, adapter, account, submit_request):
    simulator.behave(caller.provider, times={"duration": None})
    made = adapter.submit(account, submit_request)
    for _ in range(2):
        adapter.cancel(account, made.prediction_id)
    assert adapter.fetch(account, made.prediction_id).status == PredictionStatus.CANCELED
    adapter.delete(account, made.prediction_id)
    with pytest.raises(PredictionGone):
        adapter.fetch(account, "0" * 32)


@pytest.mark.parametrize("how", ["wrong_secret", "unsigned", "altered", "stale", "malformed"])
def test_a_forged_webhook_is_not_believed(simulator, caller, adapter, account, submit_request, listener, how):
    # The last event of a prediction; Replicate has told of its start before.
    before = 1 if caller.provider == "replicate" else 0
    if before:
        simulator.next(caller.provider, "webhook", "fine")
    simulator.next(caller.provider, "webhook", "forged", how=how)
    adapter.submit(account, submit_request)
    refused, believed = [], 0
    for received in listener.wait(REFERENCE, before + 2):  # in whatever order they arrived
        try:
            believed += bool(adapter.verify(account, received.headers, received.body, now=datetime.now(UTC)))
        except BadSignature as error:
            refused.append(type(error))
    assert believed == before + 1
    assert refused == [StaleSignature if how == "stale" else BadSignature]
