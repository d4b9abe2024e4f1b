"""Brownout levels come and go one at a time, and not with every gust."""

from __future__ import annotations

from jobs.overload.levels import ENTER_SECONDS, LEAVE_SECONDS, Level, Switch, direction


class House:
    """A level that is measured once a second."""

    def __init__(self) -> None:
        self.level, self.at, self.switch = 0, 0.0, Switch()

    def spend(self, seconds: float, pressure: float) -> int:
        for _ in range(int(seconds)):
            turn = direction(self.level, pressure)
            if self.switch.has_lasted(turn, at=self.at):
                self.level += turn
            self.at += 1
        return self.level


def test_a_gust_changes_nothing() -> None:
    assert House().spend(ENTER_SECONDS - 1, 5.0) == Level.FULL


def test_pressure_that_lasts_goes_up_one_level_at_a_time_and_no_further_than_its_share() -> None:
    house = House()
    seen = [house.spend(ENTER_SECONDS + 1, 0.6) for _ in range(6)]
    assert sorted(set(seen)) == [Level.NO_POSTERS, Level.SHORT_FILMS]
    assert house.spend(1000, 0.6) == Level.SHORT_FILMS
    assert house.spend(100, 2.0) == Level.EMAIL_ONLY


def test_a_level_is_left_only_well_below_where_it_was_entered() -> None:
    house = House()
    house.spend(100, 0.3)
    assert house.spend(1000, 0.2) == Level.NO_POSTERS
    assert house.spend(LEAVE_SECONDS - 1, 0.1) == Level.NO_POSTERS
    assert house.spend(3, 0.1) == Level.FULL


def test_it_ends_by_itself_from_the_highest_level() -> None:
    house = House()
    house.spend(1000, 1.5)
    assert house.spend(4 * (LEAVE_SECONDS + 1), 0.0) == Level.FULL
