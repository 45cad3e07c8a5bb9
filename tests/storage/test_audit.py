"""The audit trail as its service shows it: paged, filtered, exported, and proved against the database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection, delete, insert, select, text, update

from consensus.v1 import audit_service_pb2 as pb
from consensus.v1.audit_service_pb2_grpc import AuditServiceStub, add_AuditServiceServicer_to_server
from consensus_contract.errors import AuditCheckpointsOff
from consensus_journal import FIRST_PREVIOUS_HASH
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidPageToken
from consensus_rpc.server.server import Server, ServerOptions
from persistence_service.audit.checkpoints import (
    Checkpointer,
    CheckpointFile,
    new_signing_key,
    signing_key,
)
from persistence_service.audit.servicer import AuditServicer
from persistence_service.database import Database
from persistence_service.journal.entries import Actor, ChainEnd, EntrySeverity, NewEntry
from persistence_service.journal.packing import pack
from persistence_service.journal.tables import JournalRow, StreamHeadRow
from persistence_service.paging.tokens import Signing

START = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
JOURNAL = JournalRow.__table__.c
HEAD = StreamHeadRow.__table__.c


def write_stream(database: Database, stream: str, length: int, *, tenant: str = "default") -> None:
    """Entries as the service writes them; every third is an error, every second by another caller."""
    head = ChainEnd(tenant, stream, 0, FIRST_PREVIOUS_HASH)
    entries = [
        head.chain(
            NewEntry(
                "step.failed" if number % 3 == 0 else "step.started",
                {"step": f"s{number}", "count": number},
                EntrySeverity.ERROR if number % 3 == 0 else EntrySeverity.INFO,
            ),
            Actor("billing" if number % 2 else "anonymous", "u-7", "request"),
            START + timedelta(seconds=number),
            number,
        )
        for number in range(1, length + 1)
    ]

    def write(connection: Connection) -> None:
        connection.execute(insert(JournalRow), pack(entries))
        columns = {"sequence": head.sequence, "hash": head.hash, "update_time": database.now(connection)}
        connection.execute(insert(StreamHeadRow), {"tenant": tenant, "stream": stream, **columns})

    database.unit_of_work(write)


def tamper(database: Database, change: Callable[[Connection], Any]) -> None:
    """Changes the table as somebody with all rights could."""

    def forced(connection: Connection) -> None:
        if database.backend == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for name in connection.scalars(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'journal'")
            ).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        change(connection)

    database.unit_of_work(forced)


@pytest.fixture
def checkpointer(database: Database, tmp_path: Path) -> Checkpointer:
    file = CheckpointFile(tmp_path / "checkpoints" / "audit.jsonl")
    return Checkpointer(database, KEY, file, interval_seconds=60)


@pytest.fixture
async def stub(database: Database, checkpointer: Checkpointer) -> AsyncIterator[Any]:
    async for each in serving(database, checkpointer):
        yield each


async def serving(database: Database, checkpointer: Checkpointer | None) -> AsyncIterator[Any]:
    server = Server(ServerOptions(listen="127.0.0.1:0", tune_gc=False), service_names=[])
    servicer = AuditServicer(database, Signing(database), checkpointer)
    add_AuditServiceServicer_to_server(servicer, server.grpc)
    await server.start()
    async with open_channel(server.address) as channel:
        yield AuditServiceStub(channel)
    await server.grpc.stop(None)


async def verdict(stub: Any, stream: str = "") -> pb.AuditVerdict:
    messages = [message async for message in stub.VerifyAudit(pb.VerifyAuditRequest(stream=stream))]
    last: pb.AuditVerdict = messages[-1].verdict
    return last


async def findings(stub: Any, stream: str = "") -> list[tuple[str, int, int]]:
    found = (await verdict(stub, stream)).findings
    return [(each.stream, each.sequence, each.fault) for each in found]


async def test_a_whole_trail_verifies(database: Database, stub: Any) -> None:
    for number in range(3):
        write_stream(database, f"runs/{number}", 4)
    found = await verdict(stub)
    assert (found.stream_count, found.entry_count, list(found.findings)) == (3, 12, [])


def entry_is(sequence: int, stream: str = "runs/b") -> Any:
    """The row of an entry that stands alone in its own."""
    return (JOURNAL.stream == stream) & (JOURNAL.first_sequence == sequence)


def swap(connection: Connection) -> None:
    for before, after in ((2, 9), (3, 2), (9, 3)):
        connection.execute(update(JournalRow).where(entry_is(before)).values(first_sequence=after))


def cut_off(connection: Connection) -> None:
    connection.execute(delete(JournalRow).where(JOURNAL.stream == "runs/b", JOURNAL.first_sequence > 3))


def insert_another(connection: Connection) -> None:
    row = connection.execute(select(JournalRow.__table__).where(entry_is(5))).mappings().one()
    connection.execute(insert(JournalRow), {**row, "first_sequence": 6})


TAMPERINGS = [
    pytest.param(
        lambda connection: connection.execute(
            update(JournalRow).where(entry_is(3)).values(caller="somebody else")
        ),
        (3, pb.AUDIT_FAULT_ALTERED),
        id="edited",
    ),
    pytest.param(
        lambda connection: connection.execute(delete(JournalRow).where(entry_is(2))),
        (2, pb.AUDIT_FAULT_MISSING),
        id="deleted",
    ),
    pytest.param(swap, (2, pb.AUDIT_FAULT_ALTERED), id="swapped"),
    pytest.param(cut_off, (4, pb.AUDIT_FAULT_CUT_OFF), id="cut off"),
    pytest.param(insert_another, (6, pb.AUDIT_FAULT_INSERTED), id="inserted"),
    pytest.param(
        lambda connection: connection.execute(delete(StreamHeadRow).where(HEAD.stream == "runs/b")),
        (1, pb.AUDIT_FAULT_INSERTED),
        id="head deleted",
    ),
]


@pytest.mark.parametrize(("change", "expected"), TAMPERINGS)
async def test_what_was_tampered_with_is_named(
    database: Database, stub: Any, change: Callable[[Connection], Any], expected: tuple[int, int]
) -> None:
    for name in ("runs/a", "runs/b", "runs/c"):
        write_stream(database, name, 5)
    tamper(database, change)
    assert await findings(stub) == [("runs/b", *expected)]
    assert await findings(stub, "runs/b") == [("runs/b", *expected)]
    assert await findings(stub, "runs/a") == []


async def test_a_tail_cut_off_with_its_head_is_found_by_a_checkpoint(database: Database, stub: Any) -> None:
    write_stream(database, "runs/b", 5)
    await stub.GetAuditCheckpoint(pb.GetAuditCheckpointRequest())

    def cut_both(connection: Connection) -> None:
        last = connection.execute(select(JOURNAL.previous_hashes).where(entry_is(4))).scalar_one()
        cut_off(connection)
        connection.execute(update(StreamHeadRow).values(sequence=3, hash=last))

    tamper(database, cut_both)
    assert await findings(stub) == [("runs/b", 4, pb.AUDIT_FAULT_CUT_OFF)]


async def test_a_stream_removed_whole_is_found_by_a_checkpoint(database: Database, stub: Any) -> None:
    write_stream(database, "runs/b", 5)
    await stub.GetAuditCheckpoint(pb.GetAuditCheckpointRequest())
    tamper(
        database,
        lambda connection: (
            connection.execute(delete(JournalRow)),
            connection.execute(delete(StreamHeadRow)),
        ),
    )
    assert await findings(stub) == [("runs/b", 1, pb.AUDIT_FAULT_CUT_OFF)]


async def test_a_checkpoint_names_what_has_grown_since_the_one_before(
    database: Database, checkpointer: Checkpointer
) -> None:
    write_stream(database, "runs/a", 2)
    first = await checkpointer.take()
    again = await checkpointer.take()
    write_stream(database, "runs/b", 3)
    second = await checkpointer.take()
    assert again == first
    assert [head.stream for head in first.heads] == ["runs/a"]
    assert [head.stream for head in second.heads] == ["runs/b"]
    assert await checkpointer.checkpoints() == [first, second]


async def test_checkpoints_go_on_after_a_restart_and_a_line_cut_short(
    database: Database, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    write_stream(database, "runs/a", 2)
    first = await checkpointer.take()
    path = tmp_path / "checkpoints" / "audit.jsonl"
    path.write_bytes(path.read_bytes() + b'{"checkpoint": {"num')
    write_stream(database, "runs/b", 2)
    restarted = Checkpointer(database, KEY, CheckpointFile(path), interval_seconds=60)
    second = await restarted.take()
    assert await restarted.checkpoints() == [first, second]
    assert second.number == 2


async def test_checkpoints_are_taken_now_and_then(
    database: Database, tmp_path: Path, checkpointer: Checkpointer
) -> None:
    write_stream(database, "runs/a", 2)
    pauses = 0

    async def pause(seconds: float) -> None:
        nonlocal pauses
        assert seconds == 60
        pauses += 1
        if pauses == 2:
            raise asyncio.CancelledError

    file = CheckpointFile(tmp_path / "audit.jsonl")
    timed = Checkpointer(database, KEY, file, interval_seconds=60, sleep=pause)
    with pytest.raises(asyncio.CancelledError):
        await timed.run()
    assert len(list(file.read())) == 1


async def test_without_a_key_there_are_no_checkpoints(database: Database) -> None:
    async for stub in serving(database, None):
        with pytest.raises(AuditCheckpointsOff), contract_errors():
            await stub.GetAuditCheckpoint(pb.GetAuditCheckpointRequest())


async def test_an_export_holds_streams_in_order_and_checkpoints_last(database: Database, stub: Any) -> None:
    write_stream(database, "runs/b", 2)
    write_stream(database, "runs/a", 1)
    await stub.GetAuditCheckpoint(pb.GetAuditCheckpointRequest())
    messages = [message async for message in stub.ExportAudit(pb.ExportAuditRequest())]
    kinds = [message.WhichOneof("message") for message in messages]
    assert kinds == ["head", "entry", "head", "entry", "entry", "checkpoint"]
    assert [message.entry.stream for message in messages if message.HasField("entry")] == [
        "runs/a",
        "runs/b",
        "runs/b",
    ]


async def test_pages_come_newest_first_without_repeating_or_skipping(database: Database, stub: Any) -> None:
    write_stream(database, "runs/a", 5)
    write_stream(database, "runs/b", 5)
    seen: list[tuple[str, int]] = []
    token = ""
    while True:
        page = await stub.ListAuditEntries(pb.ListAuditEntriesRequest(page_size=3, page_token=token))
        seen += [(entry.stream, entry.sequence) for entry in page.entries]
        token = page.next_page_token
        if not token:
            break
    assert seen == [(stream, number) for number in range(5, 0, -1) for stream in ("runs/b", "runs/a")]


def stamp(seconds: int) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(START + timedelta(seconds=seconds))
    return moment


FILTERS: list[tuple[str, pb.AuditFilter, list[int]]] = [
    ("type", pb.AuditFilter(event_type="step.failed"), [6, 3]),
    ("severity", pb.AuditFilter(min_severity=pb.AUDIT_SEVERITY_WARNING), [6, 3]),
    ("caller", pb.AuditFilter(caller="billing"), [5, 3, 1]),
    ("user", pb.AuditFilter(user="nobody"), []),
    (
        "time, both ends inclusive",
        pb.AuditFilter(entry_time_from=stamp(2), entry_time_to=stamp(4)),
        [4, 3, 2],
    ),
    ("all must hold", pb.AuditFilter(event_type="step.failed", caller="billing"), [3]),
]


@pytest.mark.parametrize(
    ("wanted", "expected"), [each[1:] for each in FILTERS], ids=[each[0] for each in FILTERS]
)
async def test_a_filter_leaves_the_rest_out(
    database: Database, stub: Any, wanted: pb.AuditFilter, expected: list[int]
) -> None:
    write_stream(database, "runs/a", 6)
    page = await stub.ListAuditEntries(pb.ListAuditEntriesRequest(filter=wanted))
    assert [entry.sequence for entry in page.entries] == expected


async def test_a_token_of_another_filter_is_refused(database: Database, stub: Any) -> None:
    write_stream(database, "runs/a", 6)
    page = await stub.ListAuditEntries(pb.ListAuditEntriesRequest(page_size=1))
    other = pb.ListAuditEntriesRequest(
        filter=pb.AuditFilter(stream="runs/a"), page_token=page.next_page_token
    )
    with pytest.raises(InvalidPageToken), contract_errors():
        await stub.ListAuditEntries(other)


async def test_other_tenants_entries_are_not_shown(database: Database, stub: Any) -> None:
    write_stream(database, "runs/a", 2, tenant="another")
    assert not (await stub.ListAuditEntries(pb.ListAuditEntriesRequest())).entries
    assert (await verdict(stub)).stream_count == 0
    await stub.GetAuditCheckpoint(pb.GetAuditCheckpointRequest())
    assert [message async for message in stub.ExportAudit(pb.ExportAuditRequest())] == []


@pytest.mark.parametrize("given", ["", "not base64!", "c2hvcnQ="])
def test_a_signing_key_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"^(is not base64|has \d+ bytes, not 32)$"):
        signing_key(given)


def test_a_new_signing_key_is_one() -> None:
    assert len(signing_key(new_signing_key()).public_key().public_bytes_raw()) == 32
