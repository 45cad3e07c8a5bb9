"""Which characters show nothing, or change how others are shown. Pure.

The one list: the patterns of the contract refuse them in names, texts that have nothing else say nothing, and
whatever is printed is cleaned of them.
"""

import json
import unicodedata

_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
# Letters, marks and a symbol that fonts leave blank, and the variation selectors.
_BLANK = frozenset(
    chr(point)
    for first, last in (
        (0x034F, 0x034F),  # combining grapheme joiner
        (0x115F, 0x1160),  # Hangul fillers
        (0x17B4, 0x17B5),  # Khmer inherent vowels
        (0x180B, 0x180F),  # Mongolian variation selectors and vowel separator
        (0x2800, 0x2800),  # Braille without a dot
        (0x3164, 0x3164),  # Hangul filler
        (0xFE00, 0xFE0F),  # variation selectors
        (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
        (0xE0100, 0xE01EF),  # variation selectors, supplement
    )
    for point in range(first, last + 1)
)
_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"


def is_invisible(char: str) -> bool:
    """Whether a character, which is no space, shows nothing of its own: controls, marks of direction,
    joiners, fillers, selectors, and what this release has no character for.
    """
    return char in _BLANK or unicodedata.category(char) in _CATEGORIES


def says_nothing(text: str) -> bool:
    """Whether there is nothing to see in a text."""
    return all(char.isspace() or is_invisible(char) for char in text)


def written_out(text: str) -> str:
    """The text with whatever is invisible as `\\x1b`, and spaces and line breaks of any kind as spaces.

    What makes one emoji of several, or a symbol one, stays where it does so.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    before = ""
    for char in text:
        shown.append(_shown(char, before))
        before = char
    return "".join(shown)


def escaped_json(line: str) -> str:
    """JSON that says the same, with whatever is invisible as `\\u009b`, as its readers read it."""
    if line.isascii() and line.isprintable():
        return line
    return "".join(json.dumps(char)[1:-1] if is_invisible(char) else char for char in line)


def _shown(char: str, before: str) -> str:
    if char.isspace():
        return " "
    if not is_invisible(char) or _belongs(char, before):
        return char
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def _belongs(char: str, before: str) -> bool:
    """Whether a joiner or a selector follows what it is for."""
    if char == _JOINER:
        return bool(before) and (before == _EMOJI_STYLE or not (before.isspace() or is_invisible(before)))
    is_symbol = bool(before) and unicodedata.category(before) in {"So", "Sm", "Po", "Nd"}
    return char == _EMOJI_STYLE and is_symbol and not is_invisible(before)
