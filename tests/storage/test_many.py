"""One statement for many rows: each row as it was given, on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from consensus_rpc.errors import DatabaseError
from persistence_service.database import Connection, Database
from persistence_service.database.many import execute_many
from persistence_service.runs.statements import HEADS, INSERT_HEADS, INSERT_SPECIFICATIONS, UPDATE_HEADS
from persistence_service.runs.statements import SPECIFICATIONS as TABLE

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def head(stream: str, sequence: int = 0) -> dict[str, Any]:
    return {
        "tenant": "t", "stream": stream, "sequence": sequence, "hash": bytes(32), "update_time": NOON
    }  # fmt: skip


def heads(connection: Connection) -> dict[str, tuple[int, bytes]]:
    rows = connection.execute(select(HEADS.c.stream, HEADS.c.sequence, HEADS.c.hash))
    return {row.stream: (row.sequence, bytes(row.hash)) for row in rows}


def add(database: Database, *rows: dict[str, Any]) -> None:
    database.unit_of_work(lambda connection: execute_many(connection, INSERT_HEADS, rows))


def test_each_row_is_updated_with_its_own_values(database: Database) -> None:
    add(database, head("a"), head("b"), head("c"))
    rows = [
        {
            "of_tenant": "t", "of_stream": name, "new_sequence": number, "new_hash": bytes([number]) * 32,
            "new_update_time": NOON,
        }
        for name, number in (("b", 2), ("a", 1))
    ]  # fmt: skip
    database.unit_of_work(lambda connection: execute_many(connection, UPDATE_HEADS, rows))
    found = database.unit_of_work(heads)
    assert found == {"a": (1, b"\1" * 32), "b": (2, b"\2" * 32), "c": (0, bytes(32))}


@pytest.mark.parametrize(
    "idea", ["100 % (s) %s %(idea)s %%", "'; DROP TABLE runs; --", "\\' \u2028 \U0001f600"]
)
def test_text_arrives_as_it_was_given(database: Database, idea: str) -> None:
    row = {"tenant": "t", "run_id": "r", "idea": idea, "context": None, "settings": {"%s": [idea, None]}}
    database.unit_of_work(lambda connection: execute_many(connection, INSERT_SPECIFICATIONS, [row]))
    found = database.unit_of_work(lambda connection: connection.execute(select(TABLE)).mappings().one())
    assert dict(found) == row


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has no lengths
def test_what_is_too_long_is_refused_and_not_cut(database: Database) -> None:
    with pytest.raises(DatabaseError):
        add(database, head("s" * 81))


def test_an_error_leaves_all_rows_out(database: Database) -> None:
    with pytest.raises(DatabaseError):
        add(database, head("a"), head("a"))
    assert database.unit_of_work(heads) == {}
