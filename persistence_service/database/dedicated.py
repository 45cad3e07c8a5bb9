"""A connection that one thread keeps for itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from consensus_contract.errors import DatabaseError
from persistence_service.database.engine import READ_ONLY
from persistence_service.database.faults import DatabaseFault, classify
from persistence_service.database.overseer import Watch
from persistence_service.database.units import Isolation, Result, Terms, Unit, Units

# A table of its own takes new pages, and its COMMIT waits for the disk: what fits into free pages proves
# nothing of a full one. SQLite has one file, in whose log the number's page is written anew.
_TRIAL = text(
    "CREATE TEMPORARY TABLE consensus_trial ON COMMIT DROP AS "
    "SELECT repeat(number::text, 100) AS filling FROM generate_series(1, 1000) AS number"
)


def is_there(connection: Connection) -> None:
    """Reads something small from the database itself."""
    is_sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("PRAGMA schema_version" if is_sqlite else "SELECT 1").close()


class DedicatedConnection:
    """One connection kept across units of work by one thread, and replaced when it is lost or old."""

    def __init__(self, engine: Engine, units: Units, recycle_seconds: float) -> None:
        self._engine = engine
        self._units = units
        self._recycle_seconds = recycle_seconds
        self._connection: Connection | None = None
        self._opened = 0.0

    def unit_of_work(
        self,
        fn: Unit[Result],
        *,
        isolation: Isolation = "READ COMMITTED",
        read_only: bool = False,
        resource: str = "database",
        rerun_when_lost: bool = False,
        within_seconds: float | None = None,
        watch: Watch | None = None,
    ) -> Result:
        """As `Database.unit_of_work`, on this connection; READ COMMITTED unless told otherwise.

        `within_seconds` bounds it from outside, whatever the database does: the connection is cut, and the
        last quarter of the time is for finding on a new one what became of the unit.
        """
        terms = Terms(
            isolation, read_only, resource, rerun_when_lost,
            within_seconds=within_seconds, watch=watch or Watch(),
        )  # fmt: skip
        return self._units.run(fn, terms, self._kept)

    def try_to_write(self, *, within_seconds: float) -> None:
        """Writes and commits something that leaves nothing behind.

        Raises:
            DatabaseUnavailable, DatabaseError: as a unit of work.
        """
        for write in (_write_something, _write_to_the_log):
            watch = Watch(is_trial=True)
            terms = Terms("READ COMMITTED", within_seconds=within_seconds, resource="trial", watch=watch)
            try:
                self._units.run(write, terms, self._kept)
                return
            except DatabaseError:  # the role may make no temporary tables
                if self._engine.dialect.name == "sqlite":
                    raise

    def ask(self, question: Unit[Result]) -> Result:
        """What a small question is answered, without waiting for another transaction; raises what the driver
        raises.

        A connection that somebody ended says nothing of the database: a new one is asked then.
        """
        try:
            return self._ask(question)
        except DBAPIError:
            self.close()
            return self._ask(question)

    def _ask(self, question: Unit[Result]) -> Result:
        with self._kept() as connection:
            if connection.dialect.name == "sqlite":
                connection.execution_options(**{READ_ONLY: True})
            with connection.begin():
                return question(connection)

    def close(self) -> None:
        """Closes the connection; another unit of work would open a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _kept(self) -> Iterator[Connection]:
        if self._connection is not None and monotonic() - self._opened > self._recycle_seconds:
            self.close()
        if self._connection is None:
            self._connection = self._engine.connect()
            self._opened = monotonic()
        try:
            yield self._connection
        except DBAPIError as error:
            if error.connection_invalidated or classify(error) is DatabaseFault.UNAVAILABLE:
                self._discard()
            raise

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _write_something(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_TRIAL)
        return
    number = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    connection.exec_driver_sql(f"PRAGMA user_version = {(number + 1) % 1_000_000}")


def _write_to_the_log(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT pg_logical_emit_message(true, 'consensus', 'trial')")
