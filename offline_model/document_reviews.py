"""Reviews a document as one persona: what this text leaves open, in its own words and language. Pure."""

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zlib import crc32

from offline_model.document import DocumentText, Sentence, language_of
from offline_model.findings import (
    CLAIM,
    FINDINGS,
    OMISSIONS,
    DocumentReading,
    is_told,
    place_of,
    read,
    words_of,
)
from offline_model.language import paragraphs
from offline_model.risks import RISKS, find_risks

_LEAST_FINDINGS, _MAX_FINDINGS, _MAX_OMISSIONS = 2, 4, 2
_QUOTE_LENGTH, _SHORT_LENGTH = 230, 70
_LEAST_SENTENCES = 3
_FLOOR, _CEILING = 0.02, 0.95
_GUARDIANS = "security_guardian"
_PLAIN_TEXT = "plain_text_secrets"  # of RISKS: the one that is told in other languages than English
_GUARDED = re.compile(r"secur|attack|privacy|Sicherheit|安全|أمن", re.IGNORECASE)
_RISK_PENALTY, _OMISSION_PENALTY, _EMPTY_SCORE = 0.30, 0.06, 0.12

_LANGUAGE_ASKED = re.compile(r"language whose tag is ([a-z]{2})")

_RULES = tomllib.loads(files("offline_model").joinpath("rules/documents.toml").read_text("utf-8"))
_EMPTY, _STRENGTH, _SIGNATURE, _EFFORT = (
    _RULES["says"][name] for name in ("empty", "strength", "signature", "effort")
)
_EFFORT_WORDS, _PLAIN_DANGER, _FOREIGN_DANGER, _DENIED, _PAST = (
    re.compile(_RULES["words"][name], re.IGNORECASE | re.VERBOSE)
    for name in ("effort", "plain_danger", "foreign_danger", "denied", "past")
)


@dataclass(frozen=True, slots=True)
class Reader:
    """What a persona looks for, first things first."""

    name: str
    findings: tuple[str, ...]
    omissions: tuple[str, ...]
    words: frozenset[str] = frozenset()
    guards: bool = False


def _load() -> dict[str, Reader]:
    rules = tomllib.loads(files("offline_model").joinpath("rules/readers.toml").read_text("utf-8"))
    return {
        persona: Reader(
            persona, tuple(each["findings"]), tuple(each["omissions"]), guards=persona == _GUARDIANS
        )
        for persona, each in rules.items()
    }


_READERS = _load()


def review_document(persona: str, instructions: str, numbered: str, asked: str = "") -> dict[str, Any]:
    """The persona's review of a document as the answer's JSON.

    `numbered` is the document as it is shown; `instructions` are the persona's, `asked` everybody's.
    """
    reading, language = _read(numbered)
    if (tag := _LANGUAGE_ASKED.search(asked)) and tag[1] in _EMPTY:
        language = tag[1]
    if len(reading.document.sentences) < _LEAST_SENTENCES:
        return _nothing_to_judge(reading, language)
    reader = _reader(persona, instructions)
    chosen = _chosen(reader, reading)
    gaps = _gaps(reader, reading)
    dangers = _dangers(reading) if reader.guards else {}
    blocking = [_danger(risk, said) for risk, said in dangers.items()]
    score = _score(reader, reading, chosen, gaps) - _RISK_PENALTY * len(blocking)
    return {
        "confidence_score": round(min(max(score, _FLOOR), _CEILING), 2),
        "strengths": _strengths(reader, reading, language, chosen),
        "concerns": [
            *(_concern(FINDINGS[kind].says[language], at, reading) for kind, at in chosen),
            *_omitted(gaps, reading, language),
        ],
        "recommendations": [
            *(_told(FINDINGS[kind].advice[language], reading.document.sentences[at]) for kind, at in chosen),
            *(RISKS[risk].advice for risk in dangers),
            _SIGNATURE[language],
        ],
        "blocking_issues": blocking,
        "estimated_effort": _effort(reading, language),
        "dependency_risks": _dependencies(reading, language),
    }


@lru_cache(maxsize=8)
def _read(numbered: str) -> tuple[DocumentReading, str]:
    document = DocumentText.read(numbered)
    return read(document), language_of(document.sentences)


def _reader(persona: str, instructions: str) -> Reader:
    """A built-in persona's rules, or what another's instructions say that it cares for."""
    if persona in _READERS:
        return _READERS[persona]
    interests = {
        kind: len(finding.interest.findall(instructions))
        for kind, finding in FINDINGS.items()
        if kind != CLAIM
    }
    order = sorted(interests, key=lambda kind: -interests[kind])
    wanted = [name for name, each in OMISSIONS.items() if each.words.search(instructions)]
    guards = len(_GUARDED.findall(instructions)) > 1
    return Reader(persona, tuple(order[:5]), tuple(wanted), words_of(instructions), guards)


def _chosen(reader: Reader, reading: DocumentReading) -> list[tuple[str, int]]:
    """The sentences to stop at, each for one reason, from different sections where there are several."""
    chosen: list[tuple[str, int]] = []
    seen_sentences: set[int] = set()
    seen_sections: set[str] = set()
    for kind in (*reader.findings, *[CLAIM] * _LEAST_FINDINGS):
        fresh = [at for at in reading.found[kind] if at not in seen_sentences]
        if not fresh or len(chosen) >= (_LEAST_FINDINGS if kind == CLAIM else _MAX_FINDINGS):
            continue
        best = sorted(fresh, key=lambda each: -_appeal(reader, reading, each, seen_sections))[:2]
        at = best[crc32(f"{reader.name} {kind}".encode()) % len(best)]
        chosen.append((kind, at))
        seen_sentences.add(at)
        seen_sections.add(reading.document.sentences[at].section.number)
    return chosen


