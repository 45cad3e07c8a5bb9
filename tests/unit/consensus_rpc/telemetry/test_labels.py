"""What comes from outside makes no metric grow without end."""

import pytest

from consensus_rpc.telemetry.labels import BoundedLabel


def test_names_beyond_the_bound_are_one() -> None:
    label = BoundedLabel(2)
    assert [label(name) for name in ("a", "b", "c", "d", "a")] == ["a", "b", "other", "other", "a"]


def test_a_name_that_is_too_long_takes_no_place() -> None:
    label = BoundedLabel(1)
    assert [label("x" * 201), label("a")] == ["other", "a"]


@pytest.mark.parametrize("name", ["a", ""])
def test_without_room_for_any_there_is_no_label(name: str) -> None:
    assert BoundedLabel(0)(name) == ""
