"""Records a second: streams of RecordRun, each sending its next record when the last is acknowledged."""

import sys
from time import perf_counter
from typing import Any

from uuid_utils.compat import uuid7

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import errors_pb2, run_event_pb2, run_pb2
from consensus_rpc.channel.channels import open_channel
from tests.benchmarks.loads import Jobs, obey
from tests.support.records import scope, specification

_METHOD = "/consensus.internal.v1.PersistenceService/RecordRun"
_RECORDS = 20
_ITEM = persistence_service_pb2.RecordItem(step_started=run_event_pb2.StepStarted(step="expand"))
# Ends the run: else the review service would take it over once its lease has run out, and work on it.
_FAILURE = run_pb2.RunFailure(
    reason=errors_pb2.ERROR_REASON_INTERNAL, message="a benchmark", failed_step="expand", resumable=True
)
_END = persistence_service_pb2.RecordItem(run_failed=run_event_pb2.RunFailed(failure=_FAILURE))


async def record_run(method: Any) -> list[float]:
    """One run: its creation, then twenty records, each acknowledged before the next; seconds of each."""
    stream = method()
    first = persistence_service_pb2.Record(record_id=1, items=[_ITEM])
    create = persistence_service_pb2.BeginCreate(
        scope=scope(), run_id=str(uuid7()), specification=specification(), lease_owner="benchmark",
        first_record=first,
    )  # fmt: skip
    await stream.write(persistence_service_pb2.RecordRunRequest(create=create).SerializeToString())
    await stream.read()
    latencies = []
    for number in range(2, _RECORDS + 2):
        record = persistence_service_pb2.Record(
            record_id=number, items=[_END if number > _RECORDS else _ITEM]
        )
        started = perf_counter()
        await stream.write(persistence_service_pb2.RecordRunRequest(record=record).SerializeToString())
        await stream.read()
        latencies.append(perf_counter() - started)
    stream.cancel()
    return latencies


def main(address: str) -> None:
    async def make() -> Jobs:
        method: Any = open_channel(address).stream_stream(_METHOD)
        return {"records": lambda: record_run(method)}

    obey(make)


if __name__ == "__main__":
    main(sys.argv[1])
