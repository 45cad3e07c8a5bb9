"""Calls that go on for long: their credentials are looked at again, and who has lost them is let go."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context

from consensus_contract.errors import ConsensusError
from consensus_rpc.errors import CredentialEnded, Unauthenticated
from consensus_rpc.server.guard import Guard
from consensus_rpc.server.identity import CredentialKind, Identity
from consensus_rpc.telemetry.log import get_logger

_log = get_logger()

RECHECK_SECONDS = 10.0
"""With the 15 s for which a key is believed, less than the 30 s within which a revoked one's streams end."""


class StandingCalls:
    """The streams that are open, by their credentials: each is looked at once, however many it has."""

    def __init__(self, guard: Guard, *, every_seconds: float = RECHECK_SECONDS) -> None:
        self._guard = guard
        self._every_seconds = every_seconds
        self._open: defaultdict[Identity, set[asyncio.Timeout]] = defaultdict(set)
        self._sweeping: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def of(self, identity: Identity) -> AsyncIterator[None]:
        """Around what a stream does: ends it once its credential has ended.

        Raises:
            CredentialEnded: inside, in place of whatever it waits for.
        """
        if identity.kind in {CredentialKind.NONE, CredentialKind.CERTIFICATE}:
            yield
            return
        until = asyncio.timeout(None)
        try:
            async with until:
                self._enter(identity, until)
                try:
                    yield
                finally:
                    self._leave(identity, until)
        except TimeoutError:
            if until.expired():
                raise CredentialEnded from None
            raise

    def _enter(self, identity: Identity, until: asyncio.Timeout) -> None:
        self._open[identity].add(until)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep(), context=Context())

    def _leave(self, identity: Identity, until: asyncio.Timeout) -> None:
        self._open[identity].discard(until)
        if not self._open[identity]:
            del self._open[identity]

    async def _sweep(self) -> None:
        while self._open:
            await asyncio.sleep(self._every_seconds)
            for identity in list(self._open):
                await self._look_at(identity)
        self._sweeping = None

    async def _look_at(self, identity: Identity) -> None:
        try:
            await self._guard.check_again(identity)
        except (CredentialEnded, Unauthenticated):
            now = asyncio.get_running_loop().time()
            for until in list(self._open.get(identity, ())):
                until.reschedule(now)
        except Exception as error:  # noqa: BLE001 - the next time will tell, of this one and of all others
            reason = error.reason_name if isinstance(error, ConsensusError) else type(error).__name__
            _log.warning("credential_not_looked_at", reason=reason)
