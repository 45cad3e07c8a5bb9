"""The writer commits together what came together, and one operation's fault is its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, text

from consensus_contract.errors import ConsensusError, DatabaseUnavailable, IllegalState
from consensus_rpc.errors import InternalError, Overloaded, ShuttingDown
from persistence_service.database import Database
from persistence_service.runs.write.writer import Conflicted, Writer, WriterLimits
from tests.support.records import Service, happy_records


@dataclass(slots=True)
class Stream:
    error: ConsensusError | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """An operation that writes its name down, or breaks."""

    name: str
    session: Stream | None = None
    fault: Exception | None = None
    refusal: ConsensusError | None = None


@dataclass(frozen=True, slots=True)
class Notes:
    answers: list[Any]


@dataclass(slots=True)
class Book:
    """Batches as they were run."""

    batches: list[list[str]] = field(default_factory=list)

    def run(self, connection: Connection, notes: Sequence[Note]) -> Notes:
        self.batches.append([note.name for note in notes])
        answers: list[Any] = []
        for note in notes:
            if note.fault is not None:
                raise note.fault
            connection.execute(text("INSERT INTO notes VALUES (:name)"), {"name": note.name})
            broken = note.session and note.session.error
            answers.append(broken or note.refusal or note.name)
        return Notes(answers)


@pytest.fixture
async def book(database: Database) -> Book:
    await database.run(lambda connection: connection.execute(text("CREATE TABLE notes (name TEXT)")).close())
    return Book()


@pytest.fixture
async def writer(database: Database, book: Book) -> AsyncIterator[Writer[Note, Notes]]:
    """A writer whose thread starts when the test says so: what was handed in before is one batch."""
    writer = Writer(database, book.run, limits=WriterLimits(max_waiting=8, max_batch=4))
    yield writer
    await writer.close()


async def written(database: Database) -> list[str]:
    return await database.run(
        lambda connection: sorted(connection.execute(text("SELECT name FROM notes")).scalars()),
        read_only=True,
    )


async def outcomes(futures: Sequence[asyncio.Future[Any]]) -> list[Any]:
    return await asyncio.gather(*futures, return_exceptions=True)


async def test_what_gathered_is_committed_together(writer: Writer[Note, Notes], book: Book) -> None:
    futures = [writer.enqueue(Note(str(number)), 10) for number in range(6)]
    writer.start()
    assert await outcomes(futures) == ["0", "1", "2", "3", "4", "5"]
    assert book.batches == [["0", "1", "2", "3"], ["4", "5"]]


async def test_only_the_operation_at_fault_fails(
    writer: Writer[Note, Notes], book: Book, database: Database
) -> None:
    notes = [Note("0"), Note("1"), Note("2", fault=ZeroDivisionError("secret")), Note("3")]
    futures = [writer.enqueue(note, 10) for note in notes]
    writer.start()
    zero, one, two, three = await outcomes(futures)
    assert (zero, one, three) == ("0", "1", "3")
    assert isinstance(two, InternalError)
    assert await written(database) == ["0", "1", "3"]


async def test_after_a_fault_nothing_more_of_its_stream_is_applied(writer: Writer[Note, Notes]) -> None:
    stream = Stream()
    notes = [Note("0", stream), Note("1", stream, fault=ZeroDivisionError()), Note("2", stream)]
    futures = [writer.enqueue(note, 10) for note in notes]
    writer.start()
    zero, one, two = await outcomes(futures)
    assert zero == "0"
    assert isinstance(one, InternalError)
    assert two is one


async def test_a_conflict_is_the_refusal_of_the_operation_alone(writer: Writer[Note, Notes]) -> None:
    refusal = IllegalState(run_id="r", state="RUNNING", operation="x")
    notes = [Note("0"), Note("1", fault=Conflicted(refusal)), Note("2")]
    futures = [writer.enqueue(note, 10) for note in notes]
    writer.start()
    assert await outcomes(futures) == ["0", refusal, "2"]


async def test_a_refusal_is_an_answer_and_splits_nothing(writer: Writer[Note, Notes], book: Book) -> None:
    refusal = IllegalState(run_id="r", state="RUNNING", operation="x")
    futures = [writer.enqueue(Note("0", refusal=refusal), 10), writer.enqueue(Note("1"), 10)]
    writer.start()
    assert await outcomes(futures) == [refusal, "1"]
    assert len(book.batches) == 1


async def test_no_more_waits_than_may(writer: Writer[Note, Notes]) -> None:
    futures = [writer.enqueue(Note(str(number)), 10) for number in range(8)]
    with pytest.raises(Overloaded):
        writer.enqueue(Note("8"), 10)
    writer.start()
    assert len(await outcomes(futures)) == 8


async def test_who_waits_too_long_is_told_and_what_did_not_begin_is_not_written(
    writer: Writer[Note, Notes], database: Database
) -> None:
    with pytest.raises(DatabaseUnavailable):
        await writer.submit(Note("late"), 0.01)
    writer.start()
    await writer.submit(Note("next"), 10)
    assert await written(database) == ["next"]


async def test_a_caller_that_goes_away_takes_nothing_back(
    writer: Writer[Note, Notes], database: Database
) -> None:
    task = asyncio.ensure_future(writer.submit(Note("paid for"), 10))
    await asyncio.sleep(0)
    task.cancel()
    writer.start()
    await writer.submit(Note("next"), 10)
    assert await written(database) == ["next", "paid for"]


async def test_closing_commits_what_waits_and_refuses_what_comes(
    writer: Writer[Note, Notes], database: Database
) -> None:
    future = writer.enqueue(Note("0"), 10)
    writer.start()
    await writer.close()
    assert await future == "0"
    with pytest.raises(ShuttingDown):
        writer.enqueue(Note("1"), 10)


async def test_nothing_is_answered_while_the_database_is_away(database: Database, service: Service) -> None:
    async with service.created() as worker:
        await asyncio.to_thread(database.close)
        with pytest.raises(DatabaseUnavailable):
            await worker.record(happy_records()[0])
