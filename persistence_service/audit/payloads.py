"""What is stored of what the entries of runs speak of, as digests again: made of the rows alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, select, tuple_

from consensus_journal import digest
from persistence_service.audit.repository import AuditedStream
from persistence_service.journal.entries import RUN_STREAMS, Columns
from persistence_service.runs.form import event_types
from persistence_service.runs.form.payloads import canonical_payload
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
from persistence_service.schema.sealed import UNOPENED, unopened_is_told
from persistence_service.schema.visibility import everything

RUNS_AT_ONCE = 10
"""What one run holds may be megabytes."""

_CHECKED = frozenset({event_types.RUN_CREATED, *PAYLOADS})
_KEYS = frozenset({"tenant", "run_id", "sequence"})
_KEPT = "a deleted run's rows are there, and its entries speak of them"


def _of_runs(statement: Select[Any], table: Any) -> Select[Any]:
    key = tuple_(table.c.tenant, table.c.run_id)
    return everything(statement.where(key.in_(bindparam("keys", expanding=True))), _KEPT)


_SAME_RUN = and_(SPECIFICATIONS.c.tenant == RUNS.c.tenant, SPECIFICATIONS.c.run_id == RUNS.c.run_id)
SPECIFICATIONS_OF = _of_runs(
    select(
        RUNS.c.run_id,
        RUNS.c.user_id,
        RUNS.c.parent_run_id,
        SPECIFICATIONS.c.idea,
        SPECIFICATIONS.c.context,
        SPECIFICATIONS.c.draft_id,
        SETTINGS.c.settings,
    )
    .join(
        SPECIFICATIONS,
        (SPECIFICATIONS.c.tenant == RUNS.c.tenant) & (SPECIFICATIONS.c.run_id == RUNS.c.run_id),
    )
    .join(SETTINGS, SPECIFIED_SETTINGS),
    RUNS,
)
RUNS_OF = _of_runs(select(RUNS.c.run_id), RUNS)
REVISIONS_OF = _of_runs(select(*REVISIONS.columns), REVISIONS)
MATERIALS_OF = _of_runs(select(*MATERIALS.columns), MATERIALS)
PAYLOADS_OF = [_of_runs(select(*table.columns), table) for table in PAYLOADS.values()]


def with_stored(connection: Connection, streams: Sequence[AuditedStream]) -> list[AuditedStream]:
    """The streams, each with digests of what is stored; where there is no run, or no more, with none."""
    rest, done = iter(streams), list[AuditedStream]()
    while some := list(islice(rest, RUNS_AT_ONCE)):
        keys = [
            (each.tenant, each.stream.removeprefix(RUN_STREAMS))
            for each in some
            if each.stream.startswith(RUN_STREAMS)
        ]
        with unopened_is_told():
            found = _digests(connection, keys) if keys else {}
        done += [_completed(each, found.get(each.stream.removeprefix(RUN_STREAMS))) for each in some]
    return done


def _completed(stream: AuditedStream, found: dict[int, bytes | None] | None) -> AuditedStream:
    """With None for what an entry speaks of, and is not there."""
    if found is None or not stream.stream.startswith(RUN_STREAMS):
        return stream
    spoken_of = dict.fromkeys(each.sequence for each in stream.entries if each.event_type in _CHECKED)
    return replace(stream, stored=spoken_of | found)


def _digests(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[str, dict[int, bytes | None]]:
    of_runs = {"keys": keys}
    # The first entry of a run is that of its specification.
    found: dict[str, dict[int, bytes | None]] = {
        run_id: {1: None} for run_id in connection.execute(RUNS_OF, of_runs).scalars()
    }
    revisions = {row["run_id"]: _said(row) for row in connection.execute(REVISIONS_OF, of_runs).mappings()}
    materials = {row["run_id"]: _said(row) for row in connection.execute(MATERIALS_OF, of_runs).mappings()}
    for row in connection.execute(SPECIFICATIONS_OF, of_runs).mappings():
        run_id = row["run_id"]
        found[run_id][1] = _specification_digest(row, revisions.get(run_id), materials.get(run_id))
    for statement in PAYLOADS_OF:
        for row in connection.execute(statement, of_runs).mappings():
            if row["run_id"] in found:
                found[row["run_id"]][row["sequence"]] = _payload_digest(row)
    return found


def _payload_digest(row: Mapping[Any, Any]) -> bytes | None:
    """None where what is stored does not open: it is not what was written."""
    return None if _is_unopened(row) else digest(canonical_payload(_said(row)))


def _specification_digest(
    row: Mapping[Any, Any], revision: Columns | None, material: Columns | None
) -> bytes | None:
    if any(_is_unopened(each) for each in (row, revision, material) if each is not None):
        return None
    texts = {"user": row["user_id"], "idea": row["idea"], "context": row["context"]}
    form = canonical_specification(
        texts, row["settings"], row["draft_id"], row["parent_run_id"], revision, material
    )
    return digest(form)


def _is_unopened(row: Mapping[Any, Any]) -> bool:
    return any(value is UNOPENED for value in row.values())


def _said(row: Mapping[Any, Any]) -> Columns:
    return {name: value for name, value in row.items() if name not in _KEYS}
