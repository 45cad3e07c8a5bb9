"""Texts as they are compared: without case, accents, invisible characters and look-alike letters. Pure."""

import itertools
import unicodedata

# Letters of other scripts that look like Latin ones; patterns are folded likewise, so that those in these
# scripts are found as before.
_LOOK_ALIKE = str.maketrans("аеорсухіјѕԁһӏνοαρτικ", "aeopcyxijsdhlvoaptik")
_TAGS_AND_SELECTORS = range(0xE0000, 0xE01F0)
_DROPPED = dict.fromkeys(
    each
    for each in itertools.chain(range(0x80, 0x10000), _TAGS_AND_SELECTORS)
    if unicodedata.category(chr(each)) in ("Mn", "Cf")
)


def folded(text: str) -> str:
    """The same for texts that read alike."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return plain.translate(_DROPPED).translate(_LOOK_ALIKE)
