"""How many runs are taken on: fewer while acknowledgements are late, and as many as ever soon after."""

import pytest

from review_service.runs.pace import LATE_SECONDS, Pace

SOON, LATE = LATE_SECONDS / 10, LATE_SECONDS * 2


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pace(time: Time) -> Pace:
    return Pace(200, clock=time)


def second(pace: Pace, time: Time, in_flight: int, *, soon: int = 0, late: int = 0) -> int:
    """The room after a second in which so many were acknowledged."""
    for seconds, count in ((SOON, soon), (LATE, late)):
        for _ in range(count):
            pace.acknowledged(seconds)
    time.now += 1
    return pace.room(in_flight)


def test_while_all_is_well_the_limit_is_what_was_set(pace: Pace, time: Time) -> None:
    assert second(pace, time, 150, soon=500, late=10) == 50
    assert second(pace, time, 150, late=4) == 50
    assert second(pace, time, 20, late=100) == 180


def test_late_acknowledgements_bring_it_down_by_a_quarter_of_what_is_in_flight(
    pace: Pace, time: Time
) -> None:
    assert second(pace, time, 160, soon=80, late=20) == 120 - 160


def test_it_goes_no_further_down_before_that_has_shown(pace: Pace, time: Time) -> None:
    second(pace, time, 200, late=100)
    assert second(pace, time, 170, late=100) == 150 - 170
    assert second(pace, time, 148, late=100) == 111 - 148


def test_an_eighth_is_always_taken_on(pace: Pace, time: Time) -> None:
    for _ in range(50):
        second(pace, time, min(pace.limit, 200), late=100)
    assert pace.limit == 25


def test_it_rises_by_small_steps_once_they_are_in_time_again(pace: Pace, time: Time) -> None:
    second(pace, time, 200, late=100)
    assert second(pace, time, 150, soon=100) == 4
    for _ in range(12):
        second(pace, time, 150, soon=100)
    assert pace.limit == 200


def test_a_process_that_asks_seldom_recovers_as_soon(pace: Pace, time: Time) -> None:
    second(pace, time, 200, late=100)
    time.now += 11.5
    assert second(pace, time, 0) == 200


def test_it_is_looked_at_once_a_second(pace: Pace, time: Time) -> None:
    second(pace, time, 200, late=100)
    for _ in range(10):
        pace.acknowledged(LATE)
        assert pace.room(100) == 50
