import pytest

from consensus_rpc.backoff import Backoff, Patience


class Now:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_waits_grow_up_to_the_ceiling() -> None:
    backoff = Backoff(first_seconds=0.1, ceiling_seconds=0.5)

    assert [backoff.seconds(number, 0.0) for number in (1, 2, 3, 4, 10_000)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_chance_adds_at_most_the_jitter() -> None:
    assert Backoff(first_seconds=2.0, jitter=0.25).seconds(1, 0.5) == 2.25


@pytest.mark.parametrize(("first", "factor"), [(0.0, 2.0), (-1.0, 2.0), (1.0, 0.9)])
def test_what_would_spin_is_refused(first: float, factor: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Backoff(first_seconds=first, factor=factor)


def test_patience_ends_with_its_budget_and_begins_anew_after_a_success() -> None:
    now = Now()
    patience = Patience(Backoff(first_seconds=1.0), 4.0, clock=now, chance=lambda: 0.0)

    waits = []
    for _ in range(3):
        waits.append(patience.wait_seconds())
        now.seconds += waits[-1] or 0.0
    patience.succeeded()

    assert waits == [1.0, 2.0, None]
    assert patience.wait_seconds() == 1.0


def test_a_longer_wait_that_is_asked_for_wins() -> None:
    patience = Patience(Backoff(first_seconds=1.0), 100.0, clock=Now(), chance=lambda: 0.0)

    assert patience.wait_seconds(asked_seconds=7.0) == 7.0
