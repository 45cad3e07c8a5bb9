"""What a reviewer stops at in a document: what it leaves open, and what it says nowhere. Pure."""

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from offline_model.document import DocumentText, Sentence

LANGUAGES = ("en", "de", "ja", "ar")
_TOPIC_SHARE = 40
"""A topic is one of the text's where at least every so many sentences speaks of it."""
_QUESTION = ("?", "？", "؟")
CLAIM = "claim"
"""What can be said of any sentence that proposes something: looked for where nothing else is found."""
_WORD = re.compile(r"[^\W\d_]{4,}|[\u3040-\u30ff\u3400-\u9fff]{2}")


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind of thing to stop at (rules/findings.toml); texts by language."""

    id: str
    is_of_proposed: bool
    interest: re.Pattern[str]
    words: re.Pattern[str]
    says: dict[str, str]
    advice: dict[str, str]


@dataclass(frozen=True, slots=True)
class Omission:
    """Something that a document of these topics should say (rules/omissions.toml)."""

    id: str
    topics: frozenset[str]
    words: re.Pattern[str]
    place: re.Pattern[str]
    says: dict[str, str]


def _rules(name: str) -> dict[str, Any]:
    return tomllib.loads(files("offline_model").joinpath(f"rules/{name}.toml").read_text("utf-8"))


def _pattern(words: str, *, is_verbose: bool = False) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE | (re.VERBOSE if is_verbose else 0))


def _finding(entry: dict[str, Any]) -> Finding:
    words = "|".join(f"(?:{entry['words'][tag]})" for tag in LANGUAGES)
    return Finding(
        entry["id"],
        entry.get("proposed", False),
        _pattern(entry["interest"]),
        _pattern(words, is_verbose=True),
        entry["says"],
        entry["advice"],
    )


def _omission(entry: dict[str, Any]) -> Omission:
    return Omission(
        entry["id"],
        frozenset(entry["topics"]),
        _pattern(entry["words"]),
        _pattern(entry["place"]),
        entry["says"],
    )


FINDINGS = {entry["id"]: _finding(entry) for entry in _rules("findings")["finding"]}
_RULES = _rules("omissions")
OMISSIONS = {entry["id"]: _omission(entry) for entry in _RULES["omission"]}
_TOPICS = {name: _pattern(words) for name, words in _RULES["topics"].items()}


# What stands in such a section is told of others or of before, and is not what the document proposes.
_TOLD = _pattern(_RULES["told"])


def is_told(sentence: Sentence) -> bool:
    """Whether it stands where a document tells of others, of before, or of what it decided against."""
    return any(_TOLD.search(heading) for heading in sentence.section.path)


@dataclass(frozen=True, slots=True)
class DocumentReading:
    """A document read once for all its reviewers.

    `weights` say how much each sentence tells of this text: by its rare words, its figures, its length.
    """

    document: DocumentText
    topics: frozenset[str]
    found: dict[str, tuple[int, ...]]
    weights: tuple[float, ...]
    missing: tuple[str, ...]


def read(document: DocumentText) -> DocumentReading:
    """What there is to say of a document, whoever says it."""
    texts = [each.text for each in document.sentences]
    # A question is open, whatever else it speaks of.
    proposed = [not is_told(each) and not each.text.endswith(_QUESTION) for each in document.sentences]
    found = {
        kind: tuple(
            at
            for at, text in enumerate(texts)
            if (proposed[at] or not finding.is_of_proposed) and finding.words.search(text)
        )
        for kind, finding in FINDINGS.items()
    }
    least = max(1, len(texts) // _TOPIC_SHARE)
    topics = frozenset(
        name
        for name, words in _TOPICS.items()
        if sum(words.search(text) is not None for text in texts) >= least
    )
    whole = "\n".join((*texts, *(section.heading for section in document.sections)))
    missing = tuple(
        name for name, each in OMISSIONS.items() if each.topics & topics and not each.words.search(whole)
    )
    return DocumentReading(document, topics, found, _weights(texts), missing)


def place_of(reading: DocumentReading, omission: Omission) -> Sentence | None:
    """Where what is missing would belong: the most telling sentence of a section that is about it."""
    sentences = reading.document.sentences
    fitting = [at for at, each in enumerate(sentences) if omission.place.search(each.section.heading)]
    best = max(fitting or range(len(sentences)), key=lambda at: reading.weights[at], default=None)
    return None if best is None else sentences[best]


def words_of(text: str) -> frozenset[str]:
    """The words that tell texts apart; of scripts without spaces pairs of letters."""
    return frozenset(_WORD.findall(text.lower()))


def _weights(texts: list[str]) -> tuple[float, ...]:
    words = [words_of(text) for text in texts]
    common = Counter(word for each in words for word in each)
    return tuple(_weight(text, each, common) for text, each in zip(texts, words, strict=True))


def _weight(text: str, words: frozenset[str], common: Counter[str]) -> float:
    """Words that recur in this text are what it is about; words of one place are what is said of it there."""
    about = sum(min(common[word], 6) for word in words)
    length = len(text)
    shape = 1.0 if 60 <= length <= 240 else 0.6
    return shape * (about / (len(words) + 4)) * min(len(words), 12) + 2 * any(map(str.isdigit, text))
