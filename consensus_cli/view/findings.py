"""What speaks against a proposal most, as blocks of text: pure."""

from collections.abc import Iterator

from consensus.v1 import run_pb2
from consensus_cli.view.outcome import Block
from consensus_report.findings import MOST_FINDINGS, findings


def findings_blocks(run: run_pb2.Run, more: str) -> Iterator[Block]:
    """The few that matter most; `more` tells where the others are."""
    found = findings(run)
    if found is None:
        return
    yield Block(0, found.heading, "bold")
    for each in found.all[:MOST_FINDINGS]:
        yield Block(2, f"- {each.line()}", "red" if each.is_security_critical else "")
    if len(found.all) > MOST_FINDINGS:
        yield Block(2, f"and {len(found.all) - MOST_FINDINGS} more: {more}", "dim")
