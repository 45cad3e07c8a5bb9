"""What is recorded of an expansion whose caller is gone, and what a refusal of recording says."""

import asyncio
from collections.abc import Sequence

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2
from consensus_contract.errors import ConsensusError, PersistenceUnavailable
from consensus_contract.steps import EXPAND
from consensus_rpc.errors import Overloaded
from offline_model.control_client import ControlClient
from offline_model.script import Rule
from review_service.model.client import ModelClient
from review_service.record.gateway import Caller
from review_service.runs.expansion import expand_idea
from review_service.steps.expander import Expander
from review_service.steps.runner import StepRunner
from tests.support.engine import specification


class Recording:
    """Stands in for the persistence service: keeps attempts, each a while after it was given them."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.room: int | None = None
        self.may_write = asyncio.Event()
        self.is_asked = asyncio.Event()

    async def record_expansion(
        self, _caller: Caller, _expansion_id: str, attempts: Sequence[attempt_pb2.Attempt]
    ) -> None:
        self.is_asked.set()
        await self.may_write.wait()
        if self.room is not None and len(self.states) >= self.room:
            raise Overloaded(subject="calls in flight", limit=1)
        self.states += (attempt_pb2.AttemptState.Name(each.state)[14:] for each in attempts)


@pytest.fixture
def recording() -> Recording:
    return Recording()


def expand(recording: Recording, model: ModelClient) -> asyncio.Task[object]:
    work = expand_idea(
        recording,  # type: ignore[arg-type]  # the part of the gateway that it uses
        persistence_service_pb2.CallScope(),
        "x-1",
        Expander(StepRunner(model)),
        specification(),
        seconds_left=20.0,
    )
    return asyncio.create_task(work)


async def test_a_call_that_is_cut_is_recorded_as_unknown(
    recording: Recording, model: ModelClient, control: ControlClient
) -> None:
    recording.may_write.set()
    await control.script(Rule(step=EXPAND, hold="for ever"))
    work = expand(recording, model)
    await control.wait({"held": 1})

    work.cancel()
    await asyncio.gather(work, return_exceptions=True)

    assert recording.states == ["STARTED", "UNKNOWN"]


@pytest.mark.parametrize(
    ("room", "expected"),
    [(0, Overloaded), (1, PersistenceUnavailable)],
    ids=["before the first call to the model", "after it"],
)
async def test_only_what_asked_no_model_is_answered_with_overloaded(
    recording: Recording,
    model: ModelClient,
    control: ControlClient,
    room: int,
    expected: type[ConsensusError],
) -> None:
    recording.may_write.set()
    recording.room = room

    with pytest.raises(expected):
        await expand(recording, model)

    assert (await control.counters())["total"]["started"] == room


async def test_a_cut_takes_nothing_back_that_was_being_written_and_keeps_the_order(
    recording: Recording, model: ModelClient, control: ControlClient
) -> None:
    work = expand(recording, model)
    await recording.is_asked.wait()

    work.cancel()
    await asyncio.sleep(0)
    recording.may_write.set()
    await asyncio.gather(work, return_exceptions=True)

    assert recording.states == ["STARTED", "UNKNOWN"]
    assert (await control.counters())["total"]["started"] == 0
