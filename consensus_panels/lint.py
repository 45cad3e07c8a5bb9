"""What is odd about a panel. Pure, and bounded: twenty personas of 8,000 characters take milliseconds."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

from consensus.v1 import panel_pb2, panel_service_pb2
from consensus_panels.limits import MAX_INSTRUCTIONS_CHARACTERS, MAX_PANEL_BYTES, MAX_PERSONAS
from consensus_panels.weights import WHOLE, normalised_weights

Panel = panel_service_pb2.Panel
Finding = panel_service_pb2.PanelFinding

_ERROR = panel_service_pb2.FINDING_SEVERITY_ERROR
_WARNING = panel_service_pb2.FINDING_SEVERITY_WARNING
_NOTE = panel_service_pb2.FINDING_SEVERITY_NOTE

_FEW_WORDS = 12
_ALIKE = 0.7
"""Share of three-word sequences that two instructions have in common."""
# The service asks for its own form of answer, and reads no other.
_OTHER_OUTPUT = re.compile(
    r"\b(?:json|xml|yaml|csv|markdown table|html)\b"
    r"|\b(?:score|rate|rating|grade)\b[^.\n]{0,40}\b(?:1|0|one|zero)\s?(?:-|\u2013|to|and)\s?(?:5|10|100|five|ten)\b"
    r"|\bout of (?:5|10|100|five|ten)\b|\b(?:in|as a) per ?cent(?:age)?\b"
    r"|\b(?:respond|reply|answer) (?:only )?(?:with|in) (?:a single|one|exactly)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")


def lint(panel: Panel) -> tuple[Finding, ...]:
    """Errors first, then warnings, then notes; each group in the order of the checks."""
    found = [finding for check in _CHECKS for finding in check(panel)]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def is_refused(findings: Iterable[Finding]) -> bool:
    """Whether there is an error among them."""
    return any(finding.severity == _ERROR for finding in findings)


def _sizes(panel: Panel) -> Iterator[Finding]:
    count, size = len(panel.personas), panel.ByteSize()
    if not 1 <= count <= MAX_PERSONAS:
        yield _finding(_ERROR, "persona_count", f"a panel has 1 to {MAX_PERSONAS} personas, and not {count}")
    if size > MAX_PANEL_BYTES:
        yield _finding(_ERROR, "too_large", f"a panel has at most {MAX_PANEL_BYTES} bytes, and not {size}")


def _ids(panel: Panel) -> Iterator[Finding]:
    repeated = _repeated(persona.persona_id for persona in panel.personas)
    if repeated:
        yield _finding(_ERROR, "repeated_id", "ids of personas differ", repeated)
    names = _repeated(persona.display_name.casefold() for persona in panel.personas)
    same = [each.persona_id for each in panel.personas if each.display_name.casefold() in names]
    if same:
        yield _finding(
            _WARNING, "repeated_name", "personas have the same name, and reports tell them apart by it", same
        )


def _instructions(panel: Panel) -> Iterator[Finding]:
    blank = [each.persona_id for each in panel.personas if not each.instructions.strip()]
    if blank:
        yield _finding(_ERROR, "no_instructions", "each persona has instructions", blank)
    long = [
        each.persona_id for each in panel.personas if len(each.instructions) > MAX_INSTRUCTIONS_CHARACTERS
    ]
    if long:
        most = f"instructions have at most {MAX_INSTRUCTIONS_CHARACTERS} characters"
        yield _finding(_ERROR, "long_instructions", most, long)
    few = [
        each.persona_id
        for each in panel.personas
        if each.persona_id not in blank and len(_WORD.findall(each.instructions)) < _FEW_WORDS
    ]
    if few:
        yield _finding(_WARNING, "short_instructions", "instructions of a few words leave the side open", few)


def _weights(panel: Panel) -> Iterator[Finding]:
    given = [persona.weight for persona in panel.personas]
    wrong = [p.persona_id for p in panel.personas if not (math.isfinite(p.weight) and p.weight > 0)]
    if wrong:
        yield _finding(_ERROR, "weight", "weights are positive numbers", wrong)
        return
    try:
        shares = normalised_weights(given) if given else []
    except ValueError as error:
        yield _finding(_ERROR, "weight", str(error))
        return
    if any(share != round(weight * WHOLE, 6) for share, weight in zip(shares, given, strict=True)):
        total = math.fsum(given)
        yield _finding(
            _NOTE, "weights_normalised", f"the weights sum to {total:.6g} and are taken as shares of that"
        )


def _vetoes(panel: Panel) -> Iterator[Finding]:
    holders = [persona for persona in panel.personas if persona.holds_veto]
    if panel.personas and not holders:
        yield _finding(
            _WARNING,
            "no_veto_holder",
            "nobody holds a veto: a security-critical issue stops nothing by itself",
        )
    optional = [persona.persona_id for persona in holders if persona.optional]
    if optional:
        yield _finding(_ERROR, "optional_veto_holder", "whoever holds a veto is not optional", optional)


def _quorum(panel: Panel) -> Iterator[Finding]:
    if panel.personas and all(persona.optional for persona in panel.personas):
        yield _finding(_ERROR, "all_optional", "somebody must answer: not everybody is optional")
    count, quorum = len(panel.personas), panel.quorum
    if quorum.min_personas > count:
        fault = f"the quorum asks for {quorum.min_personas} of {count} personas"
        yield _finding(_ERROR, "quorum", fault)
    ids = {persona.persona_id for persona in panel.personas}
    unknown = [each for each in quorum.required_personas if each not in ids]
    if unknown:
        yield _finding(_ERROR, "quorum", f"the quorum requires {', '.join(unknown)}, who is not on the panel")
    optional = [
        p.persona_id for p in panel.personas if p.optional and p.persona_id in quorum.required_personas
    ]
    if optional:
        yield _finding(_ERROR, "quorum", "whom the quorum requires is not optional", optional)


def _calls(panel: Panel) -> Iterator[Finding]:
    for persona in panel.personas:
        hundredths = persona.temperature * 100
        if persona.HasField("temperature") and abs(hundredths - round(hundredths)) > 1e-6:
            yield _finding(_ERROR, "temperature", "temperatures are in hundredths", [persona.persona_id])
    models = {persona.model for persona in panel.personas}
    if len(panel.personas) > 1 and len(models) == 1:
        which = f"the model {next(iter(models))}" if models != {""} else "the run's model"
        yield _finding(
            _NOTE, "one_model", f"all are asked from {which}: so many roles of one model err together"
        )


def _alike(panel: Panel) -> Iterator[Finding]:
    shingles = {each.persona_id: _shingles(each) for each in panel.personas[:MAX_PERSONAS]}
    for (one, ones), (other, others) in combinations(shingles.items(), 2):
        if ones and others and len(ones & others) / len(ones | others) >= _ALIKE:
            yield _finding(_WARNING, "alike_instructions", "instructions are nearly the same", [one, other])


def _shingles(persona: panel_pb2.Persona) -> set[tuple[str, ...]]:
    words = _WORD.findall(persona.instructions[:MAX_INSTRUCTIONS_CHARACTERS].casefold())
    return set(zip(words, words[1:], words[2:], strict=False))


def _other_output(panel: Panel) -> Iterator[Finding]:
    asking = [
        persona.persona_id
        for persona in panel.personas
        if _OTHER_OUTPUT.search(persona.instructions[:MAX_INSTRUCTIONS_CHARACTERS])
    ]
    if asking:
        yield _finding(
            _WARNING,
            "asks_for_other_output",
            "instructions seem to ask for a form or a scale of the answer: the service asks for its own, with"
            " a score from 0 to 1",
            asking,
        )


_CHECKS: Sequence[Callable[[Panel], Iterator[Finding]]] = (
    _sizes,
    _ids,
    _instructions,
    _weights,
    _vetoes,
    _quorum,
    _calls,
    _alike,
    _other_output,
)


def _finding(
    severity: panel_service_pb2.FindingSeverity.ValueType,
    code: str,
    message: str,
    persona_ids: Iterable[str] = (),
) -> Finding:
    return Finding(severity=severity, code=code, message=message, persona_ids=persona_ids)


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]
