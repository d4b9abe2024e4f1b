"""The plan of a storm."""

import random
from collections import defaultdict

import pytest

from tests.chaos.faults import KINDS
from tests.chaos.plan import EVERYTHING, make_plan

MINUTES = 10 * 60


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_same_seed_gives_the_same_plan_and_another_seed_another(database):
    plan = make_plan(7, seconds=MINUTES, database=database)
    random.seed(1)
    assert make_plan(7, seconds=MINUTES, database=database) == plan
    assert make_plan(8, seconds=MINUTES, database=database) != plan


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_ten_minutes_hold_every_fault_of_their_database_and_of_no_other(database, seed):
    plan = make_plan(seed, seconds=MINUTES, database=database)
    assert {blow.kind.name for blow in plan} == {kind.name for kind in KINDS if kind.only_on in ("", database)}
    assert all(blow.at + blow.seconds <= MINUTES for blow in plan)
    assert [blow.at for blow in plan] == sorted(blow.at for blow in plan)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_hurt_twice_at_once(seed):
    until = defaultdict(float)
    for blow in make_plan(seed, seconds=MINUTES, database="postgres"):
        things = blow.kind.touching(blow.target)
        for thing in things if EVERYTHING not in things else [*until, EVERYTHING]:
            assert blow.at >= until[thing] - 0.1
            until[thing] = blow.at + blow.seconds
        assert blow.at >= until[EVERYTHING] - 0.1
