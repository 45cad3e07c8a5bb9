"""Loads several processes, which may share a port: `loading reviews|records CONNECTIONS ADDRESS…`."""

import itertools
import sys
import uuid
from typing import Any

from consensus.v1 import review_service_pb2
from consensus_rpc.channel.channels import ChannelOptions, open_channel
from tests.benchmarks import job
from tests.benchmarks.acks import record_run
from tests.benchmarks.caller import read_whole_review
from tests.benchmarks.loads import Jobs, obey

_METHODS = {
    "reviews": "/consensus.v1.ReviewService/StreamReview",
    "records": "/consensus.internal.v1.PersistenceService/RecordRun",
}


async def review(method: Any) -> None:
    """One review."""
    request = review_service_pb2.StreamReviewRequest(
        review=review_service_pb2.ReviewInput(idea=job.IDEA), idempotency_key=str(uuid.uuid4())
    )
    await read_whole_review(method, request)


def main(what: str, connections: str, *addresses: str) -> None:
    """Obeys commands for the one job; calls go to the addresses in turn."""

    async def make() -> Jobs:
        options = ChannelOptions(connections=int(connections))
        channels = [open_channel(address, options) for address in addresses]
        if what == "reviews":
            turns: Any = itertools.cycle([each.unary_stream(_METHODS[what]) for each in channels])
            return {what: lambda: review(next(turns))}
        turns = itertools.cycle([each.stream_stream(_METHODS[what]) for each in channels])
        return {what: lambda: record_run(next(turns))}

    obey(make)


if __name__ == "__main__":
    main(*sys.argv[1:])
