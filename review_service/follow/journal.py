"""Following a run for a caller: from this process's memory while it works on it, else from the journal."""

import asyncio
import random
from typing import Any

import grpc

from consensus.v1 import persistence_service_pb2
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import call_options
from consensus_rpc.errors import ShuttingDown
from consensus_rpc.telemetry.log import get_logger
from review_service.follow.endings import error_of_event, error_of_run
from review_service.follow.sender import EventSender
from review_service.record.live_events import Feed
from review_service.record.persistence import Stub, is_passing, persistence_errors

WatchRequest = persistence_service_pb2.PersistenceServiceWatchRunRequest
GetRunRequest = persistence_service_pb2.PersistenceServiceGetRunRequest

_log = get_logger()
_PATIENCE_SECONDS = 60.0
_MAX_BACKOFF_SECONDS = 1.0


async def follow_feed(feed: Feed, sender: EventSender[Any], heartbeat_seconds: float) -> None:
    """Sends what this process records of a run, until the run ends or goes on elsewhere.

    Raises:
        SlowConsumer: when the caller takes nothing for too long.
    """
    while True:
        await sender.send_all(feed.take())
        if feed.has_stopped:
            return
        try:
            async with asyncio.timeout(heartbeat_seconds):
                await feed.wait()
        except TimeoutError:
            await sender.heartbeat()


class JournalFollower:
    """Follows runs through the journal, wherever they are worked on."""

    def __init__(self, stub: Stub, draining: asyncio.Event) -> None:
        """Ends every stream with ShuttingDown once `draining` is set: another replica goes on with it."""
        self._stub = stub
        self._draining = draining

    async def follow(
        self,
        scope: persistence_service_pb2.CallScope,
        sender: EventSender[Any],
        context: Any,
        *,
        is_patient: bool = False,
        show_deleted: bool = False,
    ) -> None:
        """Sends the events that the caller does not have, to the last; a broken connection is replaced.

        A caller to whom nothing was sent yet is told at once that persistence is away, unless `is_patient`.

        Raises:
            ConsensusError: what persistence refuses with; ShuttingDown; SlowConsumer.
        """
        begun_at = sender.last_sequence
        backoff, patience_ends = 0.05, 0.0
        loop = asyncio.get_running_loop()
        while True:
            before = sender.last_sequence
            try:
                await self._watch(scope, sender, context, show_deleted=show_deleted)
                return
            except ConsensusError as error:
                if isinstance(error, ShuttingDown) and self._draining.is_set():
                    raise
                is_patient = is_patient or sender.last_sequence > begun_at
                if not (is_patient and is_passing(error)):
                    raise
                if sender.last_sequence > before or not patience_ends:
                    backoff, patience_ends = 0.05, loop.time() + _PATIENCE_SECONDS
                if loop.time() > patience_ends:
                    raise
                _log.warning("watch_cut", reason=error.reason_name)
            await asyncio.sleep(backoff * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, no secret
            backoff = min(backoff * 2, _MAX_BACKOFF_SECONDS)

    async def _watch(
        self,
        scope: persistence_service_pb2.CallScope,
        sender: EventSender[Any],
        context: Any,
        *,
        show_deleted: bool,
    ) -> None:
        request = WatchRequest(
            scope=scope,
            run_id=sender.run_id,
            after_sequence=sender.last_sequence,
            show_deleted=show_deleted,
        )
        watch = self._stub.WatchRun(request, **call_options(context))
        drained = asyncio.create_task(self._draining.wait())
        try:
            with persistence_errors():
                while (message := await _next(watch, drained)) is not None:
                    if message.HasField("event"):
                        await sender.send(message.event)
                    else:
                        await sender.heartbeat()
        finally:
            drained.cancel()
            watch.cancel()

    async def raise_ending(
        self,
        scope: persistence_service_pb2.CallScope,
        sender: EventSender[Any],
        context: Any,
        *,
        show_deleted: bool = False,
    ) -> None:
        """Ends the stream of a run that came to no decision.

        Raises:
            ConsensusError: why the run ended; nothing for a completed one.
        """
        if sender.ending is not None:
            error = error_of_event(sender.ending)
        else:  # the caller had the last event before
            request = GetRunRequest(scope=scope, run_id=sender.run_id, show_deleted=show_deleted)
            with persistence_errors():
                error = error_of_run((await self._stub.GetRun(request, **call_options(context))).run)
        if error is not None:
            raise error


async def _next(
    watch: Any, drained: "asyncio.Task[bool]"
) -> persistence_service_pb2.PersistenceServiceWatchRunResponse | None:
    """The next message of a watch, None at its end.

    Raises:
        ShuttingDown: when this process drains.
    """
    reading = asyncio.ensure_future(watch.read())
    try:
        await asyncio.wait({reading, drained}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            raise ShuttingDown
        message = reading.result()
        return None if message is grpc.aio.EOF else message
    finally:
        reading.cancel()
