"""Unified diffs of lists of lines, whole, in bounded time. Pure.

The standard library's `unified_diff` takes cubic time on hostile input. Here the common ends are set aside
first, and what is too alike within itself to be matched line by line is replaced as one piece: such a diff is
longer than it could be, and still exact.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile

CONTEXT_LINES = 3
MAX_MATCHES = 200_000
"""Pairs of equal lines up to which lines are matched."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Lines `a_start` to `a_end` of one text that become `b_start` to `b_end` of the other."""

    is_equal: bool
    a_start: int
    a_end: int
    b_start: int
    b_end: int


def unified_diff(before: Sequence[str], after: Sequence[str], name: str) -> list[str]:
    """The diff's lines without line breaks, two of a header first; empty when nothing differs."""
    hunks = list(_hunks(_spans(before, after)))
    if not hunks:
        return []
    lines = [f"--- a/{name}", f"+++ b/{name}"]
    for hunk in hunks:
        lines.append(_hunk_header(hunk[0], hunk[-1]))
        for span in hunk:
            if span.is_equal:
                lines += [f" {line}" for line in before[span.a_start : span.a_end]]
            else:
                lines += [f"-{line}" for line in before[span.a_start : span.a_end]]
                lines += [f"+{line}" for line in after[span.b_start : span.b_end]]
    return lines


def _spans(before: Sequence[str], after: Sequence[str]) -> list[_Span]:
    """All of both texts, as spans that are equal or not, in order."""
    head = _common(before, after)
    tail = _common(before[: head - 1 : -1] if head else before[::-1], _reversed_rest(after, head))
    a_end, b_end = len(before) - tail, len(after) - tail
    spans = [_Span(True, 0, head, 0, head)]
    for tag, a_from, a_to, b_from, b_to in _operations(before[head:a_end], after[head:b_end]):
        spans.append(_Span(tag == "equal", head + a_from, head + a_to, head + b_from, head + b_to))
    spans.append(_Span(True, a_end, len(before), b_end, len(after)))
    return [span for span in spans if span.a_end > span.a_start or span.b_end > span.b_start]


def _reversed_rest(lines: Sequence[str], head: int) -> Sequence[str]:
    return lines[: head - 1 : -1] if head else lines[::-1]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _operations(before: Sequence[str], after: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    there = Counter(after)
    if sum(there[line] for line in before) > MAX_MATCHES:
        return [("replace", 0, len(before), 0, len(after))]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return list(matcher.get_opcodes())


def _hunks(spans: Sequence[_Span]) -> Iterator[list[_Span]]:
    """Changes with their context; those whose contexts touch or overlap stand together."""
    hunk: list[_Span] = []
    for index, span in enumerate(spans):
        if not span.is_equal:
            hunk.append(span)
            continue
        size, is_last = span.a_end - span.a_start, index == len(spans) - 1
        if hunk and not is_last and size <= 2 * CONTEXT_LINES:
            hunk.append(span)
            continue
        if hunk:
            yield [*hunk, _first_lines(span)]
        hunk = [] if is_last else [_last_lines(span)]
    if any(not span.is_equal for span in hunk):
        yield hunk


def _first_lines(span: _Span) -> _Span:
    size = min(CONTEXT_LINES, span.a_end - span.a_start)
    return _Span(True, span.a_start, span.a_start + size, span.b_start, span.b_start + size)


def _last_lines(span: _Span) -> _Span:
    size = min(CONTEXT_LINES, span.a_end - span.a_start)
    return _Span(True, span.a_end - size, span.a_end, span.b_end - size, span.b_end)


def _hunk_header(first: _Span, last: _Span) -> str:
    return f"@@ -{_range(first.a_start, last.a_end)} +{_range(first.b_start, last.b_end)} @@"


def _range(start: int, end: int) -> str:
    """Lines count from 1; an empty range names the line before it, as `diff -u` has it."""
    size = end - start
    if size == 1:
        return str(start + 1)
    return f"{start + 1 if size else start},{size}"
