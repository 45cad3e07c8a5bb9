"""Content at rest: sealed with keys, read back as it was, and nowhere in the database as it is."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, run_pb2
from consensus_contract.errors import ContentKeysUnusable, DatabaseError
from consensus_rpc.channel.status import contract_errors
from persistence_service.content.keyring import Keyring
from persistence_service.content.tables import CONTENT_KEYS
from persistence_service.database import Connection, Database, StartRefused
from persistence_service.diagnostics.servicer import DiagnosticsServicer
from persistence_service.schema.base import metadata
from persistence_service.schema.sealed import ContentColumn
from tests.storage.conftest import QUICK, options_for
from tests.storage.test_audit import serving, verdict
from tests.storage.test_audit_payloads import tamper
from tests.support.records import Service, attempt, record, scope, specification

CANARY = "zebra-canary"


def write(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")


def write_keys(file: Path, *ids: str) -> None:
    write(file, "\n".join(f"{each}:{base64.b64encode(each.encode().ljust(32)).decode()}" for each in ids))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "content-keys"
    write_keys(file, "first")
    return file


@pytest.fixture
def keyring(database: Database, keys: Path) -> Keyring:
    keyring = Keyring(database, keys)
    keyring.open_file()
    return keyring


@pytest.fixture
async def sealing(database: Database, keyring: Keyring) -> AsyncIterator[Service]:
    assert keyring.seals
    async with Service(database, QUICK) as service:
        yield service


@pytest.fixture
def elsewhere(database: Database, database_url: str) -> Iterator[Database]:
    """The same database as another process has it; SQLite's after this one let it go."""
    if database.backend == "sqlite":
        database.close()
    other = Database(options_for(database_url))
    other.open()
    with closing(other):
        yield other


def stored_text(database: Database) -> str:
    """All that the database holds, as it holds it."""

    def read(connection: Connection) -> str:
        parts: list[str] = []
        for name in metadata.tables:
            rows = connection.execute(text(f"SELECT * FROM {name}"))
            parts.extend(repr([bytes(v) if isinstance(v, memoryview) else v for v in row]) for row in rows)
        return "\n".join(parts)

    return database.unit_of_work(read, read_only=True)


async def reviewed(service: Service) -> run_pb2.Run:
    """A run to its decision, with the canary in its idea."""
    idea = specification(f"Let readers save articles. {CANARY}")
    async with service.created(specification=idea) as worker:
        await worker.finish()
        return await service.run(worker.run_id)


async def raw_output(service: Service, output: str) -> str:
    """What a model wrote in a failed attempt, written and read."""
    async with service.created() as worker:
        failed = attempt(state=attempt_pb2.ATTEMPT_STATE_FAILED, raw_output=output)
        await worker.record(record(2, attempts=[failed]))
        request = persistence_service_pb2.ListAttemptsRequest(scope=scope(), run_id=worker.run_id)
        return (await service.stub.ListAttempts(request)).attempts[0].raw_output


def rows_of(database: Database) -> list[tuple[str, str]]:
    columns = CONTENT_KEYS.c.key_id, CONTENT_KEYS.c.wrapping_key_id
    ordered = select(*columns).order_by(CONTENT_KEYS.c.create_time)
    return database.unit_of_work(lambda it: [tuple(row) for row in it.execute(ordered)], read_only=True)


async def test_what_is_sealed_is_read_back_and_stands_nowhere_as_it_is(
    sealing: Service, database: Database
) -> None:
    run = await reviewed(sealing)
    assert CANARY in run.specification.idea
    assert run.decision.label
    assert await raw_output(sealing, CANARY) == CANARY
    everything = stored_text(database)
    assert run.run_id in everything
    for content in (CANARY, run.proposal.summary, run.persona_reviews[0].strengths[0]):
        assert content not in everything


async def test_the_journal_verifies_what_is_sealed(sealing: Service, database: Database) -> None:
    await reviewed(sealing)
    async for stub in serving(database, None):
        found = await verdict(stub)
        assert (list(found.findings), found.payload_count, found.unchecked_payload_count) == ([], 8, 0)


@pytest.mark.parametrize("output", ["\x01", "\x01s", "\x01sfirst:QUJD", "\x01p", "\x01\x01", ""])
async def test_a_model_that_writes_what_looks_sealed_is_read_as_it_wrote(
    service: Service, output: str
) -> None:
    assert await raw_output(service, output) == output


async def test_what_was_there_before_the_keys_is_read_beside_what_is_sealed(
    service: Service, database: Database, keys: Path
) -> None:
    plain = await reviewed(service)
    Keyring(database, keys).open_file()
    sealed = await reviewed(service)
    assert (await service.run(plain.run_id)).specification.idea == plain.specification.idea
    assert sealed.specification.idea == plain.specification.idea


