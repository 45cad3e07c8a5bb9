"""ReviewService serves while a PersistenceService does: their health, followed; and, apart, the model's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consensus_rpc.telemetry.log import get_logger
from review_service.record.shards import Shard

PERSISTENCE_SERVICE = "consensus.internal.v1.PersistenceService"
MODEL_HEALTH = "consensus.v1.ReviewService/model"
"""What health checks ask for who want to know whether runs would find a model that answers.

The service's own health takes no notice of it: a provider that is away is away from all replicas, which go on
answering reads and watching, and keep what they are sent.
"""

_log = get_logger()
_RETRY_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_SERVING = health_pb2.HealthCheckResponse.SERVING


def shard_health(address: str) -> str:
    """What health checks ask for who want to know of one persistence service among several."""
    return f"consensus.v1.ReviewService/persistence/{address}"


async def follow_health(shard: Shard, report: Callable[[bool], Awaitable[None]]) -> None:
    """Reports whether a persistence service serves, at once and at every change, until it is cancelled."""
    stub: Any = health_pb2_grpc.HealthStub(shard.channel)  # its stubs know no Watch of asyncio channels
    request = health_pb2.HealthCheckRequest(service=PERSISTENCE_SERVICE)
    while True:
        try:
            async for answer in stub.Watch(request):
                await report(answer.status == _SERVING)
        except grpc.aio.AioRpcError as error:
            _log.debug("persistence_health_unknown", code=error.code().name)
        await report(False)
        await asyncio.sleep(_RETRY_SECONDS)


async def follow_model(is_answering: Callable[[], bool], report: Callable[[bool], Awaitable[None]]) -> None:
    """Reports whether the model's route answers, by the calls that are made anyway, until it is cancelled."""
    while True:
        await report(is_answering())
        await asyncio.sleep(_LOOK_SECONDS)
