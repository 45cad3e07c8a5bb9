"""Lines of what a review says, whoever wrote it: pure."""

from consensus.v1 import panel_pb2
from consensus_report import text

CALLED_BLOCKING = " (called blocking, counts as a concern)"


def blocking_line(issue: panel_pb2.BlockingIssue) -> str:
    """A blocking issue, marked where it endangers security."""
    mark = " (security-critical)" if issue.security_critical else ""
    return f"{text.clean(issue.text)}{mark}"


def concern_line(concern: panel_pb2.Concern) -> str:
    """A concern, marked where its reviewer calls it blocking: only blocking issues block."""
    return f"{text.clean(concern.text)}{CALLED_BLOCKING if concern.blocking else ''}"
