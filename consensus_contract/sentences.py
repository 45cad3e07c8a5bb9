"""Counts the sentences of a text as somebody would who reads it. Pure, and linear in the text's length.

A sentence ends at a run of `.`, `!` or `?` that white space or the end of the text follows (closing quotes,
brackets and marks of emphasis may stand between), or at the stops of other scripts, which need no space.
Points of abbreviations, version numbers and numbers of headings and lists end nothing, nor do dots after
which the text goes on in small letters. An entry of a list is a sentence, with a full stop or without. What
holds no letter or digit is none.
"""

import re
from collections.abc import Iterator

from consensus_contract.abbreviations import belongs_to_word
from consensus_contract.characters import is_invisible

_POINTS = ".…‥"
_SPACED = ".…‥!?؟۔\u037e⁇⁈⁉‼‽"  # noqa: RUF001 - these forms are meant; white space follows them
_END = re.compile(
    r"(?P<stops>[.…‥!?؟۔\u037e⁇⁈⁉‼‽।॥。！？．｡။។៕።፧։]++)"  # noqa: RUF001 - as above
    r"(?P<verse>[ ]?\d{1,4}+[ ]?॥)?+"
    r"(?P<closing>(?:[\"'”’“‘»«›‹)\]}」』〉》】）］*_`~]|\[\^?\w{1,9}\])*+)"  # noqa: RUF001 - as above
)
_LAST_WORD = re.compile(r"\S++$")
_NEXT = re.compile(r"\s*+(\S?)")
_QUOTES_ON = re.compile(r"と|って|など")
_CJK_QUOTES = "」』"
# How far back a word is looked for.
_REACH = 40

_BULLET = re.compile(r"[ \t]*(?:[-*+•‣◦▪–—][ \t]+|\(?[a-zA-Z]\)[ \t]+)(?=\S)")  # noqa: RUF001 - as above
_NUMBERED = re.compile(r"[ \t]*\(?(\d{1,3})(?:\.\d{1,3}){0,5}[.)]?[ \t]+(?=\S)")
_NUMBER = re.compile(r"\(?(?:\d{1,3}(?:\.\d{1,3}){0,5}|[a-z]|x{0,3}(?:ix|iv|v?i{0,3}))\)?", re.IGNORECASE)
_ENDS_LINE = re.compile(r"[.!?…。！？؟।۔:;][\"'”’»)\]*_`]*\s*$")  # noqa: RUF001 - as above


def count_sentences(text: str) -> int:
    """How many sentences a text has; what is left after the last end counts as one."""
    count, is_open = 0, False
    for start, end, is_entry in _parts(text):
        ended, is_open = _count(text, start, end)
        count += ended + (is_entry and is_open)
        is_open = is_open and not is_entry
    return count + is_open if count or is_open else int(has_letter_or_digit(text))


def has_letter_or_digit(text: str) -> bool:
    """Whether a text says anything, in any script; fillers that fonts leave blank are letters to Unicode."""
    return any(character.isalnum() and not is_invisible(character) for character in text)


def _count(text: str, start: int, end: int) -> tuple[int, bool]:
    """The sentences that end between these two, and whether something is left after the last."""
    count = 0
    for stop in _END.finditer(text, start, end):
        if _is_end(text, start, end, stop):
            count += has_letter_or_digit(text[start : stop.end()])
            start = stop.end()
    return count, has_letter_or_digit(text[start:end])


def _is_end(text: str, start: int, end: int, stop: re.Match[str]) -> bool:
    """Whether a run of stops ends the sentence that began at `start`."""
    stops, after = stop["stops"], stop.end()
    following = text[after] if after < end else ""
    if stops[-1] not in _SPACED:
        return not _goes_on_after_cjk(text, stop, following)
    if following and not following.isspace():
        return False
    begun = _NEXT.match(text, after, end)
    upcoming = begun[1] if begun else ""
    if stop["closing"] and upcoming.islower():
        return False  # `"Why?" she asked`
    if (len(stops) > 1 and not stops.strip(_POINTS)) or stops in "…‥":
        return _ends_in_dots(text, start, stop, upcoming)
    return stops != "." or not _belongs(text, start, stop)


