"""What the commands that move a tenant read of their standard input."""

import io
import sys

import pytest

from persistence_service import tenant_commands
from persistence_service.moving.lines import BadExport


def test_no_more_of_a_line_is_read_than_a_row_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = io.BytesIO(b"short\n" + b"x" * 1000)
    monkeypatch.setattr(tenant_commands, "MAX_LINE_BYTES", 10)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(endless))
    lines = tenant_commands._lines()
    assert next(lines) == b"short\n"
    with pytest.raises(BadExport, match="longer than 10 bytes"):
        next(lines)
    assert endless.tell() == len(b"short\n") + 10
