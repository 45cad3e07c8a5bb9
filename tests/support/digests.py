"""Digests of what is stored of a run, made as an auditor makes them: of its rows alone."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from consensus_journal import digest
from persistence_service.runs.form.payloads import payload_of
from persistence_service.runs.form.specification import canonical_specification
from persistence_service.runs.form.tables import (
    MATERIALS,
    PAYLOADS,
    REVISIONS,
    RUNS,
    SETTINGS,
    SPECIFICATIONS,
    SPECIFIED_SETTINGS,
)

_KEYS = frozenset({"tenant", "run_id", "sequence"})
_SPECIFICATION = (
    select(RUNS.c.user_id, RUNS.c.parent_run_id, *SPECIFICATIONS.c, SETTINGS.c.settings)
    .join(SPECIFICATIONS, SPECIFICATIONS.c.run_id == RUNS.c.run_id)
    .join(SETTINGS, SPECIFIED_SETTINGS)
)


def stored_digests(connection: Connection, run_id: str) -> dict[int, bytes]:
    """By the sequence of the entry that goes with each; the first entry's is the specification's."""
    rows = [
        (row["sequence"], payload_of(_said(row), table.name).digest)
        for table in PAYLOADS.values()
        for row in _rows(connection, table, run_id)
    ]
    return {1: _specification_digest(connection, run_id), **dict(rows)}


def _specification_digest(connection: Connection, run_id: str) -> bytes:
    row = connection.execute(_SPECIFICATION.where(RUNS.c.run_id == run_id)).mappings().one()
    revision = next((_said(each) for each in _rows(connection, REVISIONS, run_id)), None)
    material = next((_said(each) for each in _rows(connection, MATERIALS, run_id)), None)
    texts = {"user": row["user_id"], "idea": row["idea"], "context": row["context"]}
    form = canonical_specification(
        texts, row["settings"], row["draft_id"], row["parent_run_id"], revision, material
    )
    return digest(form)


def _rows(connection: Connection, table: Table, run_id: str) -> list[Mapping[Any, Any]]:
    return list(connection.execute(select(table).where(table.c.run_id == run_id)).mappings())


def _said(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _KEYS}
