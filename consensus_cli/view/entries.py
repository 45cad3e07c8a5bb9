"""Lines of what a review says, whoever wrote it: pure."""

from consensus.v1 import panel_pb2
from consensus_cli.view import text


def blocking_line(issue: panel_pb2.BlockingIssue) -> str:
    """A blocking issue, marked where it endangers security."""
    mark = " (security-critical)" if issue.security_critical else ""
    return f"{text.clean(issue.text)}{mark}"


def concern_line(concern: panel_pb2.Concern) -> str:
    """A concern, marked where the reviewer calls it blocking."""
    return f"{text.clean(concern.text)}{' (blocking)' if concern.blocking else ''}"
