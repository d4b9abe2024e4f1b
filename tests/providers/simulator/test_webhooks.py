"""Webhooks: which are sent, how they are repeated, and all their faults."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from providers.simulator import signing
from tests.support.processes import wait_for
from tests.support.simulator import Listener, Received

BODY_A = b'{"id":"task-1","status":"completed","outputs":["https://cdn.example/out.mp4"]}'
BODY_B = (
    b'{"request_id":"req-1","gateway_request_id":"req-1","status":"OK",'
    b'"payload":{"video":{"url":"https://cdn.example/out.mp4"}}}'
)


def test_signatures_are_those_of_the_contracts_vectors():
    signed = signing.sign("wavespeed", "whsec_demoSecret123", "task-1", 1700000000, BODY_A)
    assert signed["webhook-signature"] == "v3,871bb214d83ead9e4c85a389c235837c785c4c50ac4c705075db1a3a849207b4"
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = signing.sign("replicate", secret, "msg_1", 1700000000, BODY_A)
    assert signed["webhook-signature"] == "v1,Pnjfmqqsfq3MVIOACkgVn676hJj+uHShSGEufjuX7qo="
    key = base64.b64encode(bytes(range(32))).decode()
    signing_key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signed = signing.sign("fal", key, "req-1", 1700000000, BODY_B)
    lines = ("req-1", signing.FAL_USER_ID, "1700000000", hashlib.sha256(BODY_B).hexdigest())
    signing_key.public_key().verify(bytes.fromhex(signed["X-Fal-Webhook-Signature"]), "\n".join(lines).encode())
    assert signing.fal_jwk(key)["x"] == "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"


def is_genuine(provider: str, secret: str, came: Received, *, tolerance: float = 300) -> bool:
    """Check a webhook by the contract's recipe."""
    head = came.headers
    stamp = head.get("x-fal-webhook-timestamp" if provider == "fal" else "webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > tolerance:
        return False
    if provider == "fal":
        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)).public_key()
        lines = [head["x-fal-webhook-request-id"], head["x-fal-webhook-user-id"], stamp]
        message = "\n".join([*lines, hashlib.sha256(came.body).hexdigest()]).encode()
        try:
            key.verify(bytes.fromhex(head.get("x-fal-webhook-signature", "00")), message)
        except (InvalidSignature, ValueError):
            return False
        return True
    message = f"{head['webhook-id']}.{stamp}.".encode() + came.body
    if provider == "wavespeed":
        wanted = "v3," + hmac.new(secret.removeprefix("whsec_").encode(), message, hashlib.sha256).hexdigest()
    else:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
    return head.get("webhook-signature") == wanted


@pytest.fixture
def secret(simulator, caller):
    return simulator.control("GET", f"{caller.provider}/secret")["secret"]


def status_in(provider: str, came: Received) -> str:
    return came.json["status"]


def test_the_final_webhook_is_signed_and_shows_the_end(caller, listener, secret):
    caller.made(listener.hook("ours"))
    (came,) = listener.wait("ours")
    assert is_genuine(caller.provider, secret, came)
    assert came.headers["content-type"] == "application/json"
    assert status_in(caller.provider, came) in ("completed", "succeeded", "OK")


def test_a_new_secret_signs_from_then_on(simulator, caller, listener, secret):
    new = simulator.control("POST", f"{caller.provider}/secret")["secret"]
    caller.made(listener.hook("ours"))
    (came,) = listener.wait("ours")
    assert is_genuine(caller.provider, new, came)
    assert not is_genuine(caller.provider, secret, came)


def test_no_webhook_is_sent_without_an_address(simulator, caller):
    caller.made()
    assert simulator.wait_until_ended(caller.provider)["webhooks"] == {}


