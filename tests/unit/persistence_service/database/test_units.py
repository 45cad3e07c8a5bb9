"""When a unit of work is run again, after which pauses, and what its failure becomes."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from consensus_contract.errors import (
    ConsensusError,
    DatabaseError,
    DatabaseUnavailable,
    LockTimeout,
    RunNotFound,
)
from persistence_service.database.overseer import Overseer
from persistence_service.database.units import Terms, Units


def driver_error(code: str | None) -> psycopg2.Error:
    class Coded(psycopg2.OperationalError):
        pgcode = code

    return Coded("words of the driver")


def failure(code: str | None, *, lost: bool = False) -> DBAPIError:
    return OperationalError("UPDATE runs", None, driver_error(code), connection_invalidated=lost)


@dataclass
class Bench:
    """Runs units on a scratch database; `script` holds what the coming attempts raise."""

    path: Path
    chance: float = 0.0
    script: list[Exception] = field(default_factory=list)
    attempts: int = 0
    pauses: list[float] = field(default_factory=list)
    suspected: int = 0

    def run(
        self, resource: str = "runs/7", *, rerun_when_lost: bool = False, counts_timeouts: bool = True
    ) -> str:
        units = Units(
            "sqlite", check=lambda _: None, suspect=self._suspect, overseer=Overseer((), 1.0),
            counts_timeouts=counts_timeouts, sleep=self.pauses.append, chance=lambda: self.chance,
        )  # fmt: skip
        return units.run(self._unit, Terms(resource=resource, rerun_when_lost=rerun_when_lost), self._connect)

    def _suspect(self, _terms: Terms) -> None:
        self.suspected += 1

    def _unit(self, _connection: Connection) -> str:
        self.attempts += 1
        if self.script:
            raise self.script.pop(0)
        return "done"

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        engine = create_engine(f"sqlite:///{self.path}")
        with engine.connect() as connection:
            yield connection
        engine.dispose()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "scratch.db")


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
def test_contention_runs_the_whole_unit_again(bench: Bench, code: str) -> None:
    bench.script = [failure(code), failure(code)]
    assert (bench.run(), bench.attempts) == ("done", 3)


def test_pauses_double_from_a_tenth_of_a_second(bench: Bench) -> None:
    bench.script = [failure("40001"), failure("40001")]
    bench.run()
    assert bench.pauses == pytest.approx([0.1, 0.2])


def test_jitter_adds_at_most_a_tenth(bench: Bench) -> None:
    bench.chance = 1.0
    bench.script = [failure("40001"), failure("40001")]
    bench.run()
    assert bench.pauses == pytest.approx([0.11, 0.22])


def test_contention_through_three_attempts_names_the_resource(bench: Bench) -> None:
    bench.script = [failure("55P03")] * 3
    with pytest.raises(LockTimeout, match="runs/7") as refusal:
        bench.run("runs/7")
    assert (bench.attempts, refusal.value.metadata["resource"]) == (3, "runs/7")
    assert refusal.value.retry_after_seconds is not None


def lock_timeouts(resource: str) -> float | None:
    return REGISTRY.get_sample_value("consensus_lock_timeouts_total", {"resource": resource})


def test_lock_timeouts_are_counted_from_0_on_by_what_was_wanted(bench: Bench) -> None:
    """The first is seen as an increase only if the series was there before."""
    assert lock_timeouts("wanted") is None
    bench.run("wanted/7")
    assert lock_timeouts("wanted") == 0
    bench.script = [failure("55P03")] * 3
    with pytest.raises(LockTimeout):
        bench.run("wanted/8")
    assert lock_timeouts("wanted") == 1


def test_what_is_asked_elsewhere_in_its_place_is_no_lock_timeout(bench: Bench) -> None:
    bench.script = [failure("40001")] * 3
    with pytest.raises(LockTimeout):
        bench.run("wanted of a replica", counts_timeouts=False)
    assert lock_timeouts("wanted of a replica") is None


def test_a_lost_connection_is_not_run_again_since_its_commit_may_have_happened(bench: Bench) -> None:
    bench.script = [failure(None, lost=True)]
    with pytest.raises(DatabaseUnavailable):
        bench.run()
    assert (bench.attempts, bench.suspected) == (1, 1)


def test_a_unit_that_may_is_run_again_after_a_lost_connection(bench: Bench) -> None:
    bench.script = [failure(None, lost=True)]
    assert (bench.run(rerun_when_lost=True), bench.attempts) == ("done", 2)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(failure("57014"), id="statement timeout"),
        pytest.param(failure("57P01"), id="server shutting down"),
        pytest.param(failure("53300"), id="too many connections"),
        pytest.param(failure("25006"), id="standby"),
        pytest.param(PoolTimeout("no connection"), id="pool exhausted"),
    ],
)
def test_no_answer_in_time_is_unavailable(bench: Bench, error: Exception) -> None:
    bench.script = [error]
    with pytest.raises(DatabaseUnavailable):
        bench.run()


def test_a_broken_constraint_is_not_run_again(bench: Bench) -> None:
    bench.script = [
        IntegrityError("INSERT", None, sqlite3.IntegrityError("UNIQUE constraint failed: runs.id"))
    ]
    with pytest.raises(DatabaseError):
        bench.run()
    assert bench.attempts == 1


def test_an_error_of_the_contract_goes_through_as_it_is(bench: Bench) -> None:
    bench.script = [RunNotFound(run_id="7")]
    with pytest.raises(RunNotFound):
        bench.run()
    assert bench.attempts == 1


def test_the_cause_of_a_refusal_holds_no_words_of_the_driver(bench: Bench) -> None:
    bench.script = [failure("22P02")]
    with pytest.raises(ConsensusError) as refusal:
        bench.run()
    assert "words of the driver" not in str(refusal.value.__cause__)
    assert "22P02" in str(refusal.value.__cause__)
