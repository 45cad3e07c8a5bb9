"""When a standby is known to have what the primary had some time ago."""

from dataclasses import replace

import pytest

from persistence_service.database.standing import Mark, Marks, Standing

PRIMARY = Standing(system=7, database=5, is_standby=False, timeline=1, position=100)
STANDBY = replace(PRIMARY, is_standby=True)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_standby_that_is_as_far_as_the_primary_was_has_all() -> None:
    assert Mark(0.0, PRIMARY).fault(STANDBY) == ""


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (PRIMARY, "it is no standby"),
        (replace(STANDBY, position=99), "it is behind"),
        (replace(STANDBY, position=None), "it is behind"),
        (replace(STANDBY, system=8), "it is a standby of another database"),
        (replace(STANDBY, database=6), "it is a standby of another database"),
        (replace(STANDBY, timeline=2, position=200), "it does not follow the timeline of the primary"),
    ],
)
def test_anything_else_is_told_apart(found: Standing, fault: str) -> None:
    assert Mark(0.0, PRIMARY).fault(found) == fault


def test_a_standby_must_have_what_the_primary_had_at_the_begin_of_the_span() -> None:
    clock = Clock()
    marks = Marks(5.0, clock)
    for instant, position in ((1000.0, 100), (1001.0, 200), (1002.0, 300)):
        marks.add(Mark(instant, replace(PRIMARY, position=position)))
    clock.now = 1005.5
    oldest = marks.oldest()
    assert oldest is not None
    assert (oldest.instant, oldest.standing.position) == (1001.0, 200)
    assert marks.reached(replace(STANDBY, position=299)) == 1001.0
    assert marks.reached(replace(STANDBY, position=199)) is None
    clock.now = 1007.5
    assert marks.oldest() is None


@pytest.mark.parametrize("primary", [replace(PRIMARY, timeline=2), replace(PRIMARY, system=8)])
def test_positions_of_another_log_are_forgotten(primary: Standing) -> None:
    marks = Marks(5.0, Clock())
    marks.add(Mark(999.0, PRIMARY))
    marks.add(Mark(1000.0, primary))
    oldest = marks.oldest()
    assert oldest is not None
    assert oldest.standing == primary
