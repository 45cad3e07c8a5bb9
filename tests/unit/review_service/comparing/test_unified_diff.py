"""Unified diffs: exact, with three lines of context, whole, and in bounded time."""

import re
from difflib import unified_diff as standard_diff
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_service.comparing import unified_diff as module
from review_service.comparing.unified_diff import unified_diff

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
lines = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=40)
long_lines = st.lists(st.integers(0, 60).map(str), max_size=60, unique=True)


def patched(before: list[str], diff: list[str]) -> list[str]:
    """What the diff makes of the lines; every line that it keeps or takes out must be there."""
    made: list[str] = []
    at = 0
    for line in diff[2:]:
        if found := _HUNK.fullmatch(line):
            size = int(found[2] or 1)
            start = int(found[1]) - (1 if size else 0)
            made += before[at:start]
            at = start
        elif line[0] == "+":
            made.append(line[1:])
        else:
            assert before[at] == line[1:]
            made += before[at : at + 1] if line[0] == " " else []
            at += 1
    return made + before[at:]


@given(lines, lines)
def test_the_diff_makes_one_text_of_the_other(before: list[str], after: list[str]) -> None:
    assert patched(before, unified_diff(before, after, "x")) == after


@given(lines, lines)
def test_so_does_a_coarse_one(before: list[str], after: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_MATCHES", 0)
        assert patched(before, unified_diff(before, after, "x")) == after


@given(lines)
def test_equal_texts_have_none(text: list[str]) -> None:
    assert unified_diff(text, list(text), "x") == []


@given(long_lines, long_lines)
def test_it_is_no_longer_than_the_standard_library_has_it(before: list[str], after: list[str]) -> None:
    standard = list(standard_diff(before, after, lineterm=""))
    ours = unified_diff(before, after, "x")
    assert bool(ours) == bool(standard)
    assert len(ours) <= len(standard) + 2 * len(before)


@given(lines, lines)
def test_no_change_has_more_than_three_lines_of_context(before: list[str], after: list[str]) -> None:
    diff = [line for line in unified_diff(before, after, "x")[2:] if not line.startswith("@@")]
    changed = [index for index, line in enumerate(diff) if line[0] in "+-"]
    assert all(later - earlier <= 7 for earlier, later in pairwise(changed))
    if changed:
        assert changed[0] <= 3
        assert len(diff) - 1 - changed[-1] <= 3


def test_it_reads_as_diffs_read() -> None:
    before = [str(number) for number in range(1, 21)]
    after = [line if line not in {"5", "18"} else f"{line}!" for line in before]
    assert unified_diff(before, after, "summary") == list(
        standard_diff(before, after, "a/summary", "b/summary", lineterm="")
    )


def test_a_text_that_was_not_there_is_added() -> None:
    assert unified_diff([], ["one", "two"], "x") == ["--- a/x", "+++ b/x", "@@ -0,0 +1,2 @@", "+one", "+two"]


def test_hostile_texts_do_not_take_long() -> None:
    before, after = ["x", "y"] * 20_000, ["y", "x"] * 20_001
    assert len(unified_diff(before, after, "x")) > 0  # cubic time would outlast the test's timeout