async def test_without_its_keys_a_database_of_sealed_content_is_refused(
    keyring: Keyring, elsewhere: Database, keys: Path
) -> None:
    assert keyring.seals
    with pytest.raises(StartRefused, match="CONTENT_KEYS_FILE must name"):
        Keyring(elsewhere, None).open_file()
    write_keys(keys, "another")
    with pytest.raises(StartRefused, match="no key first"):
        Keyring(elsewhere, keys).open_file()
    write(keys, f"first:{base64.b64encode(b'k' * 32).decode()}")
    with pytest.raises(StartRefused, match="another than"):
        Keyring(elsewhere, keys).open_file()


async def test_a_rotation_wraps_all_keys_anew_and_leaves_content_readable(
    sealing: Service, database: Database, keyring: Keyring, keys: Path
) -> None:
    before = await reviewed(sealing)
    write_keys(keys, "second", "first")
    answer = await DiagnosticsServicer(database, keyring).RotateContentKeys(Any, Any)  # type: ignore[arg-type]
    assert [each.wrapping_key_id for each in answer.content_keys] == ["second", "second"]
    write_keys(keys, "second")  # the old one has left the file
    again = Keyring(database, keys)
    again.open_file()
    assert (await sealing.run(before.run_id)).specification.idea == before.specification.idea
    await reviewed(sealing)
    newest = rows_of(database)[-1][0]
    assert f"s{newest}:" in stored_text(database)


async def test_a_rotation_without_usable_keys_is_refused_and_changes_nothing(
    database: Database, keyring: Keyring, keys: Path
) -> None:
    before = rows_of(database)
    servicer = DiagnosticsServicer(database, keyring)
    write(keys, "nonsense")
    with pytest.raises(ContentKeysUnusable, match="line 1"):
        await servicer.RotateContentKeys(Any, Any)  # type: ignore[arg-type]  # neither is looked at
    write_keys(keys, "third")
    with pytest.raises(ContentKeysUnusable, match="no key first"):
        await servicer.RotateContentKeys(Any, Any)  # type: ignore[arg-type]  # neither is looked at
    # Another key of the same id: with a content key wrapped by each, no file would open both.
    write(keys, f"first:{base64.b64encode(b'k' * 32).decode()}")
    with pytest.raises(ContentKeysUnusable, match="another than"):
        await servicer.RotateContentKeys(Any, Any)  # type: ignore[arg-type]  # neither is looked at
    assert rows_of(database) == before


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite's file has one process
async def test_a_key_that_another_replica_made_is_looked_up(
    database_url: str, database: Database, keyring: Keyring, keys: Path
) -> None:
    other = Database(options_for(database_url))
    other.open()
    with closing(other):
        elsewhere = Keyring(other, keys)
        elsewhere.open_file()
        elsewhere.rotate()
        async with Service(other, QUICK) as there, Service(database, QUICK) as here:
            run = await reviewed(there)
            assert (await here.run(run.run_id)).specification.idea == run.specification.idea
    assert keyring.seals


@pytest.mark.parametrize(
    "changed", ["idea || 'AAAA'", "idea || 'é'", "replace(idea, substr(idea, 3, 16), 'feedfeedfeedfeed')"]
)
async def test_content_that_was_changed_is_not_shown(
    sealing: Service, database: Database, keys: Path, changed: str
) -> None:
    run = await reviewed(sealing)
    write(keys, "nonsense")  # nor can a key that is not here be looked up

    await tamper(database, f"UPDATE run_specifications SET idea = {changed}")
    with pytest.raises(DatabaseError), contract_errors():
        await sealing.run(run.run_id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE run_specifications SET idea = idea || 'AAAA'",
        "UPDATE proposal_versions SET summary = summary || 'AAAA'",
    ],
)
async def test_sealed_content_that_was_changed_is_a_finding_of_the_audit(
    sealing: Service, database: Database, statement: str
) -> None:
    run, whole = await reviewed(sealing), await reviewed(sealing)
    await tamper(database, f"{statement} WHERE run_id = '{run.run_id}'")
    async for stub in serving(database, None):
        found = await verdict(stub)
        assert [each.stream for each in found.findings] == [f"runs/{run.run_id}"]
        assert found.payload_count > 2, whole


def test_every_column_of_content_is_bound_to_its_own_place() -> None:
    columns = [column for table in metadata.tables.values() for column in table.columns]
    places = [(column.type.name, str(column)) for column in columns if isinstance(column.type, ContentColumn)]
    assert len(places) > 20
    assert [name for name, _ in places] == [place for _, place in places]
