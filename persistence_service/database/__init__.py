"""The engine, transactions, and the only place that knows one database from the other.

Repositories take a `Connection` and never commit; servicers and the writer run them:

- `await database.run(fn, tenant=tenant, read_only=True, resource="runs/7")` from the event loop: pooled
  connections, a bounded pool of threads. On PostgreSQL it sees the rows of that tenant, and no others.
- `database.dedicated().unit_of_work(fn, resource="runs")` from a thread that keeps a connection of its own,
  such as the writer's; READ COMMITTED.
- `database.unit_of_work(fn)` from any other thread, for what the process does for itself.
"""

from sqlalchemy import Connection

from persistence_service.database.core import Database
from persistence_service.database.dedicated import DedicatedConnection
from persistence_service.database.options import (
    ACCEPTED_URLS,
    Backend,
    DatabaseOptions,
    normalise_url,
    shown_address,
)
from persistence_service.database.overseer import Watch
from persistence_service.database.pool_state import PoolState
from persistence_service.database.startup import StartRefused
from persistence_service.database.units import Isolation, Unit
from persistence_service.database.visible import EVERY_TENANT

__all__ = [
    "ACCEPTED_URLS",
    "EVERY_TENANT",
    "Backend",
    "Connection",
    "Database",
    "DatabaseOptions",
    "DedicatedConnection",
    "Isolation",
    "PoolState",
    "StartRefused",
    "Unit",
    "Watch",
    "normalise_url",
    "shown_address",
]
