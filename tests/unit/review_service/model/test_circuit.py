"""When a route is not asked, and when it is tried again."""

from review_service.model.circuit import (
    FAILURES,
    FIRST_PAUSE_SECONDS,
    WINDOW_SECONDS,
    Circuit,
)


def tripped() -> Circuit:
    """A circuit whose calls failed at 0."""
    circuit = Circuit()
    for _ in range(FAILURES):
        circuit.note_failure(0.0)
    return circuit


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    circuit = Circuit()
    states = []
    for _ in range(FAILURES):
        states.append(circuit.is_open(0.0))
        circuit.note_failure(0.0)

    assert states == [False] * FAILURES
    assert circuit.is_open(0.0)


def test_an_answer_between_them_keeps_it_closed() -> None:
    circuit = Circuit()
    for _ in range(FAILURES - 1):
        circuit.note_failure(0.0)
    circuit.note_answer()
    circuit.note_failure(0.0)

    assert not circuit.is_open(0.0)


def test_failures_far_apart_are_not_in_a_row() -> None:
    circuit = Circuit()
    for number in range(FAILURES):
        circuit.note_failure(number * WINDOW_SECONDS)

    assert not circuit.is_open(FAILURES * WINDOW_SECONDS)


def test_after_the_pause_one_call_tries_it() -> None:
    circuit = tripped()

    assert not circuit.is_open(FIRST_PAUSE_SECONDS)
    assert circuit.is_open(FIRST_PAUSE_SECONDS)
    assert circuit.is_tripped

    circuit.note_answer()

    assert not circuit.is_open(FIRST_PAUSE_SECONDS)
    assert not circuit.is_tripped


def test_a_trial_that_fails_doubles_the_pause_and_late_failures_do_not() -> None:
    circuit = tripped()
    circuit.note_failure(1.0)
    assert not circuit.is_open(FIRST_PAUSE_SECONDS)

    circuit.note_failure(FIRST_PAUSE_SECONDS)
    circuit.note_failure(FIRST_PAUSE_SECONDS)

    assert circuit.is_open(3 * FIRST_PAUSE_SECONDS - 0.1)
    assert not circuit.is_open(3 * FIRST_PAUSE_SECONDS)
