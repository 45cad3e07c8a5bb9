"""A standby that answers reads which may be a little old, as long as it is known to be young enough.

Nothing is believed of it but answers: what it refuses, has not got, or does not answer in time is asked of
the primary. Each read first asks the very server that it is on how far it has come, before its snapshot is
taken, and compares that with where the primary stood: so it does not matter which of several servers that
is, nor what became of it since it was last looked at.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from time import monotonic

from prometheus_client import REGISTRY, Counter, Gauge
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from consensus_contract.errors import ConsensusError, DatabaseUnavailable
from persistence_service.database.connections import Connections
from persistence_service.database.dedicated import DedicatedConnection
from persistence_service.database.engine import make_engine
from persistence_service.database.faults import first_line
from persistence_service.database.hosts import FirstHost
from persistence_service.database.options import DatabaseOptions, names_several_hosts
from persistence_service.database.overseer import STATEMENT_GRACE_SECONDS, Overseer
from persistence_service.database.pool import Pool
from persistence_service.database.probe import Availability, Probe
from persistence_service.database.standing import Mark, Marks, Standing, standing_of
from persistence_service.database.units import Result, Terms, Unit, Units
from persistence_service.schema.sealed import Sealer, use_sealer

_REPLICA, _PRIMARY = "replica", "primary"
READS = Counter(
    "consensus_database_reads", "Reads that a replica may answer, by where they were answered.", ["where"]
)
_PRIMARY, _REPLICA = "primary", "replica"
# From the start, at 0.
for _where in (_PRIMARY, _REPLICA):
    READS.labels(_where)
# Not registered before there is a replica: without one nothing is stale.
STALENESS = Gauge(
    "consensus_replica_staleness_seconds",
    "How old, at most, is what the replica had when last asked; only where there is one.",
    registry=None,
)
STALENESS_LIMIT = Gauge(
    "consensus_replica_staleness_limit_seconds",
    "How old it may be to be read from; only where there is a replica.",
    registry=None,
)


class ReplicaUnfit(Exception):  # noqa: N818 - it says what is the case
    """The replica is not known to be young enough; says why."""


class NotAnswered(Exception):  # noqa: N818 - it says what is the case
    """The primary is to be asked."""


class Replica:
    """Owns the connections to the replica; nothing waits for it, and nothing depends on it."""

    def __init__(self, options: DatabaseOptions, url: URL) -> None:
        """Connects to nothing yet. `options` are the primary's, and how old an answer may be."""
        if names_several_hosts(url) and "target_session_attrs" not in url.query:
            url = url.update_query_dict({"target_session_attrs": "prefer-standby"})
        own = replace(options, url=url, pool_pre_ping=False)  # each read asks by itself
        self._connections = Connections()
        hosts = FirstHost()
        self._engine = make_engine(own, self._connections, hosts)
        self._kept_engine = make_engine(replace(own, pool="null"), self._connections, hosts)
        self._limit = options.read_staleness
        self._marks = Marks(self._limit)
        self._unmarked = "the primary has not said of late where it stands"
        self._had_all_at = -math.inf
        self._availability = Availability(what="replica", up=True)
        self._availability.on_change(self._let_go)
        self._overseer = Overseer((self._connections,), options.statement_timeout + STATEMENT_GRACE_SECONDS)
        units = Units(
            "postgresql",
            check=lambda _terms: self._availability.check(),
            suspect=lambda _terms: self._probe.suspect(),
            overseer=self._overseer,
            writer_role=options.writer_role,
            attempts=1,
            counts_timeouts=False,
        )
        self._pool = Pool(units, self._young, self._overseer, limit=options.connection_limit)
        self._asking = DedicatedConnection(self._kept_engine, units, options.pool_recycle)
        self._probe = Probe(
            self._availability,
            self._ask,
            self._connections.cut,
            interval=options.probe_interval,
            answer_timeout=options.answer_timeout,
        )

    @property
    def up(self) -> bool:
        """Whether it may answer, as last seen."""
        return self._availability.up

    def use_sealer(self, sealer: Sealer) -> None:
        """Says who encrypts the columns of content."""
        use_sealer(self._engine.dialect, sealer)

    def start(self) -> None:
        """Begins to look at it; answers at once, whether it is there or not."""
        _show_staleness()
        STALENESS.set_function(self._seconds_old)
        STALENESS_LIMIT.set(self._limit)
        self._overseer.start()
        self._probe.start()

    def close(self) -> None:
        """Ends all threads and connections."""
        self._availability.set(False)
        self._connections.cut()  # what connects from now on sees that it is away
        self._pool.close()
        self._overseer.stop()
        self._probe.stop()
        self._asking.close()
        self._engine.dispose()

    def mark(self, primary: DedicatedConnection) -> None:
        """Takes note of where the primary stands now, for the thread that asks it all the time."""
        instant = monotonic()
        try:
            standing = primary.ask(standing_of)
        except DBAPIError as error:
            self._unmarked = f"the primary does not say where it stands: {first_line(error)}"
            return
        if not standing.is_standby:
            self._marks.add(Mark(instant, standing))

    async def run(self, fn: Unit[Result], terms: Terms, suffices: Callable[[Result], bool]) -> Result:
        """What `fn` answers, if it answers something that suffices.

        Raises:
            NotAnswered: it does not, for whatever reason.
        """
        try:
            self._availability.check()
            answer = await self._pool.run(fn, replace(terms, resource=f"{terms.resource} (replica)"))
        except (ConsensusError, ReplicaUnfit) as error:
            READS.labels(_PRIMARY).inc()
            raise NotAnswered from error
        if not suffices(answer):
            READS.labels(_PRIMARY).inc()
            raise NotAnswered
        READS.labels(_REPLICA).inc()
        return answer

    @contextmanager
    def _young(self) -> Iterator[Connection]:
        """A connection to a server that was young enough before anything is read on it."""
        with self._engine.connect() as connection:
            self._availability.check()  # it may have taken a while to connect
            # Over before the unit begins: a snapshot may be older than what is said in its transaction.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            with connection.begin():
                standing = standing_of(connection)
            if fault := self._fault(standing):
                raise ReplicaUnfit(fault)
            yield connection

    def _ask(self) -> None:
        standing = self._asking.ask(standing_of)
        if (instant := self._marks.reached(standing)) is not None:
            self._had_all_at = instant
        if fault := self._fault(standing):
            raise ReplicaUnfit(fault)

    def _fault(self, standing: Standing) -> str:
        mark = self._marks.oldest()
        return mark.fault(standing) if mark else self._unmarked

    def _seconds_old(self) -> float:
        return monotonic() - self._had_all_at

    def _let_go(self, up: bool) -> None:
        # Callers ask the primary now. Threads that wait for an answer are freed: the probe's own question may
        # have failed by itself, such as for want of a connection, and then nobody else frees them.
        if not up:
            self._pool.abandon(DatabaseUnavailable)
            self._connections.cut()


@cache
def _show_staleness() -> None:
    """In Prometheus's default registry, once per process."""
    REGISTRY.register(STALENESS)
    REGISTRY.register(STALENESS_LIMIT)
