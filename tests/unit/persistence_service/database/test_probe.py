"""The probe notices a database that is away, and frees whoever waits for it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import Queue

import pytest

from consensus_contract.errors import DatabaseUnavailable
from persistence_service.database.probe import Availability, Probe

LONG = 60.0
WAIT = 10.0


@dataclass
class FakeDatabase:
    """Answers, refuses or stays silent; a silent one fails once its connections are cut."""

    refusing: bool = False
    silent: bool = False
    cuts: int = 0
    freed: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        if self.silent:
            self.freed.wait()
            raise ConnectionError("cut off")
        if self.refusing:
            raise ConnectionError("refused")

    def cut(self) -> int:
        self.cuts += 1
        self.freed.set()
        return 1


@dataclass
class Watched:
    """A probe on a fake database, and the changes that it told."""

    database: FakeDatabase
    availability: Availability
    probe: Probe
    changes: "Queue[bool]"


@pytest.fixture
def watched() -> Iterator[Watched]:
    database, availability, changes = FakeDatabase(), Availability(), Queue[bool]()
    availability.on_change(changes.put)
    probe = Probe(availability, database.ask, database.cut, interval=LONG, answer_timeout=0.02)
    yield Watched(database, availability, probe, changes)
    probe.stop()


def test_until_it_is_asked_the_database_counts_as_away() -> None:
    with pytest.raises(DatabaseUnavailable):
        Availability().check()


def test_an_answer_makes_it_available(watched: Watched) -> None:
    watched.probe.start()
    assert watched.changes.get(timeout=WAIT) is True
    watched.availability.check()


def test_a_refusal_makes_it_away_and_cuts_nobody_off(watched: Watched) -> None:
    watched.availability.set(True)
    watched.changes.get_nowait()
    watched.database.refusing = True
    watched.probe.start()
    assert watched.changes.get(timeout=WAIT) is False
    assert watched.database.cuts == 0


def test_silence_makes_it_away_and_cuts_every_connection(watched: Watched) -> None:
    watched.availability.set(True)
    watched.changes.get_nowait()
    watched.database.silent = True
    watched.probe.start()
    assert watched.changes.get(timeout=WAIT) is False
    assert watched.database.freed.wait(WAIT)
    assert watched.database.cuts == 1


def test_a_suspicion_is_looked_into_at_once(watched: Watched) -> None:
    watched.probe.start()
    assert watched.changes.get(timeout=WAIT) is True
    watched.database.refusing = True
    watched.probe.suspect()
    assert watched.changes.get(timeout=WAIT) is False
    watched.database.refusing = False
    watched.probe.suspect()
    assert watched.changes.get(timeout=WAIT) is True


def test_only_news_is_told() -> None:
    availability, changes = Availability(), Queue[bool]()
    availability.on_change(changes.put)
    for up in (True, True, False, False):
        availability.set(up)
    assert [changes.get_nowait() for _ in range(changes.qsize())] == [True, False]
