"""The sections of a document, numbered, and named so that a later version of it can be held against it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from consensus.v1 import document_pb2, panel_pb2
from consensus_documents.formats import Format
from consensus_documents.lines import Heading, TextLine, read_lines
from consensus_documents.markdown import markdown_headings
from consensus_documents.plain_text import NUMBER, plain_text_headings
from consensus_documents.restructured_text import restructured_text_headings

MAX_SECTIONS = 500
_KEY_CHARACTERS = (1_000, 500, 250, 120, 60)
"""How long a key may be: the first of these with which all keys together are no larger than they may be."""
MAX_KEY_BYTES = 65_536
"""All keys of a document: each review that is carried over takes them with it."""
_ROOM_FOR_COUNT = 12  # " (499)", and then some

_HEADINGS: dict[Format, Callable[[Sequence[TextLine]], Iterator[Heading]]] = {
    document_pb2.DOCUMENT_FORMAT_MARKDOWN: markdown_headings,
    document_pb2.DOCUMENT_FORMAT_RESTRUCTURED_TEXT: restructured_text_headings,
    document_pb2.DOCUMENT_FORMAT_PLAIN_TEXT: plain_text_headings,
}


@dataclass(frozen=True, slots=True)
class Section:
    """A section without those below it; its text begins with its heading's line.

    `number` tells its place by the nesting of headings, such as `2.1`; `0` is what stands before the first.
    `headings` are those from the outermost to its own, without the author's numbers, which change when a
    section is put in before them. `key` is what names it in digests: no two sections have the same.
    """

    number: str
    headings: tuple[str, ...]
    key: str
    text: str
    sha256: bytes


def read_sections(text: str, format_: Format) -> tuple[Section, ...]:
    """The sections in their order; their texts, one after the other, are the document.

    At most 500: a document with more has its innermost folded into those around them.
    """
    headings = _folded(list(_HEADINGS[format_](read_lines(text))))
    starts = [each.start for each in headings]
    before, *parts = [text[start:end] for start, end in zip([0, *starts], [*starts, len(text)], strict=True)]
    placed = list(_placed(headings))
    if before or not placed:
        parts, placed = [before, *parts], [("0", ()), *placed]
    keys = _keys([titles for _, titles in placed])
    return tuple(
        Section(number, titles, key, part, hashlib.sha256(part.encode()).digest())
        for (number, titles), key, part in zip(placed, keys, parts, strict=True)
    )


def section_digests(text: str, format_: Format) -> list[panel_pb2.SectionDigest]:
    """The sections by their digests, as reviews carry them."""
    return [
        panel_pb2.SectionDigest(section=each.key, sha256=each.sha256) for each in read_sections(text, format_)
    ]


def _folded(headings: list[Heading]) -> list[Heading]:
    """Without the innermost levels, and without what comes last, as long as there are too many."""
    most = MAX_SECTIONS - 1  # and what stands before the first
    while len(headings) > most:
        innermost = max(each.level for each in headings)
        kept = [each for each in headings if each.level < innermost]
        if not kept:
            return headings[:most]
        headings = kept
    return headings


def _placed(headings: Sequence[Heading]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each heading's number and the headings around it."""
    around: list[Heading] = []
    counts: list[int] = []
    for each in headings:
        while around and around[-1].level >= each.level:
            around.pop()
        counts = [*counts[: len(around) + 1], *[0] * (len(around) + 1 - len(counts))]
        counts[len(around)] += 1
        around.append(each)
        yield ".".join(map(str, counts)), tuple(_without_number(one.title) for one in around)


def _without_number(title: str) -> str:
    number = NUMBER.match(title)
    return title if number is None else title[number.end() :]


def _keys(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """One key each, cut where all together would be too large: a few long headings around many sections."""
    whole = keys = [" > ".join(path) or "(beginning)" for path in paths]
    for most in _KEY_CHARACTERS:
        keys = [_shortened(key, most - _ROOM_FOR_COUNT) for key in whole]
        if sum(len(key.encode()) for key in keys) <= MAX_KEY_BYTES:
            break
    return list(_unique(keys))


def _unique(keys: Sequence[str]) -> Iterator[str]:
    """The keys, each with a count where it was there before."""
    seen: Counter[str] = Counter()
    for key in keys:
        seen[key] += 1
        unique = key if seen[key] == 1 else f"{key} ({seen[key]})"
        while seen[unique] and unique != key:  # somebody's heading is spelt so
            seen[key] += 1
            unique = f"{key} ({seen[key]})"
        if unique != key:
            seen[unique] += 1
        yield unique


def _shortened(key: str, room: int) -> str:
    if len(key) <= room:
        return key
    mark = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{key[: room - 17]} {mark}"
