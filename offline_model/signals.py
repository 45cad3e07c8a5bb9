"""What a text names that a reviewer looks for (a measure of success, users, a way back …). Pure."""

import re
import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from itertools import chain

from offline_model.language import REACH, is_denied, normalise, paragraphs
from offline_model.risks import find_risks

CONTINUED = "… "
"""Starts a string that continues the string before it, where one had to be cut to its bound."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What a text names, with the sentence that names it, and which dangers it states or denies, by id."""

    named: dict[str, str]
    risks: dict[str, str]
    denied_risks: frozenset[str]
    topics: frozenset[str]

    def with_dangers_of(self, idea: str) -> "Signals":
        """Also the dangers that the idea states and that the text does not deny: it may be silent on them."""
        stated = {
            risk: said for risk, said in read_signals(idea).risks.items() if risk not in self.denied_risks
        }
        return replace(self, risks=stated | self.risks)


@dataclass(frozen=True, slots=True)
class Sign:
    """Something worth naming: its id, what to call it, the words that show it (rules/signs.toml)."""

    id: str
    label: str
    words: re.Pattern[str]


def _load(kind: str) -> tuple[Sign, ...]:
    rules = tomllib.loads(files("offline_model").joinpath("rules/signs.toml").read_text("utf-8"))
    return tuple(
        Sign(entry["id"], entry["label"], re.compile(entry["words"], re.IGNORECASE | re.VERBOSE))
        for entry in rules[kind]
    )


SIGNS = _load("sign")
TOPICS = _load("topic")
LABELS = {sign.id: sign.label for sign in (*SIGNS, *TOPICS)}
_SCOPE = "scope"


def read_signals(text: str, non_goals: tuple[str, ...] = ()) -> Signals:
    """Read a text, and beside it the things that it puts out of scope (which can state no danger)."""
    spoken = paragraphs(normalise(text.replace(f"\n\n{CONTINUED}", " ")))
    best: dict[str, tuple[int, str]] = {}
    topics: set[str] = set()
    for sentence in chain.from_iterable(spoken):
        counts, touched = _words(sentence)
        topics |= touched
        for sign, count in counts:
            if count > best.get(sign, (0, ""))[0]:
                best[sign] = (count, sentence)
    named = {sign: sentence for sign, (_, sentence) in best.items()}
    if non_goals:
        named.setdefault(_SCOPE, normalise(non_goals[0]))
    risks, denied = find_risks(spoken, protected="encryption" in named)
    return Signals(named, risks, denied, frozenset(topics))


@lru_cache(maxsize=2048)
def _words(sentence: str) -> tuple[tuple[tuple[str, int], ...], frozenset[str]]:
    """Return how often the sentence shows each sign, and its topics (a proposal repeats its idea)."""
    counts = ((sign.id, _count(sign, sentence)) for sign in SIGNS)
    topics = frozenset(topic.id for topic in TOPICS if topic.words.search(sentence))
    return tuple((sign, count) for sign, count in counts if count), topics


def _count(sign: Sign, sentence: str) -> int:
    found = sign.words.finditer(sentence)
    return sum(1 for word in found if sign.id == _SCOPE or not _missing(sentence, word))


_MISSING = re.compile(
    r"""\b(?:no|without(?:\s+(?:an?|any))?|lack(?:s|ing)?(?:\s+of)?|skip\w*|not\s+(?:have|need|plan)(?:\s+an?y?)?
    |never)
    \s+(?:[\w-]+\s+)?\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_POSTPONED = re.compile(
    r"""\s+(?:\w+\s+)?(?:is|are|comes?|will\s+(?:be|come))
    \s+(?:out\s+of\s+scope|later|not\s+\w+|skipped|missing)\b""",
    re.IGNORECASE | re.VERBOSE,
)


def _missing(sentence: str, found: re.Match[str]) -> bool:
    if _POSTPONED.match(sentence, found.end()):
        return True
    lack = _MISSING.search(sentence, max(0, found.start() - REACH), found.start())
    # "never shared without consent" speaks for consent: the lack itself is denied.
    return lack is not None and not is_denied(sentence, lack.start(), lack.end())
