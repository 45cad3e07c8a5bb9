"""How sentences are counted."""

import time

import pytest

from review_service.intake.sentences import count_sentences, has_letter_or_digit


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("Build an app", 1),
        ("Build an app.", 1),
        ("Build an app. Then sell it", 2),
        ("Really?! Yes!!! Fine...", 3),
        ("One.\nTwo.\n\nThree.", 3),
        ("Use tools, e.g. Postgres, i.e. a database.", 1),
        ("Ask Dr. Smith vs. Mr. Jones.", 1),
        ("Tea, coffee etc. are sold. Cake, etc.", 2),
        ("We sell tea, coffee, etc. Then we close.", 2),
        ("See Fig. 3 and No. 5.", 1),
        ("The answer is no. We stop.", 2),
        ("Written by J. Smith.", 1),
        ("It was I. Then they came.", 2),
        ("Move to v1.2.3 of it.", 1),
        ("Move to Python 3.11. Then test.", 2),
        ("It costs 3.50 a day.", 1),
        ("See example.com for more. Done.", 2),
        ("The U.S. market is open at 9 a.m. on Mondays.", 1),
        ("We open at 9 a.m. Everybody comes.", 2),
        ("1. Collect.\n2. Sort.\n3. Store.", 3),
        ('He said "no." Then he left.', 2),
        ("(It works.) We go on.", 2),
        ("これは文です。次の文です。", 2),
        ("何ですか？本当！はい｡", 3),  # noqa: RUF001 - these forms are meant
        ("「行く。」そして帰る。", 2),
        ("What。Mixed. Forms！", 3),  # noqa: RUF001 - as above
        ("第一句。 第二句", 2),
        ("Wait… what?", 2),
        ("No space.after a point", 1),
    ],
)
def test_sentences_are_counted(text: str, count: int) -> None:
    assert count_sentences(text) == count


@pytest.mark.parametrize(
    "text", ["." * 20_000 + "x", "a. " * 6_000, "e.g. " * 4_000, "x" * 20_000, "\n." * 10_000]
)
def test_counting_takes_time_in_proportion(text: str) -> None:
    began = time.perf_counter()

    count_sentences(text)

    assert time.perf_counter() - began < 1.0  # quadratic work takes many seconds here


@pytest.mark.parametrize("text", ["a", "7", "é", "字", "٣", "?!a"])
def test_a_letter_or_digit_of_any_script_says_something(text: str) -> None:
    assert has_letter_or_digit(text)


@pytest.mark.parametrize("text", ["", " ", "?!", "—…", "\u200b"])
def test_marks_alone_say_nothing(text: str) -> None:
    assert not has_letter_or_digit(text)
