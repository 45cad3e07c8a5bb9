"""Keys, looked up once in a while: whoever calls a thousand times is looked up once in fifteen seconds."""

import asyncio
import time

from consensus_rpc.access.bounded_cache import BoundedCache
from consensus_rpc.access.keys import KeyDirectory, KeyGrant, KeyRefusal, PresentedKey
from consensus_rpc.errors import Overloaded

MOST_KEYS = 10_000
"""Valid keys that are remembered, and as many that are not."""
_MOST_LOOKUPS = 8
_LOOKUP_SECONDS = 5.0


class KnownKeys:
    """Remembers what keys come to, by their digests.

    Those that were refused are remembered apart, so that guessing pushes no valid key out; and what has been
    valid is looked up in a lane of its own, so that it does not wait behind guesses.
    """

    def __init__(self, directory: KeyDirectory, *, seconds: float) -> None:
        self._directory = directory
        self._granted = BoundedCache[PresentedKey, KeyGrant](most=MOST_KEYS, seconds=seconds)
        self._refused = BoundedCache[PresentedKey, KeyRefusal](most=MOST_KEYS, seconds=seconds)
        self._once_valid = BoundedCache[PresentedKey, bool](most=MOST_KEYS, seconds=86_400)
        self._lookups: dict[PresentedKey, asyncio.Task[KeyGrant | KeyRefusal]] = {}
        self._lanes = {True: asyncio.Semaphore(_MOST_LOOKUPS), False: asyncio.Semaphore(_MOST_LOOKUPS)}

    async def find(self, key: PresentedKey) -> KeyGrant | KeyRefusal:
        """What a key comes to, as it was when it was last looked up.

        Raises:
            ConsensusError: it has to be looked up, and cannot be.
        """
        known = self._granted.get(key) or self._refused.get(key)
        if known is None:
            known = await self._looked_up(key)
        if isinstance(known, KeyGrant) and _has_expired(known):
            return KeyRefusal(known.tenant, ended=True)
        return known

    async def _looked_up(self, key: PresentedKey) -> KeyGrant | KeyRefusal:
        """Asks the directory; calls that wait for the same key share one question."""
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.create_task(self._ask(key))
            lookup.add_done_callback(lambda task: self._asked(key, task))
        return await asyncio.shield(lookup)

    async def _ask(self, key: PresentedKey) -> KeyGrant | KeyRefusal:
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS), self._lanes[bool(self._once_valid.get(key))]:
                found = await self._directory.find(key)
        except TimeoutError as error:
            raise Overloaded(subject="keys being looked up", limit=_MOST_LOOKUPS) from error
        if isinstance(found, KeyGrant):
            self._granted.put(key, found)
            self._once_valid.put(key, value=True)
        else:
            self._refused.put(key, found)
        return found

    def _asked(self, key: PresentedKey, task: asyncio.Task[KeyGrant | KeyRefusal]) -> None:
        self._lookups.pop(key, None)
        if not task.cancelled():
            task.exception()  # looked at: whoever asked may have left


def _has_expired(grant: KeyGrant) -> bool:
    return grant.expires_at is not None and grant.expires_at <= time.time()