def test_one_that_is_not_taken_is_sent_again_with_the_same_id(simulator, caller, secret):
    simulator.behave(caller.provider, webhooks={"retries": [0.05, 0.05, 0.05]})
    with Listener(500, 503) as listener:
        caller.made(listener.hook("ours"))
        came = listener.wait("ours", 3)
        wait_for(lambda: simulator.state(caller.provider)["webhooks"].get("204"), "the last to be noted")
    name = "x-fal-webhook-request-id" if caller.provider == "fal" else "webhook-id"
    assert len({one.headers[name] for one in came}) == 1
    assert all(is_genuine(caller.provider, secret, one) for one in came)
    assert simulator.state(caller.provider)["webhooks"] == {"204": 1, "500": 1, "503": 1}


def test_a_webhook_that_is_never_accepted_is_given_up(simulator, caller):
    simulator.behave(caller.provider, webhooks={"retries": [0.01, 0.01]})
    with Listener(500, 500, 500, 500) as listener:
        caller.made(listener.hook("ours"))
        wait_for(lambda: simulator.state(caller.provider)["webhooks_not_sent"] == {"given_up": 1}, "it to be given up")
        assert len(listener.of("ours")) == 3


def test_a_redirect_is_not_followed(simulator, caller):
    """Replicate and fal give up there and then, which people only notice by films that never come."""
    simulator.behave(caller.provider, webhooks={"retries": [0.01]})
    with Listener(302, 302) as listener:
        caller.made(listener.hook("ours"))
        wait_for(lambda: simulator.state(caller.provider)["webhooks_not_sent"], "it to be given up")
        assert len(listener.of("ours")) == (2 if caller.provider == "wavespeed" else 1)
        assert len(listener.received) == len(listener.of("ours"))


def test_replicate_repeats_the_last_event_only(simulator, caller_of):
    simulator.behave("replicate", webhooks={"retries": [0.01]})
    with Listener(500, 500) as listener:
        body = {"webhook_events_filter": ["start", "completed"]}
        caller_of("replicate").made(listener.hook("ours"), body={"webhook": listener.hook("ours"), **body})
        came = listener.wait("ours", 3)
    assert [one.json["status"] for one in came] == ["processing", "succeeded", "succeeded"]


def test_a_receiver_that_does_not_answer_is_waited_for_no_longer_than_the_vendor_does(simulator, caller):
    simulator.behave(caller.provider, webhooks={"retries": [], "timeout": 0.2})
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        caller.made(f"http://127.0.0.1:{silent.getsockname()[1]}/webhooks/vendor/ours/")
        wait_for(lambda: simulator.state(caller.provider)["webhooks"] == {"timeout": 1}, "the patience to end")


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/x", "http://127.0.0.1:1/x", "http:///x", "nonsense"])
def test_an_address_that_cannot_be_called_does_no_harm(simulator, caller, address):
    simulator.behave(caller.provider, webhooks={"retries": []})
    answer = caller.submit(address)
    if answer.status_code == 422:  # Replicate looks at it
        assert caller.provider == "replicate"
        return
    wait_for(lambda: simulator.state(caller.provider)["webhooks_not_sent"] == {"given_up": 1}, "it to be given up")


# --- faults ---


def test_it_can_be_lost(simulator, caller, listener):
    simulator.next(caller.provider, "webhook", "lost")
    caller.made(listener.hook("first"))
    state = simulator.wait_until_ended(caller.provider)
    assert state["webhooks_not_sent"] == {"lost": 1}
    caller.made(listener.hook("second"))
    listener.wait("second")
    assert listener.of("first") == []


def test_it_can_be_late(simulator, caller, listener):
    simulator.next(caller.provider, "webhook", "late", seconds=1.0)
    caller.made(listener.hook("late"))
    caller.made(listener.hook("prompt"))
    listener.wait("prompt")
    assert listener.of("late") == []
    listener.wait("late")


