"""How full the pool of connections is."""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Gauge

_CONNECTIONS = Gauge(
    "consensus_database_pool_connections",
    "Connections of the pool, by whether a unit of work has them or they are kept for the next.",
    ("state",),
)
_LIMIT = Gauge("consensus_database_pool_limit", "Connections that the pool may have open at once.")
_WAITING = Gauge(
    "consensus_database_units_waiting", "Units of work that wait for a thread, and with it for a connection."
)


@dataclass(frozen=True, slots=True)
class PoolState:
    """Connections of this process: kept, in use, open beyond those kept, and callers waiting for one."""

    size: int
    checked_out: int
    overflow: int
    waiting: int
    idle: int = 0
    """Open, and in nobody's use."""


def show(read: Callable[[], PoolState], limit: int) -> None:
    """Has metrics show a pool from now on, the last one that was named so."""
    _CONNECTIONS.labels("used").set_function(lambda: read().checked_out)
    _CONNECTIONS.labels("idle").set_function(lambda: read().idle)
    _LIMIT.set(limit)
    _WAITING.set_function(lambda: read().waiting)
