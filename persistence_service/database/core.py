"""The database as the rest of the service sees it: units of work, its clock, and whether it is there."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import DBAPIError

from consensus_contract.errors import DatabaseUnavailable
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database import pooler, startup
from persistence_service.database.condition import Condition
from persistence_service.database.connections import Connections
from persistence_service.database.dedicated import DedicatedConnection, is_there
from persistence_service.database.engine import make_engine
from persistence_service.database.faults import DatabaseFault, classify, first_line
from persistence_service.database.hosts import FirstHost
from persistence_service.database.migrating import bring_to_head, require_head
from persistence_service.database.options import Backend, DatabaseOptions
from persistence_service.database.overseer import STATEMENT_GRACE_SECONDS, Overseer, Watch
from persistence_service.database.pool import Pool
from persistence_service.database.pool_state import PoolState, show
from persistence_service.database.probe import Probe
from persistence_service.database.replica import NotAnswered, Replica
from persistence_service.database.startup import StartRefused
from persistence_service.database.stored_file import StoredFile
from persistence_service.database.units import Isolation, Result, Terms, Unit, Units
from persistence_service.database.visible import EVERY_TENANT
from persistence_service.schema.base import CLOCK
from persistence_service.schema.sealed import Sealer, use_sealer

log = get_logger()
_CLOCK = select(CLOCK)
_BESIDE_SECONDS = 30


class Database:
    """Owns the engine and every connection to it.

    `start` returns when the database may be used; until then, and whenever it is away, every unit of work
    fails at once with DatabaseUnavailable. `close` leaves no connection and no thread.
    """

    def __init__(self, options: DatabaseOptions, rights: startup.Rights | None = None) -> None:
        """Connects to nothing yet. `rights` is what the role must be allowed for the service to start."""
        self.options = options
        self._rights = rights or {}
        self._connections = Connections()
        self._own_connections = Connections()
        hosts = FirstHost()
        self._engine = make_engine(options, self._connections, hosts)
        # For those who keep a connection for themselves, outside the pool and its limit.
        own = replace(options, pool="null")
        self._own_engine = make_engine(own, self._own_connections, hosts, shows_every_tenant=True)
        self._direct_engine = make_engine(own.direct(), self._own_connections, hosts, shows_every_tenant=True)
        self._file = _stored_file(options, self._engine, self._own_engine, self._direct_engine)
        self.condition = Condition()
        self._is_closed = False
        self._probe: Probe | None = None
        self._probe_connection: DedicatedConnection | None = None
        self._overseer = Overseer(
            (self._connections, self._own_connections), options.statement_timeout + STATEMENT_GRACE_SECONDS
        )
        self._units = Units(
            options.backend,
            check=self._check,
            suspect=self._suspect,
            overseer=self._overseer,
            check_stored=self._file.check if self._file else lambda: None,
            writer_role=options.writer_role,
        )
        self._pool = Pool(self._units, self._engine.connect, self._overseer, limit=options.connection_limit)
        self.condition.connections.on_change(self._let_go)
        self._replica = Replica(options, options.read_url) if options.read_url is not None else None

    @property
    def backend(self) -> Backend:
        """`postgresql` or `sqlite`."""
        return self.options.backend

    @property
    def engine(self) -> Engine:
        """The pooled engine, which shows no rows of itself: units of work go through `unit_of_work`."""
        return self._engine

    @property
    def available(self) -> bool:
        """Whether the database answers, takes writes, and allows the role what it needs, as last seen."""
        return self.condition.is_good

    @property
    def has_replica(self) -> bool:
        """Whether another server answers reads that may be stale, as last seen."""
        return self._replica is not None and self._replica.up

    def use_sealer(self, sealer: Sealer) -> None:
        """Says who encrypts the columns of content, on all connections."""
        for engine in (self._engine, self._own_engine, self._direct_engine):
            use_sealer(engine.dialect, sealer)
        if self._replica is not None:
            self._replica.use_sealer(sealer)

    def lacking_rights(self, connection: Connection) -> str:
        """What the service's role may not do now, or which tables are not there; empty when all is well."""
        return startup.missing_rights(connection, self._rights)

    async def start(self) -> None:
        """Waits for the database however long it takes, checks it, brings its schema to head.

        Raises:
            StartRefused: the database could lose what is acknowledged, its schema does not fit, or its file
                belongs to another process.
        """
        told = ""
        while True:
            try:
                await _finished(asyncio.to_thread(self.open))
            except DatabaseUnavailable as error:
                cause = str(getattr(error.__cause__, "orig", "")).strip()
                if cause != told:
                    log.warning("database_awaited", cause=cause)
                told = cause
                await asyncio.sleep(self.options.probe_interval)
            else:
                return

    def open(self, *, wait_for_file: float = 0.0) -> None:
        """One attempt at `start`, blocking; `wait_for_file` in seconds, for SQLite's lock.

        Raises:
            StartRefused: as `start`.
            DatabaseUnavailable: the database cannot be reached.
        """
        try:
            if self._file is not None:
                self._file.hold(wait_for_file)
            pooler.verify_lending(self.options)
            with self._own_engine.connect() as connection:
                startup.verify(connection)
                pooler.verify_role(connection, self.options)
            bring_to_head(self._own_engine, self._direct_engine, migrate=self.options.auto_migrate)
            with self._own_engine.connect() as connection:
                startup.verify_rights(connection, self._rights)
        except DBAPIError as error:
            if classify(error) is DatabaseFault.REFUSED:
                raise StartRefused(
                    f"the database refuses what the service begins with: {first_line(error)}"
                ) from error
            raise DatabaseUnavailable from error
        if self._file is not None:
            self._file.open()
        self._overseer.start()
        self._start_probe()

    def close(self) -> None:
        """Ends all threads and connections; frees SQLite's file."""
        self._is_closed = True
        if self._replica is not None:
            self._replica.close()
        self._overseer.let_all_reads_go()
        self._pool.close()
        self._overseer.stop()
        if self._probe is not None:
            self._probe.stop()
        if self._probe_connection is not None:
            self._probe_connection.close()
        self.condition.connections.set(False)
        self._engine.dispose()
        self._own_engine.dispose()
        if self._file is not None:
            self._file.close()

    @contextmanager
    def maintenance(self, *, wait_for_file: float = 10.0) -> Iterator[Engine]:
        """An engine for migrating or resetting instead of serving, past a pooler; `wait_for_file` in seconds.

        Raises:
            StartRefused: SQLite's file belongs to another process.
        """
        try:
            if self._file is not None:
                self._file.hold(wait_for_file)
            yield self._direct_engine
        finally:
            self.close()

    @contextmanager
    def beside(self) -> Iterator[Engine]:
        """An engine for a command that writes beside the service, past a pooler; SQLite's file stays its own.

        Raises:
            StartRefused: the schema is another than this release's.
        """
        if self.backend == "sqlite":
            event.listen(self._direct_engine, "connect", _wait_patiently)
        try:
            with self._direct_engine.connect() as connection:
                require_head(connection)
            yield self._direct_engine
        finally:
            self.close()

    def unit_of_work(
        self,
        fn: Unit[Result],
        *,
        isolation: Isolation = "REPEATABLE READ",
        read_only: bool = False,
        resource: str = "database",
        rerun_when_lost: bool = False,
    ) -> Result:
        """Runs `fn(connection)` in a transaction of its own and answers what it answers; blocks.

        For what the process does for itself, and not for a caller: it sees the rows of every tenant.
        Commits on success and rolls back on any error. Serialization failure, deadlock, lock timeout and
        SQLITE_BUSY run the whole unit again, so `fn` keeps no outside state; `rerun_when_lost` says that it
        may also run again when its commit is unknown. On SQLite `isolation` means nothing: writers take
        turns, readers see a snapshot.

        Raises:
            LockTimeout: contention through all tries; names `resource`, such as `runs/7`.
            DatabaseUnavailable: no connection, a lost one, or no answer in time; a commit may have happened.
            DatabaseError: the database refused a statement for another reason, a broken constraint included.
        """
        terms = Terms(isolation, read_only, resource, rerun_when_lost, EVERY_TENANT)
        return self._units.run(fn, terms, self._engine.connect)

    async def run(
        self,
        fn: Unit[Result],
        *,
        tenant: str,
        isolation: Isolation = "REPEATABLE READ",
        read_only: bool = False,
        resource: str = "database",
        rerun_when_lost: bool = False,
        answers_commit: bool = False,
        may_be_stale: bool = False,
        suffices: Callable[[Result], bool] = lambda _: True,
    ) -> Result:
        """As `unit_of_work`, in a bounded pool of threads, so that the event loop never waits.

        PostgreSQL shows it no rows but the tenant's; all of them to `EVERY_TENANT`.
        A cancelled caller ends a unit that reads; one that writes and has begun goes on. What cannot finish
        before the caller's deadline is not begun, so that those who come after it still can; but for what
        `answers_commit`, whose caller must not be told that nothing was executed.

        One that only reads and `may_be_stale` is answered by a replica, where there is one that has all that
        was acknowledged `read_staleness` seconds ago. Its answer is taken if it `suffices`, and asked of the
        primary otherwise, as is whatever the replica refuses.

        Raises:
            Overloaded: too much is waiting for the time that the caller has.
        """
        if not tenant:
            raise ValueError("a unit of work is for a tenant, or for EVERY_TENANT")
        terms = Terms(isolation, read_only, resource, rerun_when_lost, tenant)
        if may_be_stale and read_only and self._replica is not None:
            with suppress(NotAnswered):
                return await self._replica.run(fn, replace(terms, watch=Watch(is_read=True)), suffices)
        terms = replace(terms, watch=Watch(is_read=read_only))
        self._check(terms)
        return await self._pool.run(fn, terms, is_due=answers_commit)

    def dedicated(self) -> DedicatedConnection:
        """A connection outside the pool for one thread that writes all the time, such as the writer's."""
        return DedicatedConnection(self._own_engine, self._units, self.options.pool_recycle)

    def now(self, connection: Connection) -> datetime:
        """The database's clock, in UTC with microseconds: PostgreSQL's own, the host's for SQLite."""
        if self.backend == "sqlite":
            return datetime.now(UTC)
        return connection.execute(_CLOCK).scalar_one()

    def pool_state(self) -> PoolState:
        """Counts of this moment."""
        return self._pool.state(self._engine, self._connections)

    def show_pool(self) -> None:
        """Has metrics show this database's pool."""
        show(self.pool_state, self.options.connection_limit)

    def _ask(self) -> None:
        assert self._probe_connection is not None
        self._probe_connection.ask(is_there)
        if self._file is not None:
            self._file.check()
        if self._replica is not None:
            self._replica.mark(self._probe_connection)

    def _start_probe(self) -> None:
        self._probe_connection = self.dedicated()
        self._probe = Probe(
            self.condition.connections,
            self._ask,
            self._cut,
            interval=self.options.probe_interval,
            answer_timeout=self.options.answer_timeout,
        )
        self.condition.connections.set(True)
        if self._replica is not None:
            self._replica.mark(self._probe_connection)
            self._replica.start()
        self._probe.start()

    def _check(self, terms: Terms) -> None:
        if self._is_closed:
            raise DatabaseUnavailable
        self.condition.check(terms)

    def _suspect(self, terms: Terms) -> None:
        if self._probe is not None:
            self._probe.suspect()
        self.condition.suspect(terms)

    def _let_go(self, up: bool) -> None:
        # A thread may be stuck until libpq's own timeout; its caller is answered now.
        if not up:
            self._pool.abandon(DatabaseUnavailable)

    def _cut(self) -> int:
        return self._connections.cut() + self._own_connections.cut()


def _wait_patiently(connection: Any, _entry: object) -> None:
    """The service writes all the time, and has the lock for moments."""
    connection.execute(f"PRAGMA busy_timeout = {_BESIDE_SECONDS * 1000}").close()


def _stored_file(options: DatabaseOptions, *engines: Engine) -> StoredFile | None:
    """What watches over SQLite's file; no connection makes a new one in the place of one that is gone."""
    if options.backend != "sqlite":
        return None
    file = StoredFile(options.sqlite_path)
    for engine in engines:
        event.listen(engine, "do_connect", lambda *_: file.check())
    return file


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Waits for work even when cancelled: nobody may close the database under a migration."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
