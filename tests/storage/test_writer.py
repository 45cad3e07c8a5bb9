"""The writer commits together what came together, and one operation's fault is its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import Connection, text

from consensus_contract.errors import ConsensusError, DatabaseUnavailable, IllegalState, InternalError
from consensus_rpc.errors import Overloaded, ShuttingDown
from persistence_service.database import EVERY_TENANT, Database
from persistence_service.runs.form.keys import RunScope
from persistence_service.runs.write.operations import Operation, OrderedStream, RunOperation
from persistence_service.runs.write.outcomes import BatchResult, Conflicted
from persistence_service.runs.write.writer import RunWriter, WriterLimits
from tests.support.records import Service, happy_records

SCOPE = RunScope("default", "anonymous", "q-1")
LIMITS = WriterLimits(max_waiting=8, max_batch=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(RunOperation):
    """An operation that writes its name down, or breaks."""

    fault: Exception | None = None
    refusal: ConsensusError | None = None


def note(name: str, stream: OrderedStream | None = None, **ends: Any) -> Note:
    return Note(scope=SCOPE, run_id=name, stream=stream, **ends)


@dataclass(slots=True)
class Book:
    """Batches as they were run."""

    batches: list[list[str]] = field(default_factory=list)

    def run(
        self,
        connection: Connection,
        operations: Sequence[Operation],
        *,
        attempts_may_be_there: bool = False,
    ) -> BatchResult:
        notes = [each for each in operations if isinstance(each, Note)]
        self.batches.append([each.run_id for each in notes])
        answers: list[Any] = []
        for each in notes:
            if each.fault is not None:
                raise each.fault
            connection.execute(text("INSERT INTO notes VALUES (:name)"), {"name": each.run_id})
            broken = each.stream and each.stream.error
            answers.append(broken or each.refusal or each.run_id)
        return BatchResult(answers, [])


@pytest.fixture
async def book(database: Database) -> Book:
    await database.run(
        lambda connection: connection.execute(text("CREATE TABLE notes (name TEXT)")).close(),
        tenant=EVERY_TENANT,
    )
    return Book()


@pytest.fixture
async def writer(database: Database, book: Book) -> AsyncIterator[RunWriter]:
    """A writer whose thread starts when the test says so: what was handed in before is one batch."""
    writer = RunWriter(database, book.run, limits=LIMITS)
    yield writer
    await writer.close()


async def written(database: Database) -> list[str]:
    return await database.run(
        lambda connection: sorted(connection.execute(text("SELECT name FROM notes")).scalars()),
        read_only=True,
        tenant=EVERY_TENANT,
    )


async def outcomes(futures: Sequence[asyncio.Future[Any]]) -> list[Any]:
    return await asyncio.gather(*futures, return_exceptions=True)


async def test_what_gathered_is_committed_together(writer: RunWriter, book: Book) -> None:
    futures = [writer.hand_in(note(str(number))) for number in range(6)]
    writer.start()
    assert await outcomes(futures) == ["0", "1", "2", "3", "4", "5"]
    assert book.batches == [["0", "1", "2", "3"], ["4", "5"]]


async def test_only_the_operation_at_fault_fails(writer: RunWriter, book: Book, database: Database) -> None:
    notes = [note("0"), note("1"), note("2", fault=ZeroDivisionError("secret")), note("3")]
    futures = [writer.hand_in(each) for each in notes]
    writer.start()
    zero, one, two, three = await outcomes(futures)
    assert (zero, one, three) == ("0", "1", "3")
    assert isinstance(two, InternalError)
    assert await written(database) == ["0", "1", "3"]


async def test_after_a_fault_nothing_more_of_its_stream_is_applied(writer: RunWriter) -> None:
    stream = OrderedStream()
    notes = [note("0", stream), note("1", stream, fault=ZeroDivisionError()), note("2", stream)]
    futures = [writer.hand_in(each) for each in notes]
    writer.start()
    zero, one, two = await outcomes(futures)
    assert zero == "0"
    assert isinstance(one, InternalError)
    assert two is one


async def test_a_conflict_is_the_refusal_of_the_operation_alone(writer: RunWriter) -> None:
    refusal = IllegalState(run_id="r", state="RUNNING", operation="x")
    notes = [note("0"), note("1", fault=Conflicted(refusal)), note("2")]
    futures = [writer.hand_in(each) for each in notes]
    writer.start()
    assert await outcomes(futures) == ["0", refusal, "2"]


async def test_a_refusal_is_an_answer_and_splits_nothing(writer: RunWriter, book: Book) -> None:
    refusal = IllegalState(run_id="r", state="RUNNING", operation="x")
    futures = [writer.hand_in(note("0", refusal=refusal)), writer.hand_in(note("1"))]
    writer.start()
    assert await outcomes(futures) == [refusal, "1"]
    assert len(book.batches) == 1


async def test_a_thread_that_is_called_stuck_when_it_is_so_no_more_tries_and_goes_on(
    writer: RunWriter, database: Database
) -> None:
    writer.start()
    for number in range(20):
        assert await writer.write(note(str(number))) == str(number)
        # What the thread that oversees says comes late where the machine is slow: nothing waits any more.
        await asyncio.to_thread(writer._give_up, "the writer's thread is stuck")
        async with asyncio.timeout(10):
            while not database.available:  # noqa: ASYNC110 - it changes in the writer's thread
                await asyncio.sleep(0.01)


async def test_no_more_waits_than_may(writer: RunWriter) -> None:
    futures = [writer.hand_in(note(str(number))) for number in range(8)]
    with pytest.raises(Overloaded):
        writer.hand_in(note("8"))
    writer.start()
    assert len(await outcomes(futures)) == 8


async def test_who_waits_too_long_is_told_and_what_did_not_begin_is_not_written(
    database: Database, book: Book
) -> None:
    writer = RunWriter(database, book.run, limits=replace(LIMITS, timeout_seconds=1.0))
    with pytest.raises(DatabaseUnavailable):
        await writer.write(note("late"))
    writer.start()
    await writer.write(note("next"))
    assert await written(database) == ["next"]
    await writer.close()


async def test_a_caller_that_goes_away_takes_nothing_back(writer: RunWriter, database: Database) -> None:
    task = asyncio.ensure_future(writer.write(note("paid for")))
    await asyncio.sleep(0)
    task.cancel()
    writer.start()
    await writer.write(note("next"))
    assert await written(database) == ["next", "paid for"]


async def test_closing_commits_what_waits_and_refuses_what_comes(
    writer: RunWriter, database: Database
) -> None:
    future = writer.hand_in(note("0"))
    writer.start()
    await writer.close()
    assert await future == "0"
    with pytest.raises(ShuttingDown):
        writer.hand_in(note("1"))


async def test_nothing_is_answered_while_the_database_is_away(database: Database, service: Service) -> None:
    async with service.created() as worker:
        await asyncio.to_thread(database.close)
        with pytest.raises(DatabaseUnavailable):
            await worker.record(happy_records()[0])
