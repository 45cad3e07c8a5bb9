"""One connection of a run's stream to the persistence service: opened, read and written."""

import asyncio
from typing import TypeVar, cast

import grpc

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.errors import PersistenceUnavailable
from review_service.record.failures import persistence_errors
from review_service.record.gateway import PersistenceGateway, RecordStream
from review_service.record.shards import Shard

Request = persistence_service_pb2.RecordRunRequest
Response = persistence_service_pb2.RecordRunResponse

M = TypeVar("M")
Q = TypeVar("Q")


async def open_stream(
    gateway: PersistenceGateway,
    first: Request,
    *,
    answer_within: float | None,
    granted_by: Shard | None = None,
) -> tuple[RecordStream, Response]:
    """Opens a stream with its first message, and waits for the first answer, at most so many seconds.

    `granted_by` has just granted the run; else it is where its tenant is.

    Raises:
        PersistenceUnavailable: when there is no server, or no answer in time.
        ConsensusError: what the persistence service refuses with.
    """
    begin = first.create if first.HasField("create") else first.attach
    stream = gateway.record_run(begin.scope.tenant, granted_by)
    try:
        async with asyncio.timeout(answer_within):
            await write(stream, first)
            answer = await read(stream)
    except TimeoutError as error:
        raise PersistenceUnavailable from error
    except BaseException:
        stream.cancel()
        raise
    if answer is None:
        raise PersistenceUnavailable
    return stream, answer


async def write(stream: RecordStream, message: Request) -> None:
    """Sends a message; on a stream that has ended nothing happens, its status is for the reader."""
    try:
        await stream.write(message)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return


async def read(stream: "grpc.aio.StreamStreamCall[Q, M] | grpc.aio.UnaryStreamCall[Q, M]") -> M | None:
    """The next message, None at the end of a stream that ended well.

    Raises:
        ConsensusError: what it ended with; PersistenceUnavailable where somebody here has cancelled it.
    """
    try:
        with persistence_errors():
            message = await stream.read()
    except asyncio.CancelledError:
        if _is_being_cancelled():
            raise
        raise PersistenceUnavailable from None  # the call was, and not who reads it
    # gRPC's mark of the end is no type of its own in the stubs.
    return None if message is grpc.aio.EOF else cast("M", message)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
