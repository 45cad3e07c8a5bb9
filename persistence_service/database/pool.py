"""Units of work from the event loop: pooled connections, and a bounded pool of threads that wait for them."""

import asyncio
from collections.abc import Callable

from sqlalchemy import Engine, QueuePool

from consensus_contract.errors import DatabaseError
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database.connections import Connections
from persistence_service.database.overseer import Overseer
from persistence_service.database.pool_state import PoolState
from persistence_service.database.threads import Threads
from persistence_service.database.turns import Turns, kind_of
from persistence_service.database.units import Connect, Result, Terms, Unit, Units

log = get_logger()


class Pool:
    """Runs units of work for callers who come and go; as many at once as it has connections."""

    def __init__(self, units: Units, connect: Connect, overseer: Overseer, *, limit: int) -> None:
        """`connect` lends a connection, of which there are `limit`; `overseer` ends what nobody waits for."""
        self._units = units
        self._connect = connect
        self._overseer = overseer
        self._threads = Threads(limit)
        self._turns = Turns(self._threads)

    async def run(self, fn: Unit[Result], terms: Terms, *, is_due: bool = False) -> Result:
        """What `fn` answers, once its transaction is committed; one that `is_due` is always begun.

        Raises:
            Overloaded: too much is waiting for the time that the caller has.
            ConsensusError: what a unit of work raises.
        """
        turn = self._turns.take(kind_of(terms.resource, read_only=terms.read_only), is_due=is_due)

        def unit() -> Result:
            with turn.begun():
                try:
                    return self._units.run(fn, terms, self._connect)
                except DatabaseError as error:  # here, where the request's id is known
                    log.error("database_refused", resource=terms.resource, cause=str(error.__cause__))  # noqa: TRY400 - a trace quotes rows
                    raise

        try:
            return await self._threads.run(unit)
        except asyncio.CancelledError:
            if terms.read_only:
                self._overseer.let_go(terms.watch)
            raise

    def state(self, engine: Engine, connections: Connections) -> PoolState:
        """Counts of this moment."""
        queue = engine.pool if isinstance(engine.pool, QueuePool) else None
        return PoolState(
            size=queue.size() if queue else 0,
            checked_out=connections.checked_out,
            overflow=max(0, queue.overflow()) if queue else connections.checked_out,
            waiting=self._threads.waiting,
            idle=queue.checkedin() if queue else 0,
        )

    def abandon(self, error: Callable[[], Exception]) -> None:
        """Ends every caller's wait with an error; may be called from any thread."""
        self._threads.abandon(error)

    def close(self) -> None:
        """Waits for what has begun, and takes back the rest."""
        self._threads.close()
