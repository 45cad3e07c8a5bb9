"""Turns within one process: who would only wait in the database for a neighbour waits here instead.

The database's locks are waited for briefly, and cost a connection meanwhile; they are for other processes.
"""

import asyncio
from collections import defaultdict


class Turns:
    """A turn per name, such as a tenant's; lives on one event loop."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def of(self, name: str) -> asyncio.Lock:
        """Held with `async with`, by one at a time, in the order in which they came."""
        return self._turns[name]
