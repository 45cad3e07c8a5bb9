"""A neighbour in a process of its own: health checks, reads and reviews in turn, each written down as a line.

A line is JSON: when it ended by the clock that all processes share, what it was, how long it took, its end.
CONSENSUS_KEY is its access key, where it needs one.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consensus.v1 import review_service_pb2, review_service_pb2_grpc
from tests.support.access import bearer
from tests.support.pair import review_request

HEALTH, READ, REVIEW = "health", "read", "review"
IDEA = "A neighbour's rota lets two wards swap shifts, and it is done when swaps take under a minute."
_HEALTH_EVERY = 0.1
_READ_EVERY = 0.05
_REVIEW_EVERY = 1.0
_TIMEOUT = 10.0


async def again_and_again(what: str, every: float, call: Callable[[], Awaitable[object]]) -> None:
    """Makes calls one after the other for as long as the process lives."""
    while True:
        began = time.monotonic()
        end = "OK"
        try:
            await call()
        except grpc.aio.AioRpcError as error:
            end = error.code().name
        ended = time.monotonic()
        print(json.dumps([ended, what, ended - began, end]), flush=True)
        await asyncio.sleep(max(0.0, began + every - ended))


async def neighbour(review_address: str, *persistence_addresses: str) -> None:
    """All of them at once, each kind on a connection of its own."""
    mine = bearer(os.environ.get("CONSENSUS_KEY", ""))
    async with grpc.aio.insecure_channel(review_address) as channel, asyncio.TaskGroup() as group:
        for address in (review_address, *persistence_addresses):
            check = _health_check(address)
            group.create_task(again_and_again(HEALTH, _HEALTH_EVERY, check))
        stub: Any = review_service_pb2_grpc.ReviewServiceStub(channel)

        async def review() -> None:
            call = stub.StreamReview(review_request(IDEA), timeout=_TIMEOUT, metadata=mine)
            _ = [each async for each in call]

        async def read() -> None:
            request = review_service_pb2.ListRunsRequest(page_size=5)
            await stub.ListRuns(request, timeout=_TIMEOUT, metadata=mine)

        group.create_task(again_and_again(READ, _READ_EVERY, read))
        group.create_task(again_and_again(REVIEW, _REVIEW_EVERY, review))


def _health_check(address: str) -> Callable[[], Awaitable[object]]:
    """A check on a connection that nothing else uses."""
    stub: Any = health_pb2_grpc.HealthStub(grpc.aio.insecure_channel(address, _OWN_CONNECTION))
    return partial(stub.Check, health_pb2.HealthCheckRequest(), timeout=_TIMEOUT)


_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("review_address")
    parser.add_argument("persistence_addresses", nargs="+")
    given = parser.parse_args()
    sys.exit(asyncio.run(neighbour(given.review_address, *given.persistence_addresses)))
