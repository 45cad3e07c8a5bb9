"""What is stored is what the journal says was: a changed review, proposal, decision or idea is named."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, text

from consensus.v1 import audit_service_pb2
from persistence_service.audit.checkpoints import Checkpointer, CheckpointFile
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.runs.write import purging
from tests.storage.conftest import QUICK
from tests.storage.test_audit import KEY, serving, verdict
from tests.support.records import Service

PAYLOAD, CHECKPOINT = audit_service_pb2.AUDIT_FAULT_PAYLOAD, audit_service_pb2.AUDIT_FAULT_CHECKPOINT


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[Any]:
    async for each in serving(database, None):
        yield each


async def decided(service: Service) -> str:
    """A run that has everything that a digest speaks of."""
    async with service.created() as worker:
        await worker.finish()
    return worker.run_id


async def tamper(database: Database, statement: str) -> None:
    """Changes a row as somebody with all rights could."""

    def change(connection: Connection) -> None:
        if database.backend == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            triggers = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for name in connection.scalars(triggers).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text(statement))

    await database.run(change, tenant=EVERY_TENANT)


async def test_what_stands_as_it_was_written_is_whole(service: Service, stub: Any) -> None:
    await decided(service)
    found = await verdict(stub)
    assert (list(found.findings), found.payload_count, found.unchecked_payload_count) == ([], 8, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE persona_reviews SET confidence = 9999 WHERE persona_id = 'critic'",
        "UPDATE proposal_versions SET summary = 'another'",
        "UPDATE decisions SET label = 'REJECT'",
        "UPDATE run_specifications SET idea = 'another'",
        "UPDATE runs SET user_id = 'another'",
        "DELETE FROM persona_reviews WHERE persona_id = 'critic'",
        "DELETE FROM decisions",
        "DELETE FROM run_specifications",
    ],
)
async def test_what_was_changed_behind_the_journals_back_is_named(
    database: Database, service: Service, stub: Any, statement: str
) -> None:
    run_id = await decided(service)
    whole = await decided(service)
    await tamper(database, f"{statement} {'AND' if 'WHERE' in statement else 'WHERE'} run_id = '{run_id}'")
    found = await verdict(stub)
    assert [(each.stream, each.fault) for each in found.findings] == [(f"runs/{run_id}", PAYLOAD)]
    entries = [
        event for event in (await service.events(whole)) if event.sequence == found.findings[0].sequence
    ]
    assert entries[0].WhichOneof("payload") in {
        "persona_review_ready", "proposal_ready", "decision_ready", "run_created"
    }  # fmt: skip


async def test_what_was_purged_is_not_compared_and_that_is_said(
    database: Database, service: Service, stub: Any
) -> None:
    await decided(service)
    now = await database.run(database.now, read_only=True, tenant=EVERY_TENANT)
    await database.run(
        lambda connection: purging.purge_ended(database.now, connection, now, 10), tenant=EVERY_TENANT
    )
    found = await verdict(stub)
    assert (list(found.findings), found.payload_count, found.unchecked_payload_count) == ([], 0, 8)


async def test_checkpoints_of_a_foreign_key_are_not_believed(database: Database, tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "audit.jsonl")
    foreign = Checkpointer(database, Ed25519PrivateKey.generate(), file, interval_seconds=60)
    async with Service(database, QUICK) as service:
        await decided(service)
    await foreign.take()
    own = Checkpointer(database, KEY, file, interval_seconds=60)
    (found,) = [await verdict(stub) async for stub in serving(database, own)]
    assert [(each.stream, each.fault) for each in found.findings] == [("", CHECKPOINT)]
    assert found.public_key == KEY.public_key().public_bytes_raw()