def _goes_on_after_cjk(text: str, stop: re.Match[str], following: str) -> bool:
    """Whether a quoted sentence is part of another, or a wide point is one of a number."""
    if stop["closing"][-1:] in _CJK_QUOTES and stop["closing"] and _QUOTES_ON.match(text, stop.end()):
        return True
    return stop["stops"] == "．" and following.isdigit() and text[stop.start() - 1 : stop.start()].isdigit()  # noqa: RUF001 - as above


def _ends_in_dots(text: str, start: int, stop: re.Match[str], upcoming: str) -> bool:
    """Whether dots end a sentence: at the end of the text, and before a capital."""
    before = text[stop.start() - 1 : stop.start()] if stop.start() > start else ""
    if stop["stops"] == ".." and (not before or before.isspace()):
        return False  # a directive of reStructuredText, or a range
    return not upcoming or upcoming.isupper()


def _belongs(text: str, start: int, stop: re.Match[str]) -> bool:
    """Whether a single point is part of what stands before it: an abbreviation, or the number of a line."""
    begin = max(start, stop.start() - _REACH)
    begin = max(begin, text.rfind("\n", begin, stop.start()) + 1)
    before = _LAST_WORD.search(text, begin, stop.start())
    if before is None:
        return False
    if _NUMBER.fullmatch(before.group()) and not text[begin : before.start()].strip(" \t#>*-"):
        return begin == 0 or text[begin - 1] == "\n" or text[start:begin].strip() == ""
    return belongs_to_word(text, begin, before.start(), stop.start())


def _parts(text: str) -> Iterator[tuple[int, int, bool]]:
    """The text cut where entries of lists begin and end, each part with whether it is an entry.

    A number at the head of a paragraph of one line is a heading's, unless its neighbour has one too.
    """
    start, is_entry, after_blank, position = 0, False, True, 0
    lines = text.splitlines(keepends=True)
    headings = _headings(lines)
    for index, line in enumerate(lines):
        is_blank = not line.strip()
        begins = index not in headings and _begins_entry(line, is_entry or after_blank)
        if begins or (is_entry and is_blank):
            if position > start:
                yield start, position, is_entry
            start, is_entry = position, begins
        after_blank = is_blank
        position += len(line)
    if position > start:
        yield start, position, is_entry


def _begins_entry(line: str, may_have_any_number: bool) -> bool:
    """Whether a line begins an entry of a list; in the middle of a paragraph only number 1 does."""
    if _BULLET.match(line):
        return True
    number = _NUMBERED.match(line)
    if number is None or line[number.end(1) : number.end()].isspace():
        return False
    return may_have_any_number or number[1] == "1"


def _headings(lines: list[str]) -> set[int]:
    """Numbered lines that are headings: each a paragraph of its own, with prose before and after."""
    paragraphs = _paragraphs(lines)
    numbered = [
        last == first and _NUMBERED.match(lines[first]) is not None and not _ENDS_LINE.search(lines[first])
        for first, last in paragraphs
    ]
    starts = [_NUMBERED.match(lines[first]) is not None for first, _ in paragraphs]
    found = set()
    for index, (first, _) in enumerate(paragraphs):
        beside = starts[max(0, index - 1) : index] + starts[index + 1 : index + 2]
        if numbered[index] and len(paragraphs) > 1 and not any(beside):
            found.add(first)
    return found


def _paragraphs(lines: list[str]) -> list[tuple[int, int]]:
    """First and last line of what stands between blank lines."""
    found: list[tuple[int, int]] = []
    is_open = False
    for index, line in enumerate(lines):
        if not line.strip():
            is_open = False
        elif is_open:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
            is_open = True
    return found
