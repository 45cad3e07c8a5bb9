"""A servicer behind a real server on loopback, and a channel to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from consensus_rpc.channel.channels import open_channel
from consensus_rpc.server.server import Server, ServerOptions
from persistence_service.database import Database
from persistence_service.idempotency.once import OncePerKey

SECOND = 1_000_000


@asynccontextmanager
async def served(add: Callable[[Any, Any], None], servicer: Any) -> AsyncIterator[Any]:
    """A channel to a server with this servicer; ends both."""
    server = Server(ServerOptions(listen="127.0.0.1:0", tune_gc=False), service_names=[])
    add(servicer, server.grpc)
    await server.start()
    try:
        async with open_channel(server.address) as channel:
            yield channel
    finally:
        await server.grpc.stop(None)


def once_per_key(database: Database) -> OncePerKey:
    """As the service has it."""
    return OncePerKey(database, timedelta(days=7))


def struct(**fields: Any) -> Struct:
    """JSON data for the wire."""
    made = Struct()
    made.update(fields)
    return made


def stamp(microseconds: int) -> Timestamp:
    """An instant, in microseconds since 1970."""
    seconds, rest = divmod(microseconds, SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1000)
