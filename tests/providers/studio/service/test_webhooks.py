"""The studio's webhooks over real HTTP, to a receiver that verifies every signature."""

import time
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from providers.studio.service.webhooks import PROGRESS_PAUSE
from tests.support.processes import free_port, wait_for
from tests.support.studio import Receiver, running_studio

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with running_studio(tmp_path_factory.mktemp("studio"), webhook_backoff=(0.05, 0.2)) as running:
        yield running


@pytest.fixture
def receiver(studio):
    with Receiver(studio.credentials.webhook_secret) as listening:
        yield listening


def test_the_webhooks_of_a_film_are_in_order_and_signed(studio, receiver):
    prediction_id = studio.submit("told", webhook=f"{receiver.url}/hook/token").json()["id"]
    done = receiver.wait_for_kind("succeeded")
    kinds = [kind for kind in receiver.kinds() if kind != "progress"]
    assert kinds == ["started", "preview", "succeeded"]
    assert all(one.is_genuine and one.path == "/hook/token" for one in receiver.received)
    assert len({one.message_id for one in receiver.received}) == len(receiver.received)
    assert done.event["prediction"] == studio.show(prediction_id)
    preview = next(one for one in receiver.received if one.kind == "preview").event["prediction"]
    assert (preview["status"], preview["video"]) == ("running", None)
    assert studio.call("GET", preview["poster"], key="").status_code == 200


@pytest.mark.parametrize(("hero_name", "code"), [("NOFACE", "no_face"), ("BROKEN", "render_failed")])
def test_a_failure_has_a_webhook(studio, receiver, hero_name, code):
    studio.submit(f"fails-{hero_name}", hero_name, webhook=receiver.url)
    assert receiver.wait_for_kind("failed").event["prediction"]["error"]["code"] == code


def test_a_cancel_has_a_webhook(studio, receiver):
    prediction_id = studio.submit("canceled", "SLOW", webhook=receiver.url).json()["id"]
    receiver.wait_for_kind("started")
    studio.call("POST", f"/v1/predictions/{prediction_id}/cancel")
    receiver.wait_for_kind("canceled")
    assert receiver.kinds()[-1] == "canceled"


def test_progress_is_sent_twice_a_second_and_only_the_newest(studio, receiver):
    prediction_id = studio.submit("progress", "SLOW", webhook=receiver.url).json()["id"]
    wait_for(lambda: receiver.kinds().count("progress") >= 4, "four progress webhooks")
    studio.call("DELETE", f"/v1/predictions/{prediction_id}")
    told = [one for one in list(receiver.received) if one.kind == "progress"]
    shares = [one.event["prediction"]["progress"] for one in told]
    assert shares == sorted(shares)
    gaps = [(after.at - before.at).total_seconds() for before, after in pairwise(told)]
    assert min(gaps) > PROGRESS_PAUSE * 0.8


def test_a_webhook_that_is_not_taken_comes_again_with_the_same_id_until_it_is(studio):
    answers = [500, 503, 302, 404, 401]
    with Receiver(studio.credentials.webhook_secret, answers) as receiver:
        studio.submit("again", webhook=receiver.url)
        receiver.wait_for_kind("succeeded")
        first = [one for one in receiver.received if one.status not in (200, 204)]
        assert len(first) == 5
        assert {(one.kind, one.path) for one in first} == {("started", "/")}, "no redirect is followed"
        assert len({one.message_id for one in first}) == 1
        kinds = [kind for kind in receiver.kinds() if kind != "progress"]
        assert kinds == ["started", "preview", "succeeded"]
        taken = Counter(one.message_id for one in receiver.received if one.status == 204)
        assert set(taken.values()) == {1}


def test_410_means_never_again(studio):
    with Receiver(studio.credentials.webhook_secret, [410]) as receiver:
        prediction_id = studio.submit("gone", webhook=receiver.url).json()["id"]
        assert studio.wait(prediction_id)["status"] == "succeeded"
        time.sleep(0.3)
        assert receiver.kinds(taken=False) == ["started"]


def test_a_missing_receiver_delays_no_other_prediction(studio, receiver):
    with Receiver(studio.credentials.webhook_secret) as nobody:
        url = nobody.url
    lost = studio.submit("nobody", webhook=url).json()["id"]
    studio.submit("somebody", webhook=receiver.url)
    receiver.wait_for_kind("succeeded")
    assert studio.wait(lost)["status"] == "succeeded"
    studio.call("DELETE", f"/v1/predictions/{lost}")


def test_progress_that_is_not_taken_gives_way_to_what_is_newer(tmp_path):
    with (
        running_studio(tmp_path, webhook_backoff=(30.0, 60.0)) as studio,
        Receiver(studio.credentials.webhook_secret) as receiver,
    ):
        receiver.take_original = receiver.take

        def refuse_progress(path, headers, body):
            receiver.answers = [500] if b"prediction.progress" in body else []
            return receiver.take_original(path, headers, body)

        receiver.take = refuse_progress
        studio.submit("gives-way", webhook=receiver.url)
        receiver.wait_for_kind("succeeded", seconds=15)
        assert "progress" not in receiver.kinds()


def test_a_receiver_that_never_answers_is_left_after_the_timeout(tmp_path):
    with (
        running_studio(tmp_path, webhook_seconds=0.3, webhook_backoff=(0.05, 0.1)) as studio,
        Receiver(studio.credentials.webhook_secret) as receiver,
    ):
        receiver.take_original, calls = receiver.take, []

        def sleep_once(path, headers, body):
            calls.append(path)
            if len(calls) == 1:
                time.sleep(1.0)
                return 500
            return receiver.take_original(path, headers, body)

        receiver.take = sleep_once
        studio.submit("sleepy", webhook=receiver.url)
        receiver.wait_for_kind("succeeded", seconds=15)


def test_an_event_is_given_up_after_its_time(tmp_path):
    choices = {"webhook_backoff": (0.01, 0.02), "webhook_patience": timedelta(seconds=0.2)}
    with (
        running_studio(tmp_path, **choices) as studio,
        Receiver(studio.credentials.webhook_secret) as receiver,
    ):
        receiver.take_original = receiver.take

        def refuse_started(path, headers, body):
            receiver.answers = [500] if b"prediction.started" in body else []
            return receiver.take_original(path, headers, body)

        receiver.take = refuse_started
        studio.submit("given-up", webhook=receiver.url)
        receiver.wait_for_kind("succeeded", seconds=15)


def test_a_final_webhook_that_was_not_taken_is_sent_by_the_next_process(tmp_path):
    choices = {"port": free_port(), "webhook_backoff": (0.05, 0.1)}
    with running_studio(tmp_path, **choices) as studio:
        secret = studio.credentials.webhook_secret
        with Receiver(secret, [204, 500, 500] + [500] * 500) as deaf:
            url, port = deaf.url, deaf.server.server_address[1]
            prediction_id = studio.submit("later", webhook=url).json()["id"]
            told = studio.submit("told-at-once", "NOFACE").json()["id"]
            assert studio.wait(prediction_id)["status"] == "succeeded"
            studio.wait(told)
    with Receiver(secret, port=port) as receiver, running_studio(tmp_path, **choices) as studio:
        done = receiver.wait_for_kind("succeeded")
        assert done.is_genuine
        assert done.message_id == f"{prediction_id}.succeeded"
        assert studio.call("GET", done.event["prediction"]["video"], key="").status_code == 200
    with Receiver(secret, port=port) as receiver, running_studio(tmp_path, **choices):
        time.sleep(0.3)
        assert receiver.received == [], "what was taken is not sent again"
