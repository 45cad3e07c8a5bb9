"""Dangers that a text states or denies, by the patterns of rules/risks.toml. Pure."""

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from offline_model.language import (
    REACH,
    ends_denied,
    has_negator,
    is_denied,
    mentions_protection,
    refers_back,
)

_GAP = re.compile(r"@gap(\d)")
_MACRO = re.compile(r"@([a-z]+)")
_WORDS_AFTER = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """One way to say a dangerous thing; rules/risks.toml says what each field means."""

    head: re.Pattern[str]
    needs: re.Pattern[str] | None
    unless_near: re.Pattern[str] | None
    protection_excuses: bool


@dataclass(frozen=True, slots=True)
class Risk:
    """A danger: how to recognise it, how hard it weighs (scores 0 to 1), and what a reviewer says of it."""

    id: str
    wishes: tuple[Wish, ...]
    guardian_cap: float
    penalty: float
    issue: str
    advice: str


def _load() -> dict[str, Risk]:
    rules = tomllib.loads(files("offline_model").joinpath("rules/risks.toml").read_text("utf-8"))
    macros: dict[str, str] = rules["macros"]
    return {entry["id"]: _risk(entry, macros) for entry in rules["risk"]}


def _risk(entry: dict[str, Any], macros: dict[str, str]) -> Risk:
    wishes = tuple(_wish(wish, macros) for wish in entry.pop("wish"))
    return Risk(wishes=wishes, **entry)


def _wish(entry: dict[str, Any], macros: dict[str, str]) -> Wish:
    def pattern(key: str) -> re.Pattern[str] | None:
        return _compile(entry[key], macros) if key in entry else None

    return Wish(
        head=_compile(entry["head"], macros),
        needs=pattern("needs"),
        unless_near=pattern("unless_near"),
        protection_excuses=entry.get("protection_excuses", False),
    )


def _compile(words: str, macros: dict[str, str]) -> re.Pattern[str]:
    words = _GAP.sub(_gap, words)
    return re.compile(_MACRO.sub(lambda name: macros[name[1]], words), re.IGNORECASE | re.VERBOSE)


def _gap(words: re.Match[str]) -> str:
    return rf"(?P<gap>(?:\W+[\w'-]+){{0,{words[1]}}}?)\W+"


RISKS = _load()

_TODAY = re.compile(
    r"\b(?:today|currently|at\s+present|at\s+the\s+moment|until\s+now|so\s+far|legacy)\b", re.IGNORECASE
)
_TURN = re.compile(r"\b(?:but|instead|no\s+longer|switch\w*|chang\w+|will\s+be|rather)\b", re.IGNORECASE)


def find_risks(spoken: list[list[str]], *, protected: bool) -> tuple[dict[str, str], frozenset[str]]:
    """Return the risks that paragraphs of sentences state, each with the sentence, and those that they deny.

    `protected` says that the text promises protection: what it says of today is the problem, no wish.
    """
    stated: dict[str, str] = {}
    denied: set[str] = set()
    for paragraph in spoken:
        for previous, sentence in zip(["", *paragraph], paragraph, strict=False):
            excused = protected and _TODAY.search(sentence) is not None
            for risk_id, holds in _read(sentence, previous):
                if not holds:
                    denied.add(risk_id)
                elif not excused:
                    stated.setdefault(risk_id, sentence)
    return stated, frozenset(denied - stated.keys())


def leans_on(sentence: str, previous: str) -> bool:
    """Tell whether what the sentence states or denies changes with the sentence before it."""
    return refers_back(sentence) and _read(sentence, previous) != _read(sentence, "")


def _read(sentence: str, previous: str) -> tuple[tuple[str, bool], ...]:
    return _verdicts(sentence, previous if refers_back(sentence) else "")


@lru_cache(maxsize=2048)
def _verdicts(sentence: str, previous: str) -> tuple[tuple[str, bool], ...]:
    """Return the risks that the sentence speaks of: True where it states them, False where it denies them."""
    found: list[tuple[str, bool]] = []
    for risk in RISKS.values():
        verdicts = [_verdict(wish, sentence, previous) for wish in risk.wishes]
        if True in verdicts:
            found.append((risk.id, True))
        elif False in verdicts:
            found.append((risk.id, False))
    return tuple(found)


def _verdict(wish: Wish, sentence: str, previous: str) -> bool | None:
    """Tell whether the sentence states the wish (True), denies it (False) or does not speak of it (None)."""
    if wish.unless_near is not None and wish.unless_near.search(sentence):
        return None
    verdict: bool | None = None
    for found in wish.head.finditer(sentence):
        if not _accompanied(wish, sentence, previous, found):
            continue
        gap = found.groupdict().get("gap") or ""
        if not ends_denied(gap) and not is_denied(sentence, found.start(), found.end()):
            return True
        verdict = False
    return verdict


def _accompanied(wish: Wish, sentence: str, previous: str, found: re.Match[str]) -> bool:
    if wish.needs is None:
        near = sentence[max(0, found.start() - REACH) : found.end() + REACH]
        return not (wish.protection_excuses and mentions_protection(near))
    before = sentence[max(0, found.start() - REACH) : found.start()]
    companions = list(wish.needs.finditer(before))
    if companions:
        return not (wish.protection_excuses and _protected_between(before[companions[-1].end() :]))
    few_words_after = " ".join(sentence[found.end() : found.end() + REACH].split()[:_WORDS_AFTER])
    if wish.needs.search(few_words_after):
        return True
    return refers_back(sentence) and wish.needs.search(previous) is not None


def _protected_between(between: str) -> bool:
    """Tell "hashed, and mail is plain text" from "hashed today but plain text soon"."""
    return mentions_protection(between) and not has_negator(between) and _TURN.search(between) is None
