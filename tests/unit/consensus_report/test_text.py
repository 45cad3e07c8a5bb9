"""Text from elsewhere, made safe to show."""

import pytest

from consensus_report import text

HOSTILE = {
    "a colour": ("\x1b[31mred", r"\x1b[31mred"),
    "a window title": ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
    "an 8-bit escape": ("\x9b31m", r"\x9b31m"),
    "a backspace": ("ab\b\bcd", r"ab\x08\x08cd"),
    "a carriage return": ("safe\rgone", "safe gone"),
    "line breaks": ("a\n\n\tb\u2028c", "a b c"),
    "a bidi override": ("\u202eabc\u2066", r"\u202eabc\u2066"),
    "a lone surrogate": ("\ud800", r"\ud800"),
    "a zero width space": ("a\u200bb", r"a\u200bb"),
    "a joined emoji": ("👩\u200d💻", "👩\u200d💻"),
    "accents and other scripts": ("é ü 漢字", "é ü 漢字"),
}


@pytest.mark.parametrize(("given", "shown"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_terminal_obeys_nothing_in_cleaned_text(given: str, shown: str) -> None:
    assert text.clean(given) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0.0, "0.00"), (0.6, "0.60"), (0.8125, "0.8125"), (0.812, "0.812"), (1.0, "1.00"), (0.05, "0.05")],
)
def test_a_score_has_two_to_four_decimals(number: float, shown: str) -> None:
    assert text.score(number) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            "The weighted confidence of 0.2550 is below 0.60: reject.",
            "The weighted confidence of 0.255 is below 0.60: reject.",
        ),
        ("0.500000 to 1.0000", "0.50 to 1.00"),
        ("0.8125, 12.3400.", "0.8125, 12.34."),
        ("policy 1.1.0, version 2.100.0, port 10.0.0.100", "policy 1.1.0, version 2.100.0, port 10.0.0.100"),
        ("100 of 1000", "100 of 1000"),
    ],
)
def test_fractions_in_a_sentence_are_written_as_scores_are(given: str, shown: str) -> None:
    assert text.sentence(given) == shown


def test_a_value_of_a_newer_server_has_a_word_too() -> None:
    from consensus.v1 import run_pb2

    assert text.word(run_pb2.RunState, run_pb2.RUN_STATE_FAILED, "RUN_STATE_") == "failed"
    assert text.word(run_pb2.RunState, run_pb2.RunState.ValueType(99), "RUN_STATE_") == "unknown (99)"
