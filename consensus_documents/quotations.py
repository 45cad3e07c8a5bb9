"""Whether a text has these words, however they are spelt in Unicode and wherever lines break."""

import re
import unicodedata

_SINGLE_QUOTES = "\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\u02bc\u00b4"
_DOUBLE_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u2e3b"
# Soft hyphens, spaces without width, marks of byte order: nobody sees or quotes them.
_UNSEEN = "\u00ad\u200b\u2060\ufeff"
_PLAIN = str.maketrans(
    {
        **dict.fromkeys(_SINGLE_QUOTES, "'"),
        **dict.fromkeys(_DOUBLE_QUOTES, '"'),
        **dict.fromkeys(_DASHES, "-"),
        **dict.fromkeys(_UNSEEN, ""),
    }
)
_MOST_MARKS = 30
"""In a row, as in Unicode's stream-safe form: normalising sorts them, in quadratic time."""
_MAYBE_MARKS = re.compile(rf"[^\w\s]{{{_MOST_MARKS + 1},}}")


def words_of(text: str) -> str:
    """The text with each run of white space as one space, so that where lines break does not matter."""
    return " ".join(text.split())


def folded(text: str) -> str:
    """The form in which texts are compared: NFKC, quotation marks and dashes plain, white space as in
    `words_of`. Folding twice is folding once.
    """
    if not text.isascii():
        text = _MAYBE_MARKS.sub(_with_few_marks, text.translate(_PLAIN))
        # Once more, for the marks and dashes that stood there in a wide or small form.
        text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    return words_of(text)


def find_quotation(section_text: str, words: str) -> bool:
    """Whether the section has these words, in this order and spelling; no words are in no text."""
    wanted = folded(words)
    return bool(wanted) and wanted in folded(section_text)


def _with_few_marks(found: re.Match[str]) -> str:
    kept, in_a_row = [], 0
    for each in found[0]:
        in_a_row = in_a_row + 1 if unicodedata.category(each).startswith("M") else 0
        if in_a_row <= _MOST_MARKS:
            kept.append(each)
    return "".join(kept)
