"""Locks within one process: who would only wait in the database for a neighbour waits here instead.

The database's locks are waited for briefly, and cost a connection meanwhile; they are for other processes.
"""

import asyncio
from collections.abc import Hashable
from weakref import WeakValueDictionary


class KeyedLocks:
    """A lock per key, such as a tenant, while somebody holds it or waits for it; lives on one event loop."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: Hashable) -> asyncio.Lock:
        """Held with `async with`, by one at a time, in the order in which they came."""
        return self._locks.setdefault(key, asyncio.Lock())
