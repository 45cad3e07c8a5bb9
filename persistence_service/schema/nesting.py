"""JSON that was stored before its nesting was bounded: cut where no answer could hold it."""

from typing import Any

from consensus_rpc.server.survey import MAX_LEVELS

CUT = "…"
"""Stands for what nests too deep to be answered with."""


def readable(value: Any, levels: int = MAX_LEVELS) -> Any:
    """The value, with objects and lists beyond so many levels replaced by `CUT`."""
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return CUT
    if isinstance(value, dict):
        return {name: readable(each, levels - 1) for name, each in value.items()}
    return [readable(each, levels - 1) for each in value]
