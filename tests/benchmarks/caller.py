"""A caller of review services in turn, as cheap as Python allows: a channel each, messages left as bytes.

The last message alone is read, for how the review ended.
"""

import asyncio
import itertools
import sys
import uuid
from typing import Any

from consensus.v1 import review_service_pb2
from consensus_rpc.channel.channels import open_channel
from tests.benchmarks import job
from tests.benchmarks.loads import Jobs, obey

_METHOD = "/consensus.v1.ReviewService/StreamReview"
_LEAST_EVENTS = 20
_CONNECTIONS = 2
"""Of each service: one takes at most 1,024 calls at a time (MAX_STREAMS_PER_CONNECTION)."""


async def read_whole_review(method: Any, request: review_service_pb2.StreamReviewRequest) -> None:
    """Reads a review to its end.

    Raises:
        AssertionError: it was cut short, or has no decision.
    """
    newest = b""
    async for message in method(request.SerializeToString()):
        newest = message
    last = review_service_pb2.StreamReviewResponse.FromString(newest).events[-1]
    assert last.HasField("run_completed"), "a review ends with a decision"
    assert last.sequence >= _LEAST_EVENTS, "a whole review has all of its events"


def main(*addresses: str) -> None:
    async def make() -> Jobs:
        everywhere = addresses * _CONNECTIONS
        methods: list[Any] = [open_channel(address).unary_stream(_METHOD) for address in everywhere]
        streams = itertools.cycle(methods)
        idea = review_service_pb2.ReviewInput(idea=job.IDEA)

        async def send(key: str) -> None:
            request = review_service_pb2.StreamReviewRequest(review=idea, idempotency_key=key)
            await read_whole_review(next(streams), request)

        async def review() -> None:
            await send(str(uuid.uuid4()))

        async def replay() -> None:
            await send("benchmark-replay")

        async def twice() -> None:
            key = str(uuid.uuid4())
            await asyncio.gather(send(key), send(key))

        return {"review": review, "replay": replay, "twice": twice}

    obey(make)


if __name__ == "__main__":
    main(*sys.argv[1:])
