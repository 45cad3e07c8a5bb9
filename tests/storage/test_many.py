"""Statements for many rows, several at once: each row as it was given, on both databases."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Insert, Table, Update, bindparam, func, insert, select, text, update

from consensus_contract.errors import DatabaseError
from persistence_service.database import Connection, Database
from persistence_service.database.many import ForRows, RowsRefused, Work, execute_all, shape_of
from persistence_service.runs.form.tables import SETTINGS, SPECIFICATIONS
from persistence_service.runs.write import statements
from persistence_service.runs.write.statements import (
    HEADS,
    INSERT_HEADS,
    INSERT_SETTINGS,
    INSERT_SPECIFICATIONS,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOVE = ForRows(
    update(HEADS)
    .where(HEADS.c.tenant == bindparam("of_tenant"), HEADS.c.stream == bindparam("of_stream"))
    .values(sequence=bindparam("to_sequence"), hash=bindparam("to_hash", type_=HEADS.c.hash.type)),
    "of_tenant",
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


def specification(idea: str) -> dict[str, Any]:
    return {
        "tenant": "t", "run_id": "r", "idea": idea, "context": None, "draft_id": None,
        "settings_digest": bytes(32),
    }  # fmt: skip


def only_row(database: Database, table: Table) -> dict[str, Any]:
    found = database.unit_of_work(lambda connection: connection.execute(select(table)).mappings().one())
    return {name: bytes(value) if isinstance(value, memoryview) else value for name, value in found.items()}


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
    row = specification("")
    work: list[Work] = [(INSERT_HEADS, [head("a")]), (INSERT_SPECIFICATIONS, [row, row])]
    with pytest.raises(RowsRefused) as refused:
        database.unit_of_work(lambda connection: execute_all(connection, work))
    assert refused.value.statement is INSERT_SPECIFICATIONS
    assert database.unit_of_work(heads) == {}


@pytest.mark.parametrize(
    "idea", ["100 % (s) %s %(idea)s %%", "'; DROP TABLE runs; --", "\\' \u2028 \U0001f600"]
)
def test_text_arrives_as_it_was_given(database: Database, idea: str) -> None:
    row = specification(idea)
    shared = {"tenant": "t", "digest": bytes(32), "settings": {"%s": [idea, None]}}
    work: list[Work] = [(INSERT_SETTINGS, [shared]), (INSERT_SPECIFICATIONS, [row])]
    database.unit_of_work(lambda connection: execute_all(connection, work))
    for table, given in ((SETTINGS, shared), (SPECIFICATIONS, row)):
        assert only_row(database, table) == given


def test_a_row_that_is_there_is_left_as_it_is_and_harms_no_other(database: Database) -> None:
    rows = [{"tenant": "t", "digest": bytes([n]) * 32, "settings": {"n": n}} for n in range(3)]
    for work in ([(INSERT_SETTINGS, rows[:1])], [(INSERT_SETTINGS, rows)]):
        database.unit_of_work(partial(execute_all, work=work))
    found = database.unit_of_work(lambda connection: connection.execute(select(SETTINGS.c.settings)).all())
    assert sorted(row.settings["n"] for row in found) == [0, 1, 2]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has no lengths
def test_what_is_too_long_is_refused_and_not_cut(database: Database) -> None:
    with pytest.raises(DatabaseError):
        add(database, head("s" * 81))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_few_rows_of_many_are_updated_without_reading_the_others(database: Database) -> None:
    fill = text(
        "INSERT INTO stream_heads SELECT 't', 'drafts/' || n, 0, decode(repeat('00', 32), 'hex'), now()"
        " FROM generate_series(1, 5000) n"
    )
    reads = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'stream_heads'")

    def update_some(connection: Connection) -> Any:
        connection.execute(fill)
        connection.execute(text("ANALYZE stream_heads"))
        before = connection.execute(reads).scalar_one()
        execute_all(connection, [(MOVE, moves(a=1, b=2))])
        return connection.execute(reads).scalar_one() - before

    assert database.unit_of_work(update_some) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_statements_are_shaped_at_start_as_the_database_s_own_dialect_would(database: Database) -> None:
    found = [each for each in vars(statements).values() if isinstance(each, ForRows)]
    found += [*statements.INSERT_PAYLOAD.values(), statements.update_runs(("state", "failure"))]
    assert len(found) > 10
    for each in found:
        assert each.shape == shape_of(each.statement, database.engine.dialect)


@pytest.mark.parametrize(
    ("statement", "because"),
    [
        (insert(HEADS).from_select(["tenant"], select(bindparam("new_tenant"))), "no row of values"),
        (update(HEADS).values(sequence=bindparam("to_sequence")), "no condition"),
        (insert(HEADS).values({**head("a"), "sequence": func.abs(bindparam("n"))}), "no row of values"),
    ],
    ids=["every row", "all changed", "a function"],
)
def test_a_statement_of_another_form_is_refused_when_it_is_made(
    statement: Insert | Update, because: str
) -> None:
    with pytest.raises(ValueError, match=because):
        ForRows(statement)
