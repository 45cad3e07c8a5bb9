"""Who may begin: limits on calls in flight, of all and of each tenant, and nobody once the server drains."""

import asyncio
from collections import Counter
from typing import Protocol

from consensus_rpc.errors import Overloaded, ShuttingDown
from consensus_rpc.server.identity import ASSERT, Identity
from consensus_rpc.telemetry.metrics import CALLS_IN_FLIGHT


class Gate(Protocol):
    """What a call passes before any work is done for it."""

    def enter(self) -> None:
        """Takes a place, or raises the error that says why there is none."""

    def leave(self) -> None:
        """Gives the place back."""


class Admission:
    """Counts calls in flight; refuses before any work is done."""

    def __init__(self, limit: int, *, retry_after_seconds: float = 1.0) -> None:
        self._limit = limit
        self._retry_after_seconds = retry_after_seconds
        self._in_flight = 0
        self._draining = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def in_flight(self) -> int:
        """Calls that were admitted and have not ended."""
        return self._in_flight

    @property
    def draining(self) -> asyncio.Event:
        """Set once nobody is admitted any more."""
        return self._draining

    def enter(self) -> None:
        """Admits one call; whoever is admitted leaves again.

        Raises:
            ShuttingDown: once the server drains.
            Overloaded: when the limit is reached.
        """
        if self._draining.is_set():
            raise ShuttingDown
        if self._in_flight >= self._limit:
            raise Overloaded(
                subject=CALLS_IN_FLIGHT, limit=self._limit, retry_after_seconds=self._retry_after_seconds
            )
        self._in_flight += 1
        self._idle.clear()

    def leave(self) -> None:
        self._in_flight -= 1
        if self._in_flight == 0:
            self._idle.set()

    def drain(self) -> None:
        """Admits nobody from now on."""
        self._draining.set()

    async def wait_idle(self, timeout: float) -> bool:
        """Waits until no admitted call is left, or `timeout` seconds; returns whether none is left."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True


class TenantPlaces:
    """Counts each tenant's calls in flight, so that one cannot take the places of all others.

    Of callers alone: a service that names tenants in fields calls for all of them. While authentication is
    off there is one tenant, which has all places.
    """

    def __init__(self, limit: int, *, retry_after_seconds: float = 1.0) -> None:
        """A limit of 0 is none."""
        self._limit = limit
        self._retry_after_seconds = retry_after_seconds
        self._in_flight: Counter[str] = Counter()

    def enter(self, identity: Identity) -> bool:
        """Takes a place of the caller's tenant; whether there is one to give back.

        Raises:
            Overloaded: when the tenant has as many as it may have.
        """
        if not self._limit or identity.may(ASSERT):
            return False
        if self._in_flight[identity.tenant] >= self._limit:
            raise Overloaded(
                subject="calls in flight of a tenant",
                limit=self._limit,
                retry_after_seconds=self._retry_after_seconds,
            )
        self._in_flight[identity.tenant] += 1
        return True

    def leave(self, identity: Identity) -> None:
        """Gives a place back."""
        self._in_flight[identity.tenant] -= 1
        if not self._in_flight[identity.tenant]:
            del self._in_flight[identity.tenant]
