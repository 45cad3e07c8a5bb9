"""Words whose point ends no sentence. Pure."""

import re

_OPENING = "\"'“‘«„‚‹([{*_"  # noqa: RUF001 - these forms are meant

# Something always follows these.
_NEVER_LAST = frozenset(
    [
        *("e.g", "i.e", "eg", "ie", "vs", "cf", "viz", "approx", "ca", "incl", "excl", "resp", "esp"),
        *("dr", "mr", "mrs", "ms", "mx", "prof", "st", "mt"),
        *("z.b", "d.h", "u.a", "i.d.r", "u.u", "o.ä", "u.ä", "m.e", "s.o", "s.u", "o.g", "v.a", "z.t"),
        *("bzw", "vgl", "sog", "bspw", "ggf", "evtl", "inkl", "exkl", "insb", "insbes", "zzgl", "bzgl"),
        *("abzgl", "entspr", "urspr", "hrsg"),
        *("p.ex", "p.ej", "mme", "mlle", "sra", "bijv", "m.in", "напр", "см"),
    ]
)
# A number follows these, else they are words.
_BEFORE_NUMBER = frozenset(
    [
        *("no", "nr", "nos", "fig", "figs", "eq", "sec", "ch", "vol", "pp", "p", "v", "ver", "art", "para"),
        *("abb", "abs", "kap", "tab", "bd", "ziff", "anm", "aufl", "tel", "max", "min", "rfc", "núm", "nº"),
    ]
)
# These may end a sentence: they do when what follows begins with a capital.
_MAYBE_LAST = frozenset(
    [
        *("etc", "inc", "ltd", "co", "corp", "jr", "sr", "usw", "usf", "uvm", "al", "ecc", "itd", "itp"),
        *(
            "dgl",
            "mio",
            "mrd",
            "std",
            "sek",
            "str",
            "ff",
            "ibid",
            "gmbh",
            "др",
            "т.д",
            "ä",
            "zt",
            "chr",
            "allg",
        ),
    ]
)
_LETTERS_BEFORE = re.compile(r"(?:^|[\s(\[„“\"'])(?:[^\W\d_]\.[ \t\u00a0\u202f]?)+$")
_LETTERS_AFTER = re.compile(
    r"[ \t\u00a0\u202f]?(?:[^\W\d_]\.|(?:zt|dgl|allg|chr|red|ex|ej|d)\.)", re.IGNORECASE
)
_DOTTED = re.compile(r"(?:[^\W\d_]\.)++[^\W\d_]")  # letters with points between them, as in U.S.
_INITIAL = re.compile(r"[^\W\d_]")
_DAY = re.compile(r"\d{1,2}")
_BEFORE_ORDINAL = re.compile(
    r"(?:^|[\s(])(?:am|vom|zum|beim|im|ab|bis|seit|der|die|das|den|dem|des|ein|eine|einem|einen|einer|jede[rnms]?"
    r"|jahrhunderts?|den\s\d{1,2}\.(?:/|\s(?:und|bis)\s))\s$",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\s*+(\S?)")


def belongs_to_word(text: str, begin: int, word_begin: int, point: int) -> bool:
    """Whether the single point at `point` is part of the word before it, which begins at `word_begin`.

    `begin` is how far back the text is looked at: some characters, since counting were quadratic else.
    """
    word = text[word_begin:point].lstrip(_OPENING)
    if _INITIAL.fullmatch(word) and _is_among_letters(text, begin, word_begin, point):
        return True
    if _DAY.fullmatch(word) and _BEFORE_ORDINAL.search(text[begin:word_begin]):
        return True
    following = _NEXT.match(text, point + 1)
    return _is_abbreviation(word, following[1] if following else "")


def _is_among_letters(text: str, begin: int, word_begin: int, point: int) -> bool:
    """Whether a single letter is part of an abbreviation that is written with spaces, such as `u. a.`."""
    if _LETTERS_AFTER.match(text, point + 1):
        return True
    return _LETTERS_BEFORE.search(text[begin:word_begin]) is not None


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
