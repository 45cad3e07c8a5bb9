"""The journal of every run verifies, and whoever changes a row of it is found."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

from consensus_journal import ChainFinding, Fault, Head, verify_stream
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.journal.entries import run_stream
from persistence_service.journal.stream import all_entries
from persistence_service.journal.tables import AUDIT_LOG, JournalRow
from persistence_service.runs.form.tables import RunRow
from tests.support.digests import stored_digests
from tests.support.records import Service


async def finished(service: Service) -> str:
    async with service.created() as worker:
        await worker.finish()
    return worker.run_id


async def verified(database: Database, run_id: str) -> ChainFinding | None:
    def read(connection: Connection) -> ChainFinding | None:
        entries = all_entries(connection, "default", run_stream(run_id))
        run = connection.execute(
            select(RunRow.last_sequence, RunRow.head_hash).where(RunRow.run_id == run_id)
        ).one()
        return verify_stream(entries, Head(run.last_sequence, bytes(run.head_hash)))

    return await database.run(read, read_only=True, tenant=EVERY_TENANT)


async def test_a_finished_run_verifies(service: Service) -> None:
    assert await verified(service.database, await finished(service)) is None


async def test_a_run_that_two_replicas_wrote_verifies(service: Service, second_service: Service) -> None:
    async with service.created() as worker:
        await service.abandon(worker.run_id)
    (claimed,) = await second_service.claim()
    async with second_service.attached(worker.run_id, claimed.lease.fencing_token):
        await service.cancel(worker.run_id)
    assert await verified(service.database, worker.run_id) is None


# The row that holds the fifth entry holds the fourth to the tenth: what the proposal's record left.
HOLDS_THE_FIFTH = "first_sequence = 4"


@pytest.mark.parametrize("column", ["caller", "request_id", "user_id"])
async def test_what_the_entries_of_a_commit_share_is_not_altered_unseen(
    service: Service, column: str
) -> None:
    run_id = await finished(service)
    await tamper(service.database, f"UPDATE journal SET {column} = 'forged' WHERE {HOLDS_THE_FIFTH}")
    # Which of two neighbours that do not fit was altered, when both were, no hash can tell.
    assert await verified(service.database, run_id) == ChainFinding(5, Fault.ALTERED)


async def test_a_commit_that_is_gone_is_named_by_its_first_entry(service: Service) -> None:
    run_id = await finished(service)
    await tamper(service.database, f"DELETE FROM journal WHERE {HOLDS_THE_FIFTH}")
    assert await verified(service.database, run_id) == ChainFinding(4, Fault.MISSING)


Packed = list[tuple[Any, bytes]]
"""The entries of a row, the fourth of the stream first, each with the hash of the one before it."""


def with_fifth(entry: Any) -> Callable[[Packed], Packed]:
    return lambda packed: [packed[0], (entry, packed[1][1]), *packed[2:]]


FORGERIES: dict[str, tuple[Callable[[Packed], Packed], int]] = {
    "another type": (with_fifth(["step.failed", 2, None, {"step": "expand", "attempt_count": 1}]), 5),
    "another record": (with_fifth(["step.completed", 9, None, {"step": "expand", "attempt_count": 1}]), 5),
    "a persona": (with_fifth(["step.completed", 2, "critic", {"step": "expand", "attempt_count": 1}]), 5),
    "other data": (with_fifth(["step.completed", 2, None, {"step": "expand", "attempt_count": 2}]), 5),
    "a severity": (with_fifth(["step.completed", 2, None, {"step": "expand", "attempt_count": 1}, 40]), 5),
    "a digest": (
        with_fifth(["step.completed", 2, None, {"step": "expand", "attempt_count": 1}, 20, "ab" * 32]),
        5,
    ),
    "no data": (with_fifth(["step.completed", 2, None]), 5),
    "no digest": (with_fifth(["step.completed", 2, None, {}, 20, "no digest"]), 5),
    "nothing": (with_fifth(None), 5),
    "an empty array": (with_fifth([]), 5),
    "a text": (with_fifth("step.completed"), 5),
    "another hash": (lambda packed: [packed[0], (packed[1][0], bytes(32)), *packed[2:]], 5),
    "swapped": (lambda packed: [packed[0], packed[2], packed[1], *packed[3:]], 5),
    "inserted": (lambda packed: [*packed[:2], *packed[1:]], 6),
    "removed": (lambda packed: [packed[0], *packed[2:]], 5),
    "the last removed": (lambda packed: packed[:-1], 10),
    "the last without a hash": (lambda packed: [*packed[:-1], (packed[-1][0], b"")], 10),
    "all removed": (lambda _: [], 4),
}


@pytest.mark.parametrize(("forge", "named"), FORGERIES.values(), ids=FORGERIES.keys())
async def test_the_first_entry_that_is_not_what_was_written_is_named(
    service: Service, forge: Callable[[Packed], Packed], named: int
) -> None:
    run_id = await finished(service)
    await tamper(service.database, lambda connection: rewrite(connection, forge))
    found = await verified(service.database, run_id)
    assert found is not None
    assert found.sequence == named


async def test_what_is_written_back_as_it_was_verifies(service: Service) -> None:
    run_id = await finished(service)
    same = with_fifth(["step.completed", 2, None, {"step": "expand", "attempt_count": 1}])
    await tamper(service.database, lambda connection: rewrite(connection, same))
    assert await verified(service.database, run_id) is None


def rewrite(connection: Connection, forge: Callable[[Packed], Packed]) -> None:
    held = JournalRow.first_sequence == 4
    row = connection.execute(select(JournalRow.entries, JournalRow.previous_hashes).where(held)).one()
    hashes = [bytes(row.previous_hashes)[at : at + 32] for at in range(0, 32 * len(row.entries), 32)]
    packed = forge(list(zip(row.entries, hashes, strict=True)))
    entries, joined = [entry for entry, _ in packed], b"".join(digest for _, digest in packed)
    connection.execute(update(JournalRow).where(held).values(entries=entries, previous_hashes=joined))


async def tamper(database: Database, forge: str | Callable[[Connection], None]) -> None:
    """Changes the journal as somebody with every right could, past its triggers."""

    def change(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            names = connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'journal'")
            )
            for name in names.scalars().all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text(forge)) if isinstance(forge, str) else forge(connection)

    await database.run(change, tenant=EVERY_TENANT)


async def test_digests_are_those_of_what_is_stored(service: Service) -> None:
    run_id = await finished(service)

    def read(connection: Connection) -> tuple[dict[int, bytes], dict[int, bytes]]:
        entries = connection.execute(
            select(AUDIT_LOG.c.sequence, AUDIT_LOG.c.payload_digest).where(
                AUDIT_LOG.c.stream == run_stream(run_id), AUDIT_LOG.c.payload_digest.is_not(None)
            )
        )
        recorded = {row.sequence: bytes.fromhex(row.payload_digest) for row in entries}
        return recorded, stored_digests(connection, run_id)

    recorded, stored = await service.database.run(read, read_only=True, tenant=EVERY_TENANT)
    assert len(recorded) == 8  # of the specification, the proposal, five reviews and the decision
    assert recorded == stored
