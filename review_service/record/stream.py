"""One connection of a run's stream to the persistence service: opened, read and written."""

import asyncio
from typing import TypeAlias

import grpc

from consensus.v1 import persistence_service_pb2
from consensus_contract.errors import PersistenceUnavailable
from consensus_rpc.channel.channels import call_metadata
from review_service.record.persistence import Stub, persistence_errors

Request = persistence_service_pb2.RecordRunRequest
Response = persistence_service_pb2.RecordRunResponse
Stream: TypeAlias = "grpc.aio.StreamStreamCall[Request, Response]"


async def open_stream(stub: Stub, first: Request, *, answer_within: float | None) -> tuple[Stream, Response]:
    """Opens a stream with its first message, and waits for the first answer, at most so many seconds.

    Raises:
        PersistenceUnavailable: when there is no server, or no answer in time.
        ConsensusError: what the persistence service refuses with.
    """
    stream: Stream = stub.RecordRun(metadata=call_metadata())
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


async def write(stream: Stream, message: Request) -> None:
    """Sends a message; on a stream that has ended nothing happens, its status is for the reader."""
    try:
        await stream.write(message)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return


async def read(stream: Stream) -> Response | None:
    """The next message, None at the end of a stream that ended well.

    Raises:
        ConsensusError: what it ended with.
    """
    with persistence_errors():
        message = await stream.read()
    # gRPC's end-of-stream mark is no type of its own in the stubs.
    return message if isinstance(message, Response) else None
