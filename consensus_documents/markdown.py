"""Headings of Markdown (CommonMark 0.31: ATX and setext); none in code, comments and front matter."""

import re
from collections.abc import Iterator, Sequence

from consensus_documents.lines import Heading, TextLine, heading

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
# What begins a block of another kind: a list, a quotation, a table, a definition, HTML.
_NO_PARAGRAPH = re.compile(r" {4}|\t| {0,3}(?:[-*+|>#<:]|\d{1,9}[.)][ \t])")
_FRONT_MATTER = ("---", "+++")


def markdown_headings(lines: Sequence[TextLine]) -> Iterator[Heading]:
    """The headings, in their order."""
    before: TextLine | None = None
    begins_paragraph = True
    for line in _outside_of_blocks(lines):
        if line is None:  # a block stood here
            before, begins_paragraph = None, True
            continue
        if (found := _atx(line)) is not None:
            yield found
            before, begins_paragraph = None, True
            continue
        if before is not None and (underline := _UNDERLINE.fullmatch(line.text)):
            yield heading(before.start, 1 if underline[1][0] == "=" else 2, before.text)
            before, begins_paragraph = None, True
            continue
        can_be_title = begins_paragraph and not line.is_blank and not _NO_PARAGRAPH.match(line.text)
        before = line if can_be_title else None
        begins_paragraph = line.is_blank


def _atx(line: TextLine) -> Heading | None:
    found = _ATX.fullmatch(line.text)
    if found is None:
        return None
    title = (found[2] or "").rstrip()
    without_marks = title.rstrip("#")
    if without_marks != title and (not without_marks or without_marks[-1] in " \t"):
        title = without_marks.rstrip()
    return heading(line.start, len(found[1]), title) if title else None


def _outside_of_blocks(lines: Sequence[TextLine]) -> Iterator[TextLine | None]:
    """The lines that may be headings; None once for each block of code, comment or front matter."""
    at = _after_front_matter(lines)
    while at < len(lines):
        line = lines[at]
        if (fence := _FENCE.match(line.text)) is not None and _opens(line.text, fence):
            at = _after_fence(lines, at + 1, fence[1])
            yield None
        elif line.text.lstrip(" ").startswith("<!--"):
            at = _after_comment(lines, at)
            yield None
        else:
            yield line
            at += 1


def _after_front_matter(lines: Sequence[TextLine]) -> int:
    mark = lines[0].text.rstrip() if lines else ""
    if mark not in _FRONT_MATTER:
        return 0
    closing = next((at for at in range(1, len(lines)) if lines[at].text.rstrip() == mark), None)
    return 0 if closing is None else closing + 1


def _opens(text: str, fence: "re.Match[str]") -> bool:
    """Backticks with another after them are code within a line."""
    return fence[1][0] == "~" or "`" not in text[fence.end() :]


def _after_fence(lines: Sequence[TextLine], at: int, opening: str) -> int:
    """Behind the closing fence; without one the code goes on to the end."""
    while at < len(lines):
        text = lines[at].text.strip()
        at += 1
        if len(text) >= len(opening) and not text.strip(opening[0]):
            break
    return at


def _after_comment(lines: Sequence[TextLine], at: int) -> int:
    text = lines[at].text
    if "-->" in text[text.index("<!--") + 4 :]:
        return at + 1
    closing = next((later for later in range(at + 1, len(lines)) if "-->" in lines[later].text), None)
    return len(lines) if closing is None else closing + 1
