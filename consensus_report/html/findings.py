"""What speaks against a proposal most, as a section."""

from consensus.v1 import run_pb2
from consensus_report.findings import findings
from consensus_report.html.markup import Child
from consensus_report.html.parts import items, section


def findings_section(run: run_pb2.Run) -> Child:
    """What blocks it; else, unless it is approved, the concerns; nothing without any."""
    found = findings(run)
    return None if found is None else section(found.heading, items(each.line() for each in found.all))
