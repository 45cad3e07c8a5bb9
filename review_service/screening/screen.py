"""Finds what in a text addresses the model that reads it, or a reviewer. Pure, and linear in the text.

It knows words, and so finds what is written plainly; what it finds is a reason to look, never a proof.
"""

import importlib.resources
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from consensus.v1 import suspicion_pb2
from consensus_contract.sizes import INPUT_BYTES
from review_service.screening.folding import folded

MOST_CHARACTERS = INPUT_BYTES
"""Of a text; what lies beyond is not read. No text that is accepted has as many."""

Kind: TypeAlias = suspicion_pb2.SuspicionKind.ValueType

_END = "."
_TOKEN = re.compile(r"[0-9]{1,9}(?:[.,][0-9]{1,9})?|\w+|[.!?](?=\s)")
_UNSPACED = re.compile("[\u1100-\u11ff\u2e80-\u9fff]")
"""Letters of scripts without spaces, as they are folded."""
_WORD_GAP, _CHARACTER_GAP = 2, 6


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Sets of words, one after another, with at most `gap` others between two of them."""

    kind: Kind
    parts: Sequence[frozenset[str]]
    gap: int

    def is_in(self, tokens: Sequence[str], present: frozenset[str]) -> bool:
        """Whether it is among the tokens, of which `present` are the different ones."""
        if any(part.isdisjoint(present) for part in self.parts):
            return False  # as nearly always
        first = self.parts[0]
        return any(self._begins_at(tokens, index) for index, token in enumerate(tokens) if token in first)

    def _begins_at(self, tokens: Sequence[str], index: int) -> bool:
        if self.parts[1].isdisjoint(tokens[index + 1 : index + self.gap + 2]):
            return False
        ends = {index}
        for part in self.parts[1:]:
            ends = {at for end in ends for at in self._reach(tokens, end) if tokens[at] in part}
        return bool(ends)

    def _reach(self, tokens: Sequence[str], end: int) -> Iterator[int]:
        """Where the next part may stand: in the same sentence."""
        for at in range(end + 1, min(end + self.gap + 2, len(tokens))):
            yield at
            if tokens[at] == _END:
                return


@dataclass(frozen=True, slots=True)
class _Patterns:
    phrases: Sequence[_Phrase]
    spans: Sequence[tuple[Kind, re.Pattern[str]]]
    marks: Sequence[tuple[Kind, re.Pattern[str]]]


def suspicions(texts: Iterable[tuple[str, str]]) -> list[suspicion_pb2.Suspicion]:
    """What was found in texts by their names, each once; of several texts of one name together."""
    said = ((name, text[:MOST_CHARACTERS]) for name, text in texts if text)
    found = {(name, kind): None for name, text in said for kind in sorted(_kinds(text))}
    return [suspicion_pb2.Suspicion(text=name, kind=kind) for name, kind in found]


def _kinds(text: str) -> set[Kind]:
    patterns = _patterns()
    plain = folded(text)
    kinds: set[Kind] = set()
    tokens = [_END if word in "!?" else word for word in (*_TOKEN.findall(plain), _END)]
    present = frozenset(tokens)
    for phrase in patterns.phrases:
        if phrase.kind not in kinds and phrase.is_in(tokens, present):
            kinds.add(phrase.kind)
    if _UNSPACED.search(plain):
        kinds |= {kind for kind, pattern in patterns.spans if pattern.search(plain)}
    return kinds | {kind for kind, pattern in patterns.marks if pattern.search(text)}


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    file = importlib.resources.files(__package__) / "patterns.toml"
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return _Patterns(
        phrases=[
            _Phrase(
                _kind(entry),
                [frozenset(folded(words).split()) for words in entry["words"]],
                entry.get("gap", _WORD_GAP),
            )
            for entry in content["phrases"]
        ],
        spans=[(_kind(entry), _span(entry)) for entry in content["spans"]],
        marks=[
            (_kind(entry), re.compile(entry["pattern"], re.IGNORECASE | re.MULTILINE))
            for entry in content["marks"]
        ],
    )


def _kind(entry: Mapping[str, Any]) -> Kind:
    return suspicion_pb2.SuspicionKind.Value(f"SUSPICION_KIND_{entry['kind']}")


def _span(entry: Mapping[str, Any]) -> re.Pattern[str]:
    parts = ["|".join(map(re.escape, folded(words).split())) for words in entry["parts"]]
    between = f".{{0,{entry.get('gap', _CHARACTER_GAP)}}}?"
    return re.compile(between.join(f"(?:{part})" for part in parts))
