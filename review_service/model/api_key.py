"""Tells a key from a placeholder, so that a forgotten one is noticed at start. Pure."""

import re

_PLACEHOLDER = re.compile(
    r"""
    (sk-)?(proj-)?
    ( x{3,} | \.{3,} | \*{3,} | <.*> | \[.*\] | \{.*\} | \$.*
    | change[-_ ]?me.* | replace[-_ ]?me.* | (put|insert|paste|enter|add)[-_ ].*
    | (your|my|the)[-_ ].*key.* | your[-_ ].* | (open[-_ ]?ai[-_ ]?)?api[-_ ]?key([-_ ]here)?
    | todo | tbd | none | null | secret | placeholder.* | example.* | key | token
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def check_api_key(key: str) -> str | None:
    """What is wrong with a key, in a sentence that does not repeat it; None when nothing is.

    Only what cannot be a key is refused: placeholders, and characters that cannot stand in a header.
    """
    if key != key.strip() or not key.isascii() or not key.isprintable() or " " in key:
        return "holds a space, a line break or another character that no key has"
    if _PLACEHOLDER.fullmatch(key):
        return "is a placeholder, not a key; leave it empty to start without one"
    return None
