"""Panels in words."""

import difflib
from collections.abc import Iterable, Iterator

from consensus.v1 import panel_pb2, panel_service_pb2
from consensus_cli.view.tables import table
from consensus_report import text

_SHORT = 12


def panel_lines(panel: panel_service_pb2.Panel) -> list[str]:
    """The panel: a head, and a row for each persona."""
    title = f"  {text.clean(panel.title)}" if panel.title else ""
    lines = [f"panel {text.clean(panel.panel_id) or '(not stored)'}@{panel.revision[:_SHORT]}{title}"]
    if panel.language:
        lines.append(f"answers in {text.clean(panel.language)}")
    if panel.HasField("quorum"):
        lines.append(f"quorum {panel.quorum.min_personas or 'all'}")
    if panel.HasField("delete_time"):
        lines.append(f"deleted {text.instant(panel.delete_time)}")
    rows = [
        [text.clean(p.persona_id), text.score(p.weight), _marks(p), text.clean(p.model), text.clean(p.focus)]
        for p in panel.personas
    ]
    return [*lines, *table(("persona", "weight", "", "model", "looks at"), rows, right=frozenset({1}))]


def list_lines(panels: Iterable[panel_service_pb2.Panel]) -> list[str]:
    """A row for each panel or revision."""
    rows = [
        [
            text.clean(panel.panel_id),
            panel.revision[:_SHORT],
            str(len(panel.personas)),
            text.instant(panel.create_time) if panel.HasField("create_time") else "built in",
            text.clean(panel.title),
        ]
        for panel in panels
    ]
    return table(("panel", "revision", "personas", "put", "title"), rows, right=frozenset({2}))


def finding_lines(findings: Iterable[panel_service_pb2.PanelFinding]) -> list[str]:
    """What lint says, a line each."""
    return [
        f"{text.word(panel_service_pb2.FindingSeverity, each.severity, 'FINDING_SEVERITY_')}:"
        f" {text.clean(each.message)}{_of(each.persona_ids)}"
        for each in findings
    ]


def diff_lines(before: panel_service_pb2.Panel, after: panel_service_pb2.Panel) -> list[str]:
    """What changed: the persona table where it did, then each persona's instructions as a unified diff."""
    old, new = ({p.persona_id: p for p in panel.personas} for panel in (before, after))
    tables = panel_lines(before)[1:], panel_lines(after)[1:]
    lines = list(difflib.unified_diff(*tables, "a/panel", "b/panel", lineterm=""))
    for persona_id in dict.fromkeys([*old, *new]):
        name = text.clean(persona_id)
        texts = _instructions(old.get(persona_id)), _instructions(new.get(persona_id))
        lines += difflib.unified_diff(*texts, f"a/{name}.md", f"b/{name}.md", lineterm="")
    return lines


def _instructions(persona: panel_pb2.Persona | None) -> list[str]:
    return [] if persona is None else [text.clean(line) for line in persona.instructions.splitlines()]


def _marks(persona: panel_pb2.Persona) -> str:
    return ", ".join(_said(persona))


def _said(persona: panel_pb2.Persona) -> Iterator[str]:
    if persona.holds_veto:
        yield "veto"
    if persona.shows_idea:
        yield "shown the idea"
    if persona.optional:
        yield "optional"


def _of(persona_ids: Iterable[str]) -> str:
    named = ", ".join(text.clean(each) for each in persona_ids)
    return f" ({named})" if named else ""
