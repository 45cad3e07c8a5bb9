"""Headings of reStructuredText: lines with one kind of punctuation under, and perhaps over, them.

Levels are those of the order in which styles first appear (docutils, "Sections").
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from consensus_documents.lines import Heading, TextLine, heading

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1+")
_LEAST_RULE = 4
"""A shorter rule must be as long as its title."""


def restructured_text_headings(lines: Sequence[TextLine]) -> Iterator[Heading]:
    """The headings, in their order."""
    styles: dict[tuple[str, bool], int] = {}
    at = 0
    while at < len(lines):
        found = _titled(lines, at)
        if found is None:
            at += 1
            continue
        title, mark, is_overlined = found
        level = styles.setdefault((mark, is_overlined), len(styles) + 1)
        yield heading(lines[at].start, level, title)
        at += 3 if is_overlined else 2


def _titled(lines: Sequence[TextLine], at: int) -> tuple[str, str, bool] | None:
    """The title that begins at a line, its punctuation, and whether it has a line over it."""
    if at > 0 and not lines[at - 1].is_blank:
        return None
    over = _mark(lines[at])
    if over and at + 2 < len(lines) and _mark(lines[at + 2]) == over:
        title = lines[at + 1].text.strip()
        is_even = lines[at].text.rstrip() == lines[at + 2].text.rstrip()
        fits = title and not _mark(lines[at + 1]) and _is_long_enough(lines[at], title)
        return (title, over, True) if is_even and fits else None
    text = lines[at].text
    if over or lines[at].is_blank or text[0].isspace() or at + 1 >= len(lines):
        return None
    under = _mark(lines[at + 1])
    return (text.strip(), under, False) if under and _is_long_enough(lines[at + 1], text.strip()) else None


def _mark(line: TextLine) -> str:
    """The punctuation that a line is made of alone; empty for any other line."""
    found = _RULE.fullmatch(line.text.rstrip())
    return found[1] if found else ""


def _is_long_enough(rule: TextLine, title: str) -> bool:
    length = len(rule.text.rstrip())
    return length >= _LEAST_RULE or length >= _columns(title)


def _columns(title: str) -> int:
    """How wide the title is where letters of East Asia take two columns."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in title)