def test_it_can_come_many_times_at_once(simulator, caller, listener, secret):
    simulator.next(caller.provider, "webhook", "duplicated", copies=10)
    caller.made(listener.hook("ours"))
    came = listener.wait("ours", 10)
    assert len({one.body for one in came}) == 1
    assert all(is_genuine(caller.provider, secret, one) for one in came)
    tries = wait_for(lambda: t if len(t := simulator.webhooks(reference="ours")) == 10 else None, "ten answers")
    assert {one["fault"] for one in tries} == {"duplicated"}


def test_copies_are_under_way_together(simulator, caller):
    """A receiver that answers the first only after it has seen the last."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    meeting = threading.Barrier(5, timeout=5)

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            meeting.wait()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        simulator.next(caller.provider, "webhook", "duplicated", copies=5)
        caller.made(f"http://127.0.0.1:{server.server_address[1]}/webhooks/vendor/ours/")
        wait_for(lambda: simulator.state(caller.provider)["webhooks"] == {"204": 5}, "five answers")
        server.shutdown()
        thread.join()


def test_events_can_come_in_the_wrong_order(simulator, caller_of, listener):
    caller = caller_of("replicate")
    simulator.behave("replicate", faults={"webhook": [{"fault": "reordered", "seconds": 60}]})
    body = {"webhook": listener.hook("ours"), "webhook_events_filter": ["start", "completed"]}
    caller.made(listener.hook("ours"), body=body)
    came = listener.wait("ours", 2)
    assert [one.json["status"] for one in came] == ["succeeded", "processing"]


@pytest.mark.parametrize("provider", ["wavespeed", "fal"])
def test_webhooks_of_two_predictions_can_change_places(simulator, caller_of, listener, provider):
    caller = caller_of(provider)
    simulator.next(provider, "webhook", "reordered", seconds=60)
    caller.made(listener.hook("first"))
    simulator.wait_until_ended(provider)
    caller.made(listener.hook("second"))
    listener.wait("first")
    assert [one.path.split("/")[-2] for one in listener.received] == ["second", "first"]


def test_one_that_waits_for_another_does_not_wait_for_ever(simulator, caller, listener):
    simulator.next(caller.provider, "webhook", "reordered", seconds=0.2)
    caller.made(listener.hook("ours"))
    listener.wait("ours")


@pytest.mark.parametrize("how", ["wrong_secret", "unsigned", "altered", "stale", "malformed"])
def test_it_can_be_forged_and_the_right_one_follows(simulator, caller, listener, secret, how):
    simulator.next(caller.provider, "webhook", "forged", how=how)
    caller.made(listener.hook("ours"))
    forged, genuine = listener.wait("ours", 2)
    assert not is_genuine(caller.provider, secret, forged)
    assert is_genuine(caller.provider, secret, genuine)
    if how == "stale":
        assert is_genuine(caller.provider, secret, forged, tolerance=900)
    if how == "altered":
        assert forged.json == genuine.json
        assert forged.body != genuine.body


def test_a_forged_one_can_stay_alone(simulator, caller, listener, secret):
    simulator.next(caller.provider, "webhook", "forged", genuine=False)
    caller.made(listener.hook("ours"))
    caller.made(listener.hook("next"))
    listener.wait("next")
    wait_for(lambda: simulator.state(caller.provider)["webhooks"] == {"204": 2}, "both to be answered")
    assert len(listener.of("ours")) == 1


def test_the_vendors_clock_can_be_wrong(simulator, caller, listener, secret):
    simulator.behave(caller.provider, webhooks={"clock_skew": -1000})
    caller.made(listener.hook("ours"))
    (came,) = listener.wait("ours")
    assert not is_genuine(caller.provider, secret, came)
    assert is_genuine(caller.provider, secret, came, tolerance=1100)


def test_every_try_is_in_the_ledger(simulator, caller, listener):
    made = caller.made(listener.hook("ours"))
    (sent,) = wait_for(lambda: simulator.webhooks(prediction=made), "the webhook to be noted")
    assert (sent["provider"], sent["reference"], sent["answer"]) == (caller.provider, "ours", 204)
    assert simulator.webhooks(reference="nobody") == []
