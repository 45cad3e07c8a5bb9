"""Reviews an idea and follows its run to the decision, whatever becomes of the connection.

    python -m grpc_tools.protoc -I gen/plain --python_out=OUT --grpc_python_out=OUT gen/plain/consensus/v1/*
    PYTHONPATH=OUT python examples/python/watch.py "An idea in a few sentences."

From the contract alone, with grpcio and googleapis-common-protos; `consensus_client` does it all by itself.
"""

import asyncio
import os
import sys
import uuid
from pathlib import Path

import grpc
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from consensus.v1 import decision_pb2, review_service_pb2, review_service_pb2_grpc


class Review:
    """What outlives a connection: the request, its run, and the sequence of the last event that arrived."""

    def __init__(self, idea: str) -> None:
        # A key of our own makes it safe to send the same request again.
        self.request = review_service_pb2.StartReviewRequest(
            review=review_service_pb2.ReviewInput(idea=idea), idempotency_key=str(uuid.uuid4())
        )
        self.run_id = ""
        self.last = 0
        self.silence = 0.0  # seconds: a stream that says nothing for so long is dead

    async def follow(self) -> None:
        """Starts the run, unless that is done, and prints its events to the end, over its own connection.

        Raises:
            grpc.aio.AioRpcError: a call failed, or was cut.
            TimeoutError: the stream said nothing for twice the interval of heartbeats: it is dead.
        """
        key = os.environ.get("CONSENSUS_KEY")
        metadata = (("authorization", f"Bearer {key}"),) if key else ()
        async with open_channel() as channel:
            client = review_service_pb2_grpc.ReviewServiceStub(channel)
            if not self.run_id:
                ask = review_service_pb2.GetServiceInfoRequest()
                info = await client.GetServiceInfo(ask, metadata=metadata, timeout=10)
                self.silence = 2 * info.limits.heartbeat_interval.ToTimedelta().total_seconds()
                started = await client.StartReview(self.request, metadata=metadata, timeout=10)
                self.run_id = started.run.run_id
            watch = review_service_pb2.WatchRunRequest(run_id=self.run_id, after_sequence=self.last)
            stream = client.WatchRun(watch, metadata=metadata)
            while (message := await asyncio.wait_for(stream.read(), self.silence)) is not grpc.aio.EOF:
                for event in message.events:  # none in a heartbeat
                    self.last = event.sequence
                    print(event.sequence, event.WhichOneof("payload"), *decision(event), flush=True)


def open_channel() -> grpc.aio.Channel:
    server = os.environ.get("CONSENSUS_SERVER", "127.0.0.1:50051")
    authority = os.environ.get("CONSENSUS_TLS_CA")
    if authority is None:
        return grpc.aio.insecure_channel(server)
    return grpc.aio.secure_channel(server, grpc.ssl_channel_credentials(Path(authority).read_bytes()))


def decision(event) -> tuple[str, ...]:
    if not event.HasField("decision_ready"):
        return ()
    made = event.decision_ready.decision
    return decision_pb2.DecisionLabel.Name(made.label), str(made.overall_weighted_confidence)


def explain(error: Exception, failures: int) -> float | None:
    """Prints an error; returns after how many seconds the call may be made again, if ever.

    By the rule at the head of errors.proto: what is not the service's word was the connection's, whatever
    its code.
    """
    if not isinstance(error, grpc.aio.AioRpcError):
        print("the stream said nothing for too long", file=sys.stderr)
        return 0.1 * 2**failures
    print(f"{error.code().name}: {error.details()}", file=sys.stderr)
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in status_pb2.Status.FromString(packed).details:
        for kind in (info, bad, retry):
            detail.Unpack(kind)  # does nothing where it is of another
    for violation in bad.field_violations:
        print(f"  {violation.field}: {violation.description}", file=sys.stderr)
    if info.domain != "consensus.v1":
        return 0.1 * 2**failures
    print(f"  {info.reason} {dict(info.metadata)}", file=sys.stderr)
    if retry.HasField("retry_delay"):
        return retry.retry_delay.ToTimedelta().total_seconds()
    return 10.0 if info.reason == "CALL_DEADLINE_EXCEEDED" else None


async def main(idea: str) -> int:
    review, failures = Review(idea), 0
    while True:
        before = review.last
        try:
            await review.follow()
            return 0
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            failures = 1 if review.last > before else failures + 1
            wait = explain(error, failures)
        if wait is None or failures == 8:
            return 1
        print(f"again after event {review.last}, in {wait} s", file=sys.stderr, flush=True)
        await asyncio.sleep(wait)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
