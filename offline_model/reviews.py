"""Reviews a proposal as one persona, by rules/personas.toml and the dangers that it states. Pure."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from offline_model.proposal import Proposal
from offline_model.risks import RISKS
from offline_model.signals import LABELS, Signals

_TOUCHY_TOPICS = frozenset({"people_data", "payments"})
_LINES = 5
_QUOTE_LENGTH = 160
_MOST_QUOTED = 1_000
# What a proposal does not say belongs into its solution, and there is nothing to quote.
_OMITTED: dict[str, Any] = {"section": "proposed_solution", "quotes": []}
_FLOOR, _CEILING = 0.02, 0.97
_SIGNATURE = "Rule-based review by the offline model: have it read by someone who understands it too"

_DEPENDENCIES = {
    "payments": "A payment provider: outages and changed terms stop the money",
    "messages": "Message delivery: providers throttle, filter and lose messages",
    "models": "A machine-learning model: its answers, price and versions change under way",
    "vendors": "Another party's interface: it changes or goes away on its own schedule",
}
_LEFT_OPEN = "Unknown: the proposal names neither effort nor time"


@dataclass(frozen=True, slots=True)
class Aspect:
    """What naming one sign is worth to a persona (score points), and what it says where it is missing."""

    points: float
    concern: str
    advice: str


@dataclass(frozen=True, slots=True)
class PersonaRules:
    """How one persona scores: rules/personas.toml says what each field means."""

    base: float
    praise: str
    aspects: dict[str, Aspect]
    harmless_bonus: float = 0.0
    block_unless_any: tuple[str, ...] = ()
    block_issue: str = ""
    guards: bool = False


def _load() -> dict[str, PersonaRules]:
    rules = tomllib.loads(files("offline_model").joinpath("rules/personas.toml").read_text("utf-8"))
    return {persona: _persona(fields) for persona, fields in rules.items()}


def _persona(fields: dict[str, Any]) -> PersonaRules:
    aspects = {sign: Aspect(**aspect) for sign, aspect in fields.pop("aspects").items()}
    return PersonaRules(aspects=aspects, **fields)


PERSONAS = _load()


def review(persona: str, signals: Signals, proposal: Proposal | None = None) -> dict[str, Any]:
    """Return the persona's review as the answer's JSON; an unknown persona judges as the architect does.

    Quotes come from the proposal that the signals were read in; without it nothing is quoted.
    """
    rules = PERSONAS.get(persona, PERSONAS["architect"])
    missing = [aspect for sign, aspect in rules.aspects.items() if sign not in signals.named]
    return {
        "confidence_score": _score(rules, signals),
        "strengths": _strengths(rules, signals),
        "concerns": [
            *({"is_blocking": True, **each} for each in _dangers(signals, proposal)),
            *({"text": a.concern, "is_blocking": False, **_OMITTED} for a in missing[:_LINES]),
        ],
        "recommendations": [
            *_risk_advice(signals),
            *(aspect.advice for aspect in missing[:_LINES]),
            _SIGNATURE,
        ],
        "blocking_issues": _blocking_issues(rules, signals, proposal),
        "estimated_effort": _quote("As stated", signals.named["effort"])
        if "effort" in signals.named
        else _LEFT_OPEN,
        "dependency_risks": [text for topic, text in _DEPENDENCIES.items() if topic in signals.topics],
    }


def _score(rules: PersonaRules, signals: Signals) -> float:
    score = rules.base + sum(rules.aspects[sign].points for sign in rules.aspects if sign in signals.named)
    if not signals.topics & _TOUCHY_TOPICS:
        score += rules.harmless_bonus
    risks = [RISKS[risk] for risk in signals.risks]
    if rules.guards:
        score = min([score, *(risk.guardian_cap for risk in risks)])
    else:
        score -= sum(risk.penalty for risk in risks)
    return round(min(max(score, _FLOOR), _CEILING), 2)


def _strengths(rules: PersonaRules, signals: Signals) -> list[str]:
    found = [sign for sign in rules.aspects if sign in signals.named][:_LINES]
    return [_quote(f"{rules.praise}: it names {LABELS[sign]}", signals.named[sign]) for sign in found]


def _dangers(signals: Signals, proposal: Proposal | None) -> list[dict[str, Any]]:
    return [
        {"text": _quote(RISKS[risk].issue, said), **_evidence(proposal, said)}
        for risk, said in signals.risks.items()
    ]


def _evidence(proposal: Proposal | None, said: str) -> dict[str, Any]:
    """Return where the proposal says so, in its own words; nothing is quoted that is not found there."""
    place = None if proposal is None else proposal.where(said)
    if place is None:
        return {"section": "", "quotes": []}
    section, words = place
    text = words if len(words) <= _MOST_QUOTED else words[:_MOST_QUOTED].rsplit(" ", 1)[0]
    return {"section": section, "quotes": [{"section": section, "text": text}]}


def _risk_advice(signals: Signals) -> list[str]:
    return [RISKS[risk].advice for risk in signals.risks]


def _blocking_issues(
    rules: PersonaRules, signals: Signals, proposal: Proposal | None
) -> list[dict[str, Any]]:
    if rules.guards:
        return [{"security_critical": True, **each} for each in _dangers(signals, proposal)]
    touchy = bool(signals.topics & _TOUCHY_TOPICS)
    if rules.block_issue and touchy and not signals.named.keys() & set(rules.block_unless_any):
        return [{"text": rules.block_issue, "security_critical": None, **_OMITTED}]
    return []


def _quote(lead: str, said: str) -> str:
    words = " ".join(said.split())
    if len(words) > _QUOTE_LENGTH:
        words = words[:_QUOTE_LENGTH].rsplit(" ", 1)[0] + " …"
    return f'{lead} ("{words}")'
