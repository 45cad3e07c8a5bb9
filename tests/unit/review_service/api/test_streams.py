"""What a caller is told when the run that it follows cannot be followed any further."""

from typing import Any

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_pb2
from consensus_contract.errors import ConsensusError, LockTimeout, PersistenceUnavailable
from consensus_rpc.errors import Overloaded
from review_service.api.streams import Streams
from review_service.runs.run import new_run
from review_service.runs.worker import Execution

BUSY = Overloaded(subject="calls in flight", limit=1)
LOCKED = LockTimeout(resource="runs/r-1")
NEW = new_run(persistence_service_pb2.CallScope(), "r-1", run_pb2.RunSpecification(), None)


class Context:
    """A servicer's context without a deadline."""

    def time_remaining(self) -> None:
        pass

    async def send_initial_metadata(self, _metadata: object) -> None:
        pass


class Worker:
    """Begins a run, or is refused."""

    has_stopped = False

    def __init__(self, refusal: ConsensusError | None = None) -> None:
        self._refusal = refusal

    def begin(self, run: Any, *, answer_within: float | None) -> Execution:
        execution = Execution(run.run_id)
        if self._refusal is None:
            execution.begun.set_result(None)
        else:
            execution.begun.set_exception(self._refusal)
        return execution


class Follower:
    """Has lost its patience."""

    def __init__(self, error: ConsensusError) -> None:
        self._error = error

    async def follow(self, *_: object, **__: object) -> None:
        raise self._error


async def reviewed(worker: Worker, follower: Follower) -> None:
    parts: Any = (None, worker, follower)
    streams = Streams(*parts, slow_seconds=10.0, heartbeat_seconds=10.0)
    context: Any = Context()
    await streams.review(NEW, context, cancels_on_disconnect=False)


async def test_a_run_that_was_not_begun_is_refused_with_overloaded() -> None:
    with pytest.raises(Overloaded):
        await reviewed(Worker(BUSY), Follower(LOCKED))


@pytest.mark.parametrize(("refusal", "told"), [(BUSY, PersistenceUnavailable), (LOCKED, LockTimeout)])
async def test_nobody_whose_run_was_begun_is_told_that_nothing_was_executed(
    refusal: ConsensusError, told: type[ConsensusError]
) -> None:
    with pytest.raises(told):
        await reviewed(Worker(), Follower(refusal))
