"""Following a run for a caller: from this process's memory while it works on it, else from the journal."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from consensus_contract.errors import ConsensusError
from consensus_rpc.backoff import Patience
from consensus_rpc.errors import ShuttingDown
from consensus_rpc.telemetry.log import get_logger
from review_service.follow.endings import error_of_event, error_of_run
from review_service.follow.sender import EventSender
from review_service.record.failures import RECONNECTING, is_passing
from review_service.record.gateway import Caller, PersistenceGateway
from review_service.record.live_events import LiveEvents
from review_service.record.stream import read

M = TypeVar("M")
A = TypeVar("A")

_log = get_logger()
_PATIENCE_SECONDS = 60.0


class RunFollower:
    """Follows runs, wherever they are worked on. One per process.

    Following the journal ends with ShuttingDown once `draining` is set: another replica goes on with it.
    """

    def __init__(self, gateway: PersistenceGateway, draining: asyncio.Event) -> None:
        self._gateway = gateway
        self._draining = draining

    async def follow(
        self,
        caller: Caller,
        sender: EventSender[M],
        *,
        live: LiveEvents | None = None,
        show_deleted: bool = False,
    ) -> None:
        """Sends the events that the caller does not have, to the last, and ends as the run did.

        `live` are the events of a run that this process works on. One that is worked on elsewhere is followed
        through the journal; a caller to whom nothing was sent yet is told at once that persistence is away.

        Raises:
            ConsensusError: why it cannot be followed, or why it ended without a decision.
        """
        if live is not None:
            await self._send_live(live, sender)
        if live is None or sender.ending is None:
            await self._send_recorded(caller, sender, is_patient=live is not None, show_deleted=show_deleted)
        error = await self._ending(caller, sender, show_deleted=show_deleted)
        if error is not None:
            raise error

    async def _send_live(self, live: LiveEvents, sender: EventSender[M]) -> None:
        """Sends what this process records, until the run ends or goes on elsewhere."""
        while True:
            await sender.send(live.take())
            if live.is_exhausted:
                return
            try:
                async with asyncio.timeout(sender.seconds_to_heartbeat):
                    await live.wait()
            except TimeoutError:
                await sender.heartbeat()

    async def _send_recorded(
        self, caller: Caller, sender: EventSender[M], *, is_patient: bool, show_deleted: bool
    ) -> None:
        """Sends what the journal holds and will hold; a broken connection is replaced."""
        begun_at = sender.last_sequence
        patience = Patience(RECONNECTING, _PATIENCE_SECONDS)
        while True:
            before = sender.last_sequence
            try:
                await self._watch(caller, sender, show_deleted=show_deleted)
                return
            except ConsensusError as error:
                is_patient = is_patient or sender.last_sequence > begun_at
                if not is_patient or not is_passing(error) or self._is_our_own(error):
                    raise
                if sender.last_sequence > before:
                    patience.succeeded()
                wait = patience.wait_seconds()
                if wait is None:
                    raise
                _log.warning("watch_cut", reason=error.reason_name)
            await _alive(sender, asyncio.sleep(wait))

    def _is_our_own(self, error: ConsensusError) -> bool:
        """Whether it is this process that shuts down, not the one that it asks."""
        return isinstance(error, ShuttingDown) and self._draining.is_set()

    async def _watch(self, caller: Caller, sender: EventSender[M], *, show_deleted: bool) -> None:
        watch = self._gateway.watch_run(
            caller, sender.run_id, sender.last_sequence, show_deleted=show_deleted
        )
        drained = asyncio.create_task(self._draining.wait())
        try:
            while True:
                reading = read(watch)
                message = await _alive(sender, reading, drained)
                if message is None:
                    return
                # Of persistence's own heartbeats none: how long the caller heard nothing is counted here.
                await sender.send(message.events)
        finally:
            drained.cancel()
            watch.cancel()

    async def _ending(
        self, caller: Caller, sender: EventSender[M], *, show_deleted: bool
    ) -> ConsensusError | None:
        """Why the run ended without a decision; None if it came to one."""
        if sender.ending is not None:
            return error_of_event(sender.ending)
        # The caller had the last event before.
        asking = self._gateway.get_run(caller, sender.run_id, show_deleted=show_deleted)
        return error_of_run(await _alive(sender, asking))


async def _alive(
    sender: EventSender[M], work: Coroutine[Any, Any, A], drained: "asyncio.Task[bool] | None" = None
) -> A:
    """What the work comes to; the caller gets signs of life meanwhile.

    Raises:
        ShuttingDown: when this process drains: `drained` has ended.
    """
    working = asyncio.ensure_future(work)
    awaited: set[asyncio.Future[Any]] = {working} if drained is None else {working, drained}
    try:
        while not await _first(awaited, within=sender.seconds_to_heartbeat):
            await sender.heartbeat()
        if working.done():
            return working.result()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    raise ShuttingDown


async def _first(awaited: set[asyncio.Future[Any]], *, within: float) -> bool:
    """Whether one of them ended in time."""
    done, _ = await asyncio.wait(awaited, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)