def _appeal(reader: Reader, reading: DocumentReading, at: int, seen_sections: set[str]) -> float:
    sentence = reading.document.sentences[at]
    appeal = reading.weights[at] * (1.0 if sentence.verbatim else 0.4)
    appeal += 3 * len(reader.words & words_of(sentence.text))
    return appeal * (0.5 if sentence.section.number in seen_sections else 1.0)


def _gaps(reader: Reader, reading: DocumentReading) -> list[str]:
    return [name for name in reader.omissions if name in reading.missing][:_MAX_OMISSIONS]


def _dangers(reading: DocumentReading) -> dict[str, Sentence]:
    """What the document itself proposes to do that is dangerous; told, denied and past ones are none."""
    found: dict[str, Sentence] = {}
    for sentence in reading.document.sentences:
        if is_told(sentence):
            continue
        if _FOREIGN_DANGER.search(sentence.text) and not _DENIED.search(sentence.text):
            found.setdefault(_PLAIN_TEXT, sentence)
        elif _PLAIN_DANGER.search(sentence.text) and not _PAST.search(sentence.text):
            for risk in find_risks(paragraphs(sentence.text), protected=False)[0]:
                found.setdefault(risk, sentence)
    return found


def _score(reader: Reader, reading: DocumentReading, chosen: list[tuple[str, int]], gaps: list[str]) -> float:
    """From what there is to hold on to, less what is missing and what the text itself leaves open."""
    figures = len(reading.found["figure"]) / len(reading.document.sentences)
    open_share = (len(reading.found["open"]) + len(reading.found["vague"])) / len(reading.document.sentences)
    relevant = [name for name in reader.omissions if OMISSIONS[name].topics & reading.topics]
    covered = (len(relevant) - len(gaps)) / len(relevant) if relevant else 0.5
    depth = min(len(reading.document.sentences), 60) / 60
    return (
        0.50
        + 0.14 * covered
        + 0.12 * depth
        + 0.3 * min(figures, 0.4)
        - 0.5 * min(open_share, 0.4)
        - (_OMISSION_PENALTY * len(gaps) + 0.01 * len(chosen))
    )


def _strengths(
    reader: Reader, reading: DocumentReading, language: str, chosen: list[tuple[str, int]]
) -> list[str]:
    taken = {at for _, at in chosen}
    rest = [at for kind in ("figure", *reader.findings) for at in reading.found[kind] if at not in taken]
    best = sorted(set(rest), key=lambda at: -reading.weights[at])[:2]
    return [_told(_STRENGTH[language], reading.document.sentences[at]) for at in best]


def _concern(says: str, at: int, reading: DocumentReading) -> dict[str, Any]:
    sentence = reading.document.sentences[at]
    return {"text": _told(says, sentence), "is_blocking": False, **_evidence(sentence)}


def _danger(risk: str, sentence: Sentence) -> dict[str, Any]:
    text = f"{RISKS[risk].issue}: “{_cut(sentence.text, _QUOTE_LENGTH)}” ({sentence.section.name})"
    return {"text": text, "security_critical": True, **_evidence(sentence)}


def _omitted(gaps: list[str], reading: DocumentReading, language: str) -> list[dict[str, Any]]:
    """What is missing, at the place where it belongs; what is not there needs no quote."""
    concerns = []
    for name in gaps:
        if (place := place_of(reading, OMISSIONS[name])) is not None:
            anchor = _cut(place.text, _QUOTE_LENGTH)
            text = OMISSIONS[name].says[language].format(section=place.section.name, anchor=anchor)
            belongs = {"section": place.section.number, "quotes": []}
            concerns.append({"text": text, "is_blocking": False, **belongs})
    return concerns


def _evidence(sentence: Sentence) -> dict[str, Any]:
    section = sentence.section.number
    quotes = [] if sentence.verbatim is None else [{"section": section, "text": sentence.verbatim}]
    return {"section": section, "quotes": quotes}


def _told(says: str, sentence: Sentence) -> str:
    return says.format(
        quote=_cut(sentence.text, _QUOTE_LENGTH),
        short=_cut(sentence.text, _SHORT_LENGTH),
        section=sentence.section.name,
    )


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = text[:most]
    return (head.rsplit(" ", 1)[0] if " " in head[most // 2 :] else head) + " …"


def _effort(reading: DocumentReading, language: str) -> str:
    naming = [at for at, each in enumerate(reading.document.sentences) if _EFFORT_WORDS.search(each.text)]
    if not naming:
        return str(_EFFORT[language])
    best = reading.document.sentences[max(naming, key=lambda at: reading.weights[at])]
    return f"“{_cut(best.text, _QUOTE_LENGTH)}” ({best.section.name})"


def _dependencies(reading: DocumentReading, language: str) -> list[str]:
    at = sorted(reading.found["dependency"], key=lambda each: -reading.weights[each])[:2]
    return [_told(FINDINGS["dependency"].says[language], reading.document.sentences[each]) for each in at]


_NOWHERE: dict[str, Any] = {"section": "", "quotes": []}


def _nothing_to_judge(reading: DocumentReading, language: str) -> dict[str, Any]:
    names = ", ".join(section.name for section in reading.document.sections[:6])
    text = _EMPTY[language].format(count=len(reading.document.sections), names=_cut(names, _QUOTE_LENGTH))
    return {
        "confidence_score": _EMPTY_SCORE,
        "strengths": [],
        "concerns": [{"text": text, "is_blocking": True, **_NOWHERE}],
        "recommendations": [_SIGNATURE[language]],
        "blocking_issues": [{"text": text, "security_critical": None, **_NOWHERE}],
        "estimated_effort": _EFFORT[language],
        "dependency_risks": [],
    }
