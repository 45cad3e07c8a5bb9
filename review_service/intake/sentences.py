"""Counts the sentences of a text. Pure, and linear in the text's length.

A sentence ends at a run of `.`, `!` or `?` that whitespace or the end of the text follows (closing quotes and
brackets may stand between), or at one of their CJK forms, which no space follows. Points of abbreviations,
version numbers and numbered lists end nothing. What holds no letter or digit is no sentence.
"""

import re

from consensus_contract.characters import is_invisible

_END = re.compile(
    r"(?P<latin>[.!?…]++[\"'”’»)\]]*+)|[。！？．｡]++[」』”’）】]*+"  # noqa: RUF001 - these forms are meant
)
_LAST_WORD = re.compile(r"\S++$")
_NEXT = re.compile(r"\s*+(\S?)")
_OPENING = "\"'“‘«([{"  # noqa: RUF001 - as above

# Something always follows these.
_NEVER_LAST = frozenset(
    [
        *("e.g", "i.e", "eg", "ie", "vs", "cf", "viz", "approx", "ca", "incl", "resp"),
        *("dr", "mr", "mrs", "ms", "prof", "st", "z.b", "d.h", "u.a", "bzw", "vgl"),
    ]
)
# A number follows these, else they are words.
_BEFORE_NUMBER = frozenset(
    ["no", "nr", "fig", "eq", "sec", "ch", "vol", "pp", "p", "v", "ver", "art", "para"]
)
# These may end a sentence: they do when what follows begins with a capital.
_MAYBE_LAST = frozenset(["etc", "inc", "ltd", "co", "corp", "jr", "sr", "usw", "al"])
_DOTTED = re.compile(r"(?:[^\W\d_]\.)++[^\W\d_]")  # letters with points between them, as in U.S.
_INITIAL = re.compile(r"[^\W\d_]")
_LIST_NUMBER = re.compile(r"\(?\d{1,3}")


def count_sentences(text: str) -> int:
    """How many sentences a text has; what is left after the last end counts as one."""
    count, start = 0, 0
    for end in _END.finditer(text):
        if _is_end(text, start, end):
            count += has_letter_or_digit(text[start : end.end()])
            start = end.end()
    return count + has_letter_or_digit(text[start:])


def has_letter_or_digit(text: str) -> bool:
    """Whether a text says anything, in any script; fillers that fonts leave blank are letters to Unicode."""
    return any(character.isalnum() and not is_invisible(character) for character in text)


def _is_end(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether a run of points ends the sentence that began at `start`."""
    if end["latin"] is None:
        return True
    if not text[end.end() : end.end() + 1].isspace() and end.end() < len(text):
        return False
    return end.group() != "." or not _belongs_to_word(text, start, end)


def _belongs_to_word(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether a single point is part of the word before it: an abbreviation, or a list's number."""
    line_start = max(start, text.rfind("\n", start, end.start()) + 1, end.start() - 40)
    before = _LAST_WORD.search(text, line_start, end.start())
    if before is None:
        return False
    word = before.group().lstrip(_OPENING)
    if _LIST_NUMBER.fullmatch(word) and not text[line_start : before.start()].strip():
        return True
    following = _NEXT.match(text, end.end())
    return _is_abbreviation(word, following[1] if following else "")


def _is_abbreviation(word: str, following: str) -> bool:
    """Whether a word's point belongs to it. `following` is the next character that is not blank."""
    lowered = word.lower()
    if lowered in _NEVER_LAST:
        return True
    if lowered in _BEFORE_NUMBER and following.isdigit():
        return True
    if lowered in _MAYBE_LAST or _DOTTED.fullmatch(word):
        return not following.isupper()
    return bool(_INITIAL.fullmatch(word)) and word.isupper() and word != "I" and following.isupper()
