"""What is recorded of an expansion whose caller is gone."""

import asyncio
from collections.abc import Sequence

import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2
from consensus_contract.steps import EXPAND
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
        self.may_write = asyncio.Event()
        self.is_asked = asyncio.Event()

    async def record_expansion(
        self, _caller: Caller, _expansion_id: str, attempts: Sequence[attempt_pb2.Attempt]
    ) -> None:
        self.is_asked.set()
        await self.may_write.wait()
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
