"""A stream is read from any of its entries on, wherever the rows that hold them begin."""

import itertools
from functools import partial

import pytest
from sqlalchemy import Connection, insert

from consensus_journal import FIRST_PREVIOUS_HASH, Entry
from persistence_service.database import Database
from persistence_service.journal.entries import Actor, ChainEnd, NewEntry
from persistence_service.journal.packing import pack
from persistence_service.journal.stream import all_entries, entries_after
from persistence_service.journal.tables import JournalRow

COMMITS = (3, 7, 1, 2, 2)
LENGTH = sum(COMMITS)


@pytest.fixture
def written(database: Database) -> list[Entry]:
    """A stream of 15 entries in rows of 3, 7, 1, 2 and 2, between two others."""
    streams: dict[str, list[Entry]] = {}

    def write(connection: Connection) -> None:
        for name in ("drafts/a", "drafts/b", "drafts/c"):
            head = ChainEnd("default", name, 0, FIRST_PREVIOUS_HASH)
            for number, count in enumerate(COMMITS):
                now = database.now(connection)
                actor = Actor("shop", "ann", f"q-{number}")
                entries = [head.chain(NewEntry("x", {"n": n}), actor, now, None) for n in range(count)]
                connection.execute(insert(JournalRow), pack(entries))
                streams.setdefault(name, []).extend(entries)

    database.unit_of_work(write)
    return streams["drafts/b"]


def read_after(connection: Connection, after: int, limit: int) -> list[Entry]:
    return list(entries_after(connection, "default", "drafts/b", after, limit))


def test_the_next_entries_are_those_after_the_given_one(
    database: Database, written: list[Entry], subtests: pytest.Subtests
) -> None:
    for after, limit in itertools.product(range(LENGTH + 2), [1, 2, 4, 50]):
        with subtests.test(after=after, limit=limit):
            read = partial(read_after, after=after, limit=limit)
            found = database.unit_of_work(read, read_only=True)
            assert found == written[after:][:limit]


def test_all_entries_are_all(database: Database, written: list[Entry]) -> None:
    found = database.unit_of_work(
        lambda connection: list(all_entries(connection, "default", "drafts/b")), read_only=True
    )
    assert found == written


def test_a_stream_that_is_not_there_has_no_entries(database: Database, written: list[Entry]) -> None:
    assert written
    found = database.unit_of_work(
        lambda connection: list(entries_after(connection, "default", "drafts/d", 0, 5)), read_only=True
    )
    assert found == []
