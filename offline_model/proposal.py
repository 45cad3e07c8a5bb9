"""The proposal as reviewers read it, and how texts are brought within its bounds without losing a word."""

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from offline_model.language import join, normalise
from offline_model.signals import CONTINUED, Signals, read_signals

NOTE = "Rule-based answer of the offline model: the sentences are the caller's own, sorted by rules."
"""Stands where a model that writes would have written."""

MAX_STRING = 4_000
"""Characters in one string of a model's answer."""
MAX_ITEMS = 50
"""Items in one list of a model's answer."""


# Its fields in the order in which a sentence is looked for, as in `Proposal.signals`.
_READ = (
    "problem_statement", "proposed_solution", "assumptions", "scope_non_goals",
    "title", "summary", "raw_expanded_proposal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proposal:
    """The fields of a proposal, as in the answer to an expansion."""

    title: str | None
    summary: str | None
    problem_statement: str
    proposed_solution: str
    assumptions: tuple[str, ...]
    scope_non_goals: tuple[str, ...]
    raw_expanded_proposal: str | None

    @classmethod
    def from_json(cls, text: str) -> "Proposal | None":
        """Read a proposal leniently, what is missing being empty; None where the text is no JSON object."""
        try:
            fields = json.loads(text)
        except ValueError:
            return None
        if not isinstance(fields, dict):
            return None
        return cls(
            title=_string(fields.get("title")),
            summary=_string(fields.get("summary")),
            problem_statement=_string(fields.get("problem_statement")) or "",
            proposed_solution=_string(fields.get("proposed_solution")) or "",
            assumptions=_strings(fields.get("assumptions")),
            scope_non_goals=_strings(fields.get("scope_non_goals")),
            raw_expanded_proposal=_string(fields.get("raw_expanded_proposal")),
        )

    def signals(self) -> Signals:
        """Read what the proposal names and risks; what is out of scope can state no danger."""
        # Title and summary repeat what the rest says better, so that a quotation comes from the rest.
        parts = (self.problem_statement, self.proposed_solution, *self.assumptions)
        late = [self.title, self.summary, self.raw_expanded_proposal]
        # What was put there in place of words is nobody's claim, and not quoted as the author's.
        late = [part for part in late if part and not part.startswith(NOTE)]
        return read_signals("\n\n".join(part for part in (*parts, *late) if part), self.scope_non_goals)

    def where(self, said: str) -> tuple[str, str] | None:
        """Find a sentence that was read in it: the field that has it, and its words as they stand there."""
        for name in _READ:
            value = getattr(self, name)
            for text in (value,) if isinstance(value, str) else value or ():
                if (words := _verbatim(text, said)) is not None:
                    return name, words
        return None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def cut(text: str) -> list[str]:
    """Cut a text into strings within the bound, at white space; what continues one is marked."""
    pieces: list[str] = []
    rest = text
    while len(rest) > MAX_STRING - len(CONTINUED):
        at = max(rest.rfind(space, 1, MAX_STRING - len(CONTINUED)) for space in " \n")
        at = at if at > 0 else MAX_STRING - len(CONTINUED)
        pieces.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    pieces.append(rest)
    return [piece if not index else CONTINUED + piece for index, piece in enumerate(pieces) if piece]


def items(texts: list[str], most: int = MAX_ITEMS // 2) -> tuple[str, ...]:
    """Make at most about `most` list items of the texts, joining neighbours where there are more."""
    together = -(-len(texts) // most) or 1
    joined = [join(texts[start : start + together]) for start in range(0, len(texts), together)]
    return tuple(piece for text in joined for piece in cut(text))


def _verbatim(text: str, said: str) -> str | None:
    """Return the words of the text that were read as this sentence; None where it does not have them."""
    words, plain = _words(text)
    wanted = said.split()
    at = plain.find(f" {' '.join(wanted)} ")
    if at < 0:
        return None
    begin = plain.count(" ", 0, at)
    found = words[begin : begin + len(wanted)]
    # A form that is made plain with a space in it puts the count off.
    return " ".join(found) if [normalise(word) for word in found] == wanted else None


@lru_cache(maxsize=64)
def _words(text: str) -> tuple[list[str], str]:
    """Split a text into words, and join these as they are read, with spaces around."""
    words = text.split()
    return words, f" {' '.join(map(normalise, words))} "


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
