"""Statements for many rows, several at once: each row as it was given, on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, select, update

from consensus_rpc.errors import DatabaseError
from persistence_service.database import Connection, Database
from persistence_service.database.many import RowsRefused, Work, execute_all
from persistence_service.runs.statements import HEADS, INSERT_HEADS, INSERT_SPECIFICATIONS
from persistence_service.runs.statements import SPECIFICATIONS as TABLE

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOVE = (
    update(HEADS)
    .where(HEADS.c.tenant == bindparam("of_tenant"), HEADS.c.stream == bindparam("of_stream"))
    .values(sequence=bindparam("to_sequence"), hash=bindparam("to_hash", type_=HEADS.c.hash.type))
)


def head(stream: str, sequence: int = 0) -> dict[str, Any]:
    return {
        "tenant": "t", "stream": stream, "sequence": sequence, "hash": bytes(32), "update_time": NOON
    }  # fmt: skip


def heads(connection: Connection) -> dict[str, tuple[int, bytes]]:
    rows = connection.execute(select(HEADS.c.stream, HEADS.c.sequence, HEADS.c.hash))
    return {row.stream: (row.sequence, bytes(row.hash)) for row in rows}


def add(database: Database, *rows: dict[str, Any]) -> None:
    database.unit_of_work(lambda connection: execute_all(connection, [(INSERT_HEADS, rows)]))


def moves(**sequences: int) -> list[dict[str, Any]]:
    return [
        {"of_tenant": "t", "of_stream": name, "to_sequence": number, "to_hash": bytes([number]) * 32}
        for name, number in sequences.items()
    ]


def test_each_row_is_updated_with_its_own_values(database: Database) -> None:
    add(database, head("a"), head("b"), head("c"))
    database.unit_of_work(lambda connection: execute_all(connection, [(MOVE, moves(b=2, a=1))]))
    found = database.unit_of_work(heads)
    assert found == {"a": (1, b"\1" * 32), "b": (2, b"\2" * 32), "c": (0, bytes(32))}


def test_statements_come_in_their_order_and_those_without_rows_not_at_all(database: Database) -> None:
    work: list[Work] = [
        (INSERT_HEADS, [head("a")]),
        (MOVE, []),
        (MOVE, moves(a=1)),
        (INSERT_HEADS, [head("b")]),
    ]
    database.unit_of_work(lambda connection: execute_all(connection, work))
    assert database.unit_of_work(heads) == {"a": (1, b"\1" * 32), "b": (0, bytes(32))}


def test_the_statement_whose_rows_break_a_constraint_is_named(database: Database) -> None:
    row: dict[str, Any] = {"tenant": "t", "run_id": "r", "idea": "", "context": None, "settings": {}}
    work: list[Work] = [(INSERT_HEADS, [head("a")]), (INSERT_SPECIFICATIONS, [row, row])]
    with pytest.raises(RowsRefused) as refused:
        database.unit_of_work(lambda connection: execute_all(connection, work))
    assert refused.value.statement is INSERT_SPECIFICATIONS
    assert database.unit_of_work(heads) == {}


@pytest.mark.parametrize(
    "idea", ["100 % (s) %s %(idea)s %%", "'; DROP TABLE runs; --", "\\' \u2028 \U0001f600"]
)
def test_text_arrives_as_it_was_given(database: Database, idea: str) -> None:
    row = {"tenant": "t", "run_id": "r", "idea": idea, "context": None, "settings": {"%s": [idea, None]}}
    database.unit_of_work(lambda connection: execute_all(connection, [(INSERT_SPECIFICATIONS, [row])]))
    found = database.unit_of_work(lambda connection: connection.execute(select(TABLE)).mappings().one())
    assert dict(found) == row


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has no lengths
def test_what_is_too_long_is_refused_and_not_cut(database: Database) -> None:
    with pytest.raises(DatabaseError):
        add(database, head("s" * 81))
