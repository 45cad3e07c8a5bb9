"""An exception in the log: where, and of which class; never what it says."""

import json

from consensus_rpc.telemetry.fault_trace import fault_trace

CANARY = "canary-in-a-prompt"


def look_up() -> None:
    raise KeyError(CANARY)


def look_up_in_vain(*, cut_off: bool) -> None:
    try:
        look_up()
    except KeyError as cause:
        raise ValueError(CANARY) from (None if cut_off else cause)


def raised(*, cut_off: bool = False) -> ValueError:
    """An error that came from another; `cut_off`: and does not say so."""
    try:
        look_up_in_vain(cut_off=cut_off)
    except ValueError as error:
        error.add_note(CANARY)
        return error
    raise AssertionError


def test_it_names_classes_and_places_of_the_whole_chain() -> None:
    lines = fault_trace(raised())

    assert lines[0] == "builtins.ValueError"
    assert "builtins.KeyError" in lines
    assert any("test_fault_trace.py:" in line and line.endswith(" in look_up_in_vain") for line in lines)


def test_it_repeats_nothing_that_an_exception_says() -> None:
    group = ExceptionGroup(CANARY, [raised(), OverflowError(CANARY)])

    lines = fault_trace(group)

    assert CANARY not in json.dumps(lines)
    assert "builtins.OverflowError" in lines


def test_what_was_cut_off_on_purpose_stays_so() -> None:
    assert "builtins.KeyError" not in fault_trace(raised(cut_off=True))


def test_a_circle_and_a_long_chain_end() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert len(fault_trace(first)) == 2

    longest = error = ValueError()
    for _ in range(1_000):
        error.__cause__ = ValueError()
        error = error.__cause__
    assert len(fault_trace(longest)) == 8
