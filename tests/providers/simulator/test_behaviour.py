"""Scenarios: valid and invalid ones, and repeatable randomness."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from providers.simulator import server
from providers.simulator.behaviour import BadScenario, Times, default_behaviour, read_behaviour, read_scenario
from tests.support.simulator import Caller


def test_the_default_behaviour_can_be_read_and_is_shown_whole(simulator):
    for provider in ("wavespeed", "replicate", "fal"):
        shown = simulator.control("PUT", provider, {})
        assert shown == default_behaviour(provider)
        assert read_behaviour(provider, shown).as_json == shown


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ({"limit": {}}, "the behaviour knows no “limit”"),
        ({"limits": {"concurent": 3}}, "limits knows no “concurent”; it knows concurrent, strict"),
        ({"limits": {"concurrent": 0}}, "limits.concurrent is a whole number, at least 1, or null."),
        ({"limits": {"concurrent": True}}, "limits.concurrent is a whole number"),
        ({"limits": 3}, "limits is a JSON object."),
        ({"limits": {"retry_after": "later"}}, "limits.retry_after is one of none, seconds"),
        ({"limits": {"strict": 1}}, "limits.strict is true or false."),
        ({"times": {"answer": -1}}, "times.answer is in seconds, at least 0."),
        ({"times": {"answer": {"gauss": 1}}}, "times.answer: a time is a number, fixed, uniform"),
        ({"times": {"answer": {"uniform": [1]}}}, "times.answer: a time is"),
        ({"times": {"duration": {"lognormal": {"median": 0}}}}, "times.duration: a time is"),
        ({"times": {"answer": None}}, "times.answer is a number."),
        ({"price": "free"}, "price is an amount of dollars"),
        ({"cancel": "maybe"}, "cancel is one of stops, goes_on."),
        ({"account": {"keys": "key"}}, "account.keys is a list of texts, or null."),
        ({"account": {"trouble": "broke"}}, "account.trouble is one of unauthorized"),
        ({"webhooks": {"retries": 3}}, "webhooks.retries is a list of seconds."),
        ({"faults": {"lunch": []}}, "There is no stage “lunch”"),
        ({"faults": {"submit": ["explode"]}}, "faults.submit: at submit there is no fault “explode”"),
        ({"faults": {"submit": [{"fault": "busy", "probability": 2}]}}, "a probability is a number from 0 to 1."),
        ({"faults": {"submit": [{"fault": "busy", "between": [1]}]}}, "between is two numbers of seconds."),
        ({"faults": {"submit": [{"fault": "busy", "second": 1}]}}, "busy has no option “second”; its options: retry"),
        ({"faults": {"submit": [{"fault": "busy", "seconds": "x"}]}}, "seconds does not go with 'x'."),
        ({"faults": {"submit": [{"fault": "garbage", "takes_effect": False}]}}, "garbage shows the answer"),
        ({"faults": {"film": ["redirect"]}}, "faults.film: redirect needs “url”."),
        ({"faults": {"webhook": [{"fault": "forged", "how": "well"}]}}, "how is one of wrong_secret"),
        ({"faults": []}, "faults is a JSON object."),
        ({"faults": {"submit": "busy"}}, "faults.submit is a list."),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_changes_nothing(simulator, behaviour, sentence):
    before = simulator.control("GET", "fal")
    said = simulator.control("POST", "fal", behaviour, status=400)["error"]
    assert sentence in said
    assert simulator.control("GET", "fal") == before
    with pytest.raises(BadScenario) as caught:
        read_behaviour("fal", behaviour)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("scenario", "sentence"),
    [
        ([], "the scenario is a JSON object."),
        ({"seed": "x"}, "seed is a whole number."),
        ({"providers": {"sora": {}}}, "providers knows no “sora”; it knows wavespeed, replicate, fal."),
        ({"vendors": {}}, "the scenario knows no “vendors”"),
    ],
)
def test_a_scenario_that_cannot_be_read_is_a_sentence(scenario, sentence):
    with pytest.raises(BadScenario, match=sentence):
        read_scenario(scenario)


def test_a_change_adds_to_what_was_said_and_a_replacement_forgets_it(simulator):
    simulator.behave("fal", limits={"concurrent": 2}, times={"answer": {"uniform": [1, 2]}})
    simulator.behave("fal", limits={"per_minute": 9}, times={"answer": {"fixed": 0}})
    shown = simulator.control("GET", "fal")
    assert (shown["limits"]["concurrent"], shown["limits"]["per_minute"]) == (2, 9)
    assert shown["times"]["answer"] == {"fixed": 0}
    simulator.control("PUT", "fal", {"price": "1.00"})
    shown = simulator.control("GET", "fal")
    assert (shown["limits"]["concurrent"], shown["price"]) == (None, "1.00")


def test_a_scenario_for_one_provider_leaves_the_others(simulator):
    simulator.behave("fal", price="9")
    simulator.control("POST", "scenario", {"providers": {"replicate": {"price": "8"}}})
    assert (simulator.control("GET", "fal")["price"], simulator.control("GET", "replicate")["price"]) == ("9", "8")
    simulator.control("PUT", "scenario", {"providers": {"replicate": {"price": "7"}}})
    assert (simulator.control("GET", "fal")["price"], simulator.control("GET", "replicate")["price"]) == ("0.40", "7")


def test_a_bad_scenario_changes_no_provider(simulator):
    bad = {"providers": {"wavespeed": {"price": "5"}, "fal": {"price": "x"}}}
    said = simulator.control("POST", "scenario", bad, status=400)["error"]
    assert said.startswith("fal: price is")
    assert simulator.control("GET", "wavespeed")["price"] == "0.30"


def test_times_are_drawn_from_where_it_says():
    dice = random.Random(1)
    assert {Times("fixed", (3.0,)).draw(dice) for _ in range(5)} == {3.0}
    uniform = [Times("uniform", (2.0, 5.0)).draw(dice) for _ in range(500)]
    assert 2 <= min(uniform) < 2.2
    assert 4.8 < max(uniform) <= 5
    lognormal = sorted(Times("lognormal", (20.0, 0.5, 40.0)).draw(dice) for _ in range(999))
    assert 18 < lognormal[499] < 22
    assert max(lognormal) == 40.0
    assert min(lognormal) < 10


MIXED = {
    "submit": [{"fault": "busy", "probability": 0.2}, {"fault": "status", "status": 503, "probability": 0.1}],
    "outcome": [{"fault": "fail", "probability": 0.3}, {"fault": "refuse", "probability": 0.1}],
}


def what_happens(simulator, provider, count=60):
    caller = Caller(simulator.url, provider)
    answers = [caller.submit() for _ in range(count)]
    made = [caller.id_in(answer.json()) for answer in answers if answer.status_code < 300]
    simulator.wait_until_ended(provider, len(made))
    fates = [entry["state"] for entry in simulator.entries(provider) if entry["prediction_id"]]
    return [answer.status_code for answer in answers], fates


def test_the_same_seed_gives_the_same_day_and_another_seed_another(simulator):
    def day(seed):
        simulator.reset(seed=seed)
        simulator.behave("wavespeed", faults=MIXED, times={"duration": {"uniform": [0, 0.01]}})
        return what_happens(simulator, "wavespeed")

    first = day(7)
    assert first == day(7)
    assert first != day(8)
    counts = Counter(first[0])
    assert counts[429] > 0
    assert counts[503] > 0


def test_one_provider_does_not_disturb_the_chance_of_another(simulator):
    def day(*, disturbed):
        simulator.reset(seed=7)
        for provider in ("wavespeed", "fal"):
            simulator.behave(provider, faults=MIXED)
        if disturbed:
            what_happens(simulator, "fal", 20)
        return what_happens(simulator, "wavespeed")

    assert day(disturbed=False) == day(disturbed=True)


def test_ids_differ_though_the_seed_is_the_same(simulator):
    caller = Caller(simulator.url, "replicate")
    first = caller.made()
    simulator.reset(seed=1)
    assert caller.made() != first


def test_the_readme_shows_a_scenario_that_can_be_used(simulator):
    text = (Path(server.__file__).parent / "README.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```json\n")[1:]]
    scenarios = [scenario for scenario in map(json.loads, blocks) if "providers" in scenario]
    assert scenarios
    for scenario in scenarios:
        simulator.control("PUT", "scenario", scenario)
