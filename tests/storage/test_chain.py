"""The journal of every run verifies, and whoever changes a row of it is found."""

from typing import Any

import pytest
from sqlalchemy import Connection, Row, select, text

from consensus_journal import Entry, Fault, Finding, Head, verify_stream
from persistence_service.database import Database
from persistence_service.journal.entries import run_stream
from persistence_service.journal.tables import AuditEntryRow
from persistence_service.runs.payloads import REVIEW_COLUMNS, payload_of
from persistence_service.runs.tables import PersonaReviewRow, RunRow
from persistence_service.scalars import microseconds
from tests.support.records import Service


async def finished(service: Service) -> str:
    async with service.created() as worker:
        await worker.finish()
    return worker.run_id


async def verified(database: Database, run_id: str) -> Finding | None:
    def read(connection: Connection) -> Finding | None:
        rows = connection.execute(
            select(*AuditEntryRow.__table__.columns)
            .where(AuditEntryRow.stream == run_stream(run_id))
            .order_by(AuditEntryRow.sequence)
        )
        run = connection.execute(
            select(RunRow.last_sequence, RunRow.head_hash).where(RunRow.run_id == run_id)
        ).one()
        return verify_stream(map(entry, rows), Head(run.last_sequence, bytes(run.head_hash)))

    return await database.run(read, read_only=True)


def entry(row: Row[Any]) -> Entry:
    return Entry(
        tenant=row.tenant,
        stream=row.stream,
        sequence=row.sequence,
        event_time_us=microseconds(row.event_time),
        event_type=row.event_type,
        caller=row.caller,
        user=row.user_id,
        request_id=row.request_id,
        severity=row.severity,
        persona_id=row.persona_id,
        data=row.data,
        record_id=row.record_id,
        payload_digest=row.payload_digest and bytes(row.payload_digest),
        previous_hash=bytes(row.previous_hash),
    )


async def test_a_finished_run_verifies(service: Service) -> None:
    assert await verified(service.database, await finished(service)) is None


async def test_a_run_that_two_replicas_wrote_verifies(service: Service, second_service: Service) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
    (claimed,) = await second_service.claim()
    async with second_service.attached(worker.run_id, claimed.lease.fencing_token):
        await service.cancel(worker.run_id)
    assert await verified(service.database, worker.run_id) is None


@pytest.mark.parametrize("column", ["caller", "event_type", "request_id", "user_id"])
async def test_an_altered_entry_is_named(service: Service, column: str) -> None:
    run_id = await finished(service)
    await tamper(service.database, f"UPDATE audit_log SET {column} = 'forged' WHERE sequence = 5")
    assert await verified(service.database, run_id) == Finding(5, Fault.ALTERED)


async def test_a_deleted_entry_is_named(service: Service) -> None:
    run_id = await finished(service)
    await tamper(service.database, "DELETE FROM audit_log WHERE sequence = 5")
    assert await verified(service.database, run_id) == Finding(5, Fault.MISSING)


async def tamper(database: Database, statement: str) -> None:
    """Changes the journal as somebody with every right could, past its triggers."""

    def change(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            names = connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'")
            )
            for name in names.scalars().all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text(statement))

    await database.run(change)


async def test_digests_are_those_of_what_is_stored(service: Service) -> None:
    run_id = await finished(service)

    def read(connection: Connection) -> tuple[dict[int, bytes], dict[int, bytes]]:
        entries = connection.execute(
            select(AuditEntryRow.sequence, AuditEntryRow.payload_digest).where(
                AuditEntryRow.stream == run_stream(run_id),
                AuditEntryRow.event_type == "persona_review.recorded",
            )
        )
        reviews = connection.execute(
            select(*PersonaReviewRow.__table__.columns).where(PersonaReviewRow.run_id == run_id)
        ).mappings()
        stored = {
            row["sequence"]: payload_of({name: row[name] for name in REVIEW_COLUMNS}, "review").digest
            for row in reviews
        }
        return {row.sequence: bytes(row.payload_digest) for row in entries}, stored

    recorded, stored = await service.database.run(read, read_only=True)
    assert len(recorded) == 5
    assert recorded == stored
