"""How many runs of a tenant may wait for a process. Approximate on purpose: counting costs a read."""

from collections.abc import Awaitable, Callable
from time import monotonic

from sqlalchemy import Connection, bindparam, func, select

from consensus_rpc.access.bounded_cache import BoundedCache
from consensus_rpc.errors import Overloaded
from persistence_service.runs.form import names
from persistence_service.runs.form.tables import RUNS
from persistence_service.schema.visibility import visible

RECOUNT_SECONDS = 1.0
MOST_TENANTS = 10_000
"""Of how many a count is remembered; a tenant beyond them is counted anew."""

_SOME_QUEUED = (
    visible(select(RUNS.c.run_id))
    .where(RUNS.c.tenant == bindparam("tenant"), RUNS.c.state == names.QUEUED)
    .limit(bindparam("limit"))
    .subquery()
)
COUNT_QUEUED = select(func.count()).select_from(_SOME_QUEUED)


def count_queued(connection: Connection, tenant: str, limit: int) -> int:
    """Runs of the tenant that wait, counted no further than `limit`."""
    parameters = {"tenant": tenant, "limit": limit}
    return int(connection.execute(COUNT_QUEUED, parameters).scalar_one())


class QueueLimit:
    """Refuses runs beyond the limit; between two counts it adds up what this process accepts."""

    def __init__(
        self,
        limit: int,
        count: Callable[[str, int], Awaitable[int]],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`count` counts a tenant's queued runs up to a number."""
        self._limit = limit
        self._count = count
        self._clock = clock
        # With when it was counted: what is added up since makes no count younger.
        self._known = BoundedCache[str, tuple[int, float]](
            most=MOST_TENANTS, seconds=RECOUNT_SECONDS, clock=clock
        )

    async def admit(self, tenant: str) -> None:
        """Takes a place in the tenant's queue.

        Raises:
            Overloaded: as many runs as may wait do.
        """
        known = self._known.get(tenant)
        count, counted = known or (await self._count(tenant, self._limit), self._clock())
        is_full = count >= self._limit
        left = counted + RECOUNT_SECONDS - self._clock()
        self._known.put(tenant, (count if is_full else count + 1, counted), seconds=left)
        if is_full:
            raise Overloaded(subject=f"queued runs of tenant {tenant}", limit=self._limit)
