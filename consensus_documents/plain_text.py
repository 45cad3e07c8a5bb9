"""Headings of plain text: numbered lines between blank ones, as in RFCs."""

import re
from collections.abc import Iterator, Sequence

from consensus_documents.lines import Heading, TextLine, heading

_MAX_LINE = 120
_POINTS = ".\N{FULLWIDTH FULL STOP}"
_BEHIND = _POINTS + ")\N{FULLWIDTH RIGHT PARENTHESIS}\N{IDEOGRAPHIC COMMA}:"
_SPACES = " \t\N{IDEOGRAPHIC SPACE}"
# Digits of any script; or an appendix's letter and more.
NUMBER = re.compile(
    rf"(?:\d{{1,3}}(?:[{_POINTS}]\d{{1,3}}){{0,8}}|[A-Z](?:[{_POINTS}]\d{{1,3}}){{1,8}})[{_BEHIND}]?[{_SPACES}]+(?=\S)"
)
_ENDS_SENTENCE = tuple(
    ".,;!?\N{IDEOGRAPHIC FULL STOP}\N{IDEOGRAPHIC COMMA}\N{FULLWIDTH EXCLAMATION MARK}"
    "\N{FULLWIDTH QUESTION MARK}"
    "\N{ARABIC QUESTION MARK}\N{ARABIC FULL STOP}\N{DEVANAGARI DANDA}"
)


def plain_text_headings(lines: Sequence[TextLine]) -> Iterator[Heading]:
    """The headings, in their order."""
    for at, line in enumerate(lines):
        if len(line.text) > _MAX_LINE or line.is_blank:
            continue
        number = NUMBER.match(line.text)
        if number is None or line.text.rstrip().endswith(_ENDS_SENTENCE):
            continue
        is_alone = (at == 0 or lines[at - 1].is_blank) and (at + 1 == len(lines) or lines[at + 1].is_blank)
        if is_alone:
            digits = number[0].rstrip(_BEHIND + _SPACES)
            level = 1 + sum(digits.count(point) for point in _POINTS)
            yield heading(line.start, level, line.text)
