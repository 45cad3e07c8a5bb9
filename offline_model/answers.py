"""The text of an answer, by rules from the text of the request; the same text gets the same answer."""

import json
from collections import OrderedDict
from typing import Any

from offline_model.ask import Ask
from offline_model.document_reviews import review_document
from offline_model.expansion import expand, revise
from offline_model.proposal import Proposal
from offline_model.reviews import review
from offline_model.schema_instance import instance_of
from offline_model.signals import Signals

_KEPT_CHARACTERS = 16_000_000
_PREFIXES_KEPT = 4_096
_CACHED_FROM, _CACHED_STEP = 1_024, 128
_CHARACTERS_PER_TOKEN = 4


class Answers:
    """Makes answers and keeps the latest: benchmarks, demos and retries ask the same again."""

    def __init__(self, kept_characters: int = _KEPT_CHARACTERS) -> None:
        self._texts: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._room = kept_characters
        self._latest: tuple[str, Proposal, Signals] | None = None

    def text(self, ask: Ask) -> str:
        if ask.kind == "other":
            return json.dumps(instance_of(ask.schema()))
        key = (ask.persona if ask.kind == "review" else "", ask.text)
        known = self._texts.get(key)
        if known is None:
            known = json.dumps(self._make(ask), ensure_ascii=False)
            self._keep(key, known)
        else:
            self._texts.move_to_end(key)
        return known

    def _make(self, ask: Ask) -> dict[str, Any]:
        data = ask.data()
        if ask.kind == "review":
            if "document" in data:
                return review_document(ask.persona, ask.persona_text(), data["document"], ask.instructions())
            proposal, signals = self._read(data.get("proposal") or ask.unfenced())
            if "idea" in data:
                signals = signals.with_dangers_of(data["idea"])
            return review(ask.persona, signals, proposal)
        return _expansion(data, ask).to_json()

    def _read(self, text: str) -> tuple[Proposal, Signals]:
        if self._latest is None or self._latest[0] != text:
            proposal = Proposal.from_json(text) or expand(text)
            self._latest = (text, proposal, proposal.signals())
        return self._latest[1:]

    def _keep(self, key: tuple[str, str], text: str) -> None:
        self._texts[key] = text
        self._room -= len(key[1]) + len(text)
        while self._room < 0 and self._texts:
            (_, asked), answered = self._texts.popitem(last=False)
            self._room += len(asked) + len(answered)


def _expansion(data: dict[str, str], ask: Ask) -> Proposal:
    base = Proposal.from_json(data.get("edited_proposal") or data.get("parent_proposal") or "")
    if base is not None:
        return revise(base, data.get("edit_notes"))
    return expand(data.get("idea") or ask.unfenced() or "Nothing was said.", data.get("context"))


class PromptCache:
    """Tells how much of a prompt was seen before, as a provider that caches long prefixes would bill it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, None] = OrderedDict()

    def cached_tokens(self, prefix: str) -> int:
        """Return the tokens served from the cache, in steps of 128 from 1,024 on, and remember the prefix."""
        tokens = token_count(prefix)
        if tokens < _CACHED_FROM:
            return 0
        key = hash(prefix)
        if key in self._seen:
            self._seen.move_to_end(key)
            return tokens - tokens % _CACHED_STEP
        self._seen[key] = None
        if len(self._seen) > _PREFIXES_KEPT:
            self._seen.popitem(last=False)
        return 0


def token_count(text: str) -> int:
    """Return about how many tokens a text has: four characters each, but no fewer than it has words."""
    return max(len(text) // _CHARACTERS_PER_TOKEN, len(text.split())) + 1
