"""How much of what is said of a document is said of it alone."""

import re
from collections.abc import Iterable, Mapping, Sequence

_WORD = re.compile(r"[^\W_]+")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
MOST_SHARED = 0.5
"""A concern with a larger share of its words in one concern about another document is no particular one."""


def words_of(text: str) -> frozenset[str]:
    """Its words, without case; of scripts that are written without spaces, pairs of letters."""
    words: set[str] = set()
    for word in _WORD.findall(text.lower()):
        if _WIDE.search(word):
            words |= {word[at : at + 2] for at in range(len(word) - 1)} or {word}
        else:
            words.add(word)
    return frozenset(words)


def shared_shares(concerns: Sequence[str], others: Iterable[str]) -> list[float]:
    """Of each concern the largest share of its words that it has in common with one of the others."""
    others_words = [words_of(each) for each in others]
    shares = []
    for concern in concerns:
        words = words_of(concern)
        most = max((len(words & each) for each in others_words), default=0)
        shares.append(most / len(words) if words else 1.0)
    return shares


def particular_shares(concerns_by_name: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Of each document the share of its concerns that are particular to it; 0 where there is none."""
    found = {}
    for name, concerns in concerns_by_name.items():
        others = [each for other, said in concerns_by_name.items() if other != name for each in said]
        shares = shared_shares(concerns, others)
        found[name] = sum(share < MOST_SHARED for share in shares) / len(shares) if shares else 0.0
    return found
