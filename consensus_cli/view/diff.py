"""Two runs compared, as blocks of text: pure."""

from collections.abc import Iterator

from consensus.v1 import review_service_pb2
from consensus_cli.view.outcome import COLOURS, Block
from consensus_cli.view.tables import table
from consensus_report.changes import (
    PERSONA_HEADER,
    Diff,
    changed_sections,
    decision_line,
    persona_rows,
    reason_lines,
    unchanged_sections,
)

_RELATIONSHIPS = {
    review_service_pb2.RUN_RELATIONSHIP_A_PARENT_OF_B: "b revises a",
    review_service_pb2.RUN_RELATIONSHIP_B_PARENT_OF_A: "a revises b",
    review_service_pb2.RUN_RELATIONSHIP_UNRELATED: "neither revises the other",
}
_LINE_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def diff_blocks(run_id_a: str, run_id_b: str, diff: Diff) -> Iterator[Block]:
    """Everything that differs: the decision and what moved it, personas, then the proposals' sections."""
    yield Block(0, f"a  {run_id_a}")
    yield Block(0, f"b  {run_id_b}  ({_RELATIONSHIPS.get(diff.relationship, 'unknown relationship')})")
    yield Block(0, "")
    yield Block(0, decision_line(diff.decision), f"bold {COLOURS.get(diff.decision.label_after, '')}".strip())
    for line in reason_lines(diff):
        yield Block(2, f"- {line}")
    if diff.personas:
        yield Block(0, "")
        for line in table(PERSONA_HEADER, persona_rows(diff), right=frozenset({1, 2, 3, 4})):
            yield Block(0, line)
    for name, change, lines in changed_sections(diff):
        yield Block(0, "")
        yield Block(0, f"{name} ({change})", "bold")
        for line in lines:
            yield Block(2, line, line_style(line))
    if unchanged := unchanged_sections(diff):
        yield Block(0, "")
        yield Block(0, f"unchanged: {', '.join(unchanged)}", "dim")


def line_style(line: str) -> str:
    """How a line of a unified diff looks on a terminal."""
    if line.startswith(("--- ", "+++ ")):
        return "bold"
    return _LINE_STYLES.get(line[:1], "")
