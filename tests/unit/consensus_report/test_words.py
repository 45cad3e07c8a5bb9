"""Which words of two lines differ, however much there is to compare."""

import pytest

from consensus_report.words import WordDiffs


def marked(before: str, after: str, diffs: WordDiffs | None = None) -> tuple[str, str]:
    """Both lines, with what differs in brackets."""
    old, new = (diffs or WordDiffs()).of(before, after)
    return "".join(f"[{words}]" if differs else words for words, differs in old), "".join(
        f"[{words}]" if differs else words for words, differs in new
    )


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a cat sat", "a dog sat", ("a [cat] sat", "a [dog] sat")),
        ("a cat", "a cat sat", ("a cat", "a cat[ sat]")),
        ("same", "same", ("same", "same")),
        ("", "new", ("", "[new]")),
        ("one two three, four", "one 2 three; four", ("one [two] three[,] four", "one [2] three[;] four")),
        (
            "a long line of which it is all gone",
            "all that it says now",
            ("[a long line of which it is all gone]", "[all that it says now]"),
        ),
    ],
)
def test_the_words_that_differ_are_marked(before: str, after: str, shown: tuple[str, str]) -> None:
    assert marked(before, after) == shown


def test_what_would_take_long_differs_as_a_whole_between_its_common_ends() -> None:
    before = "The end of " + "a " * 150 + "and that is all that there is to say of it here." * 40
    after = before.replace("a " * 150, "a b " * 75)
    old, new = marked(before, after)
    assert old.count("[") == new.count("[") == 1
    assert old.startswith("The end of a [")


def test_after_much_was_compared_the_rest_differs_as_a_whole() -> None:
    diffs = WordDiffs(pairs_left=3)
    line = "one {} two three four {} five"
    shown = [marked(line.format("x", "y"), line.format("v", "w"), diffs)[0] for _ in range(2)]
    assert shown == ["one [x] two three four [y] five", "one [x two three four y] five"]


@pytest.mark.parametrize(("count", "marks"), [(100, 100), (1000, 1)])
def test_of_two_lines_with_many_differences_no_more_is_compared_than_is_bounded(
    count: int, marks: int
) -> None:
    before = " ".join(f"same{number} old{number}" for number in range(count))
    diffs = WordDiffs(steps_left=1_000_000)
    old, new = marked(before, before.replace("old", "new"), diffs)
    assert old.count("[") == new.count("[") == marks
    assert diffs.steps_left >= 900_000


def test_after_many_searches_the_rest_differs_as_a_whole() -> None:
    assert marked("one x two y three", "one v two w three", WordDiffs(steps_left=3)) == (
        "one [x two y] three",
        "one [v two w] three",
    )
