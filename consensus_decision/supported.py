"""Which blocking issues and concerns count: all but those that quote only what is not there. Pure.

The mark is the record's, made when the persona answered. Reviews of before have none, and count as they did.
"""

from collections.abc import Iterable
from typing import TypeVar

from consensus.v1 import panel_pb2

EntryT = TypeVar("EntryT", panel_pb2.BlockingIssue, panel_pb2.Concern)


def supported(entries: Iterable[EntryT]) -> list[EntryT]:
    """Those that count, in their order."""
    return [each for each in entries if not each.unsupported]
