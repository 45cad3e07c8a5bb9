"""What a panel is once it is accepted: its weights normalised, its content named by a digest. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from consensus.v1 import panel_pb2, panel_service_pb2, run_pb2
from consensus_contract.errors import FieldViolation
from consensus_panels.lint import is_refused, lint
from consensus_panels.weights import WHOLE, normalised_weights

_PLAIN = ("persona_id", "display_name", "focus", "holds_veto", "instructions", "model", "optional")


class PanelRefusedError(ValueError):
    """The panel cannot be one; `findings` say why."""

    def __init__(self, findings: Sequence[panel_service_pb2.PanelFinding]) -> None:
        super().__init__("; ".join(each.message for each in findings))
        self.findings = tuple(findings)

    def violations(self, field: str) -> list[FieldViolation]:
        """Each finding as a violation of the field that holds the panel, `panel.<code>`."""
        return [FieldViolation(field, _said(finding), f"panel.{finding.code}") for finding in self.findings]


def _said(finding: panel_service_pb2.PanelFinding) -> str:
    who = f" ({', '.join(finding.persona_ids)})" if finding.persona_ids else ""
    return f"{finding.message}{who}"


def normalised(panel: panel_service_pb2.Panel) -> panel_service_pb2.Panel:
    """The panel with weights that sum to 1, digests of instructions, and its revision; without its times.

    Raises:
        PanelRefusedError: lint finds an error.
    """
    findings = lint(panel)
    if is_refused(findings):
        error = panel_service_pb2.FINDING_SEVERITY_ERROR
        raise PanelRefusedError([each for each in findings if each.severity == error])
    whole = panel_service_pb2.Panel()
    whole.CopyFrom(panel)
    whole.ClearField("create_time")
    whole.ClearField("delete_time")
    shares = normalised_weights([persona.weight for persona in panel.personas])
    for persona, share in zip(whole.personas, shares, strict=True):
        persona.weight = share / WHOLE
        persona.prompt_digest = prompt_digest(persona.instructions)
    whole.revision = hashlib.sha256(canonical_content(whole)).hexdigest()
    return whole


def prompt_digest(instructions: str) -> str:
    """SHA-256 of a persona's instructions as they are sent, in lowercase hexadecimal."""
    return hashlib.sha256(instructions.encode()).hexdigest()


def canonical_content(panel: panel_service_pb2.Panel) -> bytes:
    """Everything of a normalised panel but its id, revision and times, as RFC 8785 has JSON."""
    # Integers and text alone, under keys of ASCII: sorting them is all that RFC 8785 asks for.
    return orjson.dumps(stored_content(panel), option=orjson.OPT_SORT_KEYS)


def stored_content(panel: panel_service_pb2.Panel) -> dict[str, Any]:
    """A normalised panel as JSON data, without its id, revision and times; `panel_of_content` reads it."""
    content: dict[str, Any] = {
        "title": panel.title,
        "language": panel.language,
        "personas": [_persona_content(persona) for persona in panel.personas],
    }
    if panel.policy:  # left out where there is none, so that a panel's revision is what it was
        content["policy"] = panel.policy
    if panel.HasField("quorum"):
        content["quorum"] = {
            "min_personas": panel.quorum.min_personas,
            "required_personas": list(panel.quorum.required_personas),
        }
    return content


def panel_of_content(content: Mapping[str, Any]) -> panel_service_pb2.Panel:
    """The panel that content was made of."""
    panel = panel_service_pb2.Panel(
        title=content["title"],
        language=content["language"],
        policy=content.get("policy", ""),
        personas=[_persona(each) for each in content["personas"]],
    )
    if (quorum := content.get("quorum")) is not None:
        panel.quorum.CopyFrom(run_pb2.Quorum(**quorum))
    return panel


def _persona_content(persona: panel_pb2.Persona) -> dict[str, Any]:
    content: dict[str, Any] = {name: getattr(persona, name) for name in _PLAIN}
    content["weight"] = round(persona.weight * WHOLE)
    if persona.shows_idea:  # else left out, so that the revisions of earlier panels stand
        content["shows_idea"] = True
    if persona.HasField("temperature"):
        content["temperature"] = round(persona.temperature * 100)
    if persona.HasField("time_limit"):
        content["time_limit_us"] = persona.time_limit.ToMicroseconds()
    return content


def _persona(content: Mapping[str, Any]) -> panel_pb2.Persona:
    persona = panel_pb2.Persona(
        **{name: content[name] for name in _PLAIN},
        weight=content["weight"] / WHOLE,
        shows_idea=content.get("shows_idea", False),
        prompt_digest=prompt_digest(content["instructions"]),
    )
    if (hundredths := content.get("temperature")) is not None:
        persona.temperature = hundredths / 100
    if (micros := content.get("time_limit_us")) is not None:
        persona.time_limit.FromMicroseconds(micros)
    return persona
