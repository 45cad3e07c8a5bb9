import asyncio
import itertools

import pytest

from consensus.v1 import review_service_pb2, run_event_pb2
from consensus_client import ReviewClient, ReviewOptions, RunQuery
from consensus_contract.errors import (
    ConsensusError,
    DatabaseUnavailable,
    LlmTimeout,
    PersistenceUnavailable,
    QuorumNotMet,
    RunNotFound,
)
from consensus_rpc.errors import (
    CallDeadlineExceeded,
    InvalidField,
    Overloaded,
    ServerUnreachable,
    ShuttingDown,
    SlowConsumer,
)
from tests.support.fault_proxy import FaultProxy
from tests.unit.consensus_client import samples
from tests.unit.consensus_client.conftest import IMPATIENT, connected
from tests.unit.consensus_client.scripted import ScriptedService, serving

CUTS = {
    "draining": ShuttingDown(),
    "persistence away": PersistenceUnavailable(),
    "too slow": SlowConsumer(run_id=samples.RUN, last_sequence=3),
    "overloaded": Overloaded(subject="streams", limit=1, retry_after_seconds=0.01),
    "ended without a status": None,
}


async def read(client: ReviewClient) -> list[run_event_pb2.RunEvent]:
    return [event async for event in client.review("An idea.")]


async def test_a_whole_stream_is_yielded_without_heartbeats() -> None:
    service = ScriptedService()
    async with connected(service) as client:
        assert await read(client) == service.events


@pytest.mark.parametrize("error", CUTS.values(), ids=CUTS.keys())
async def test_a_cut_stream_goes_on_after_the_last_event(error: ConsensusError | None) -> None:
    service = ScriptedService(cuts=[5, 3], cut_with=error)
    async with connected(service) as client:
        assert await read(client) == service.events
    watches = [each for each in service.requests if isinstance(each, review_service_pb2.WatchRunRequest)]
    assert [each.after_sequence for each in watches] == [5, 8]


async def test_events_that_are_sent_again_are_yielded_once() -> None:
    service = ScriptedService(cuts=[5], repeats=3)
    async with connected(service) as client:
        assert await read(client) == service.events


async def test_a_missing_event_is_asked_for_again() -> None:
    service = ScriptedService()
    whole = list(service.events)
    service.events = [event for event in whole if event.sequence != 4]
    async with connected(service) as client:
        events = client.review("An idea.")
        first = [await anext(events) for _ in range(3)]
        service.events = whole
        assert first + [event async for event in events] == whole


async def test_a_cut_before_the_first_event_sends_the_start_again_under_the_same_key() -> None:
    service = ScriptedService(cuts=[0, 0], cut_with=ShuttingDown(retry_after_seconds=0.01))
    async with connected(service) as client:
        assert await read(client) == service.events
    assert service.names() == ["StreamReviewRequest"] * 3
    assert len({request.idempotency_key for request in service.requests}) == 1


async def test_a_broken_connection_loses_and_repeats_nothing() -> None:
    service = ScriptedService(hold_after=7)
    async with (
        serving(service) as address,
        FaultProxy.start(address) as proxy,
        ReviewClient(proxy.address, IMPATIENT) as client,
    ):
        events = client.review("An idea.")
        first = [await anext(events) for _ in range(7)]
        proxy.reset()
        service.hold_after = None
        assert first + [event async for event in events] == service.events
    assert proxy.connection_count == 2


async def test_a_silent_connection_counts_as_cut() -> None:
    service = ScriptedService(hold_after=7)
    patient = type(IMPATIENT)(idle_seconds=0.2, reconnect=IMPATIENT.reconnect)
    async with serving(service) as address, ReviewClient(address, patient) as client:
        events = client.review("An idea.")
        first = [await anext(events) for _ in range(7)]
        service.hold_after = None
        assert first + [event async for event in events] == service.events


async def test_a_failed_run_raises_after_its_last_event() -> None:
    failure = QuorumNotMet(
        run_id=samples.RUN, failed_step="review_critic", resumable=True, finished=["architect"]
    )
    service = ScriptedService(events=samples.failed_events(), error=failure)
    seen = []
    async with connected(service) as client:
        with pytest.raises(QuorumNotMet) as raised:  # noqa: PT012 - what came before the error counts
            async for event in client.review("An idea."):
                seen.append(event)  # noqa: PERF401 - see above
    assert seen == service.events
    assert (raised.value.failed_step, raised.value.resumable) == ("review_critic", True)
    assert service.names() == ["StreamReviewRequest"]


async def test_a_run_that_failed_because_the_model_was_away_is_not_taken_for_a_cut() -> None:
    service = ScriptedService(events=samples.failed_events(), error=LlmTimeout(run_id=samples.RUN))
    async with connected(service) as client:
        with pytest.raises(LlmTimeout):
            await read(client)
    assert service.names() == ["StreamReviewRequest"]


async def test_giving_up_names_the_run_that_goes_on() -> None:
    service = ScriptedService(cuts=[4, *[0] * 1000])
    async with connected(service) as client:
        with pytest.raises(ShuttingDown) as raised:
            await read(client)
    assert raised.value.run_id == samples.RUN


async def test_an_unreachable_server_is_named() -> None:
    async with ReviewClient("127.0.0.1:1", IMPATIENT) as client:
        with pytest.raises(ServerUnreachable) as raised:
            await client.get_run("r1")
    assert raised.value.metadata["server"] == "127.0.0.1:1"


async def test_a_deadline_of_the_call_ends_the_stream_and_names_the_run() -> None:
    service = ScriptedService(hold_after=3)
    async with connected(service) as client:
        with pytest.raises(CallDeadlineExceeded) as raised:
            async for _ in client.review("An idea.", timeout=0.5):
                pass
    assert raised.value.run_id == samples.RUN


async def test_leaving_early_ends_the_call() -> None:
    service = ScriptedService(hold_after=3)
    async with connected(service) as client:
        events = client.review("An idea.")
        assert (await anext(events)).sequence == 1
        await events.aclose()
        async with asyncio.timeout(5):
            assert (await client.get_run(samples.RUN)).run_id == samples.RUN


async def test_a_change_is_sent_again_under_the_same_key() -> None:
    service = ScriptedService(
        errors=[ShuttingDown(retry_after_seconds=0.01), DatabaseUnavailable(retry_after_seconds=0.01)]
    )
    async with connected(service) as client:
        await client.cancel_run(samples.RUN)
    keys = [request.idempotency_key for request in service.requests]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert keys[0]


async def test_every_change_has_a_key_of_its_own() -> None:
    service = ScriptedService()
    async with connected(service) as client:
        await client.start_review("An idea.")
        await client.cancel_run(samples.RUN)
        await client.resume_run(samples.RUN)
        await client.annotate_decision(samples.RUN, "note")
        await read(client)
    assert len({request.idempotency_key for request in service.requests}) == 5


async def test_an_expansion_is_never_sent_twice() -> None:
    service = ScriptedService(errors=[ShuttingDown()])
    async with connected(service) as client:
        with pytest.raises(ShuttingDown):
            await client.expand_idea("An idea.")
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "error", [RunNotFound(run_id="r1"), InvalidField(field="run_id", description="bad")], ids=repr
)
async def test_a_refusal_is_raised_as_the_same_class_at_once(error: ConsensusError) -> None:
    service = ScriptedService(errors=[error])
    async with connected(service) as client:
        with pytest.raises(type(error)) as raised:
            await client.get_run("r1")
    assert raised.value.request_id
    assert len(service.requests) == 1


async def test_lists_are_read_page_by_page() -> None:
    service = ScriptedService()
    async with connected(service) as client:
        runs = [run async for run in client.runs(RunQuery(user="u1"), page_size=1)]
        attempts = [attempt async for attempt in client.attempts(samples.RUN)]
    assert (len(runs), len(attempts)) == (2, 2)
    assert [request.page_token for request in service.requests] == ["", "page-2"] * 2
    assert service.requests[1].filter.user == "u1"


async def test_options_reach_the_service() -> None:
    service = ScriptedService()
    options = ReviewOptions(
        review_model="m", expand_temperature=0.0, min_personas=3, required_personas=["critic"]
    )
    async with connected(service) as client:
        await client.start_review("An idea.", context={"budget": 3}, user="u1", options=options)
    sent = service.requests[0].review
    assert sent.options.review_model == "m"
    assert sent.options.HasField("expand_temperature")
    assert not sent.options.HasField("review_temperature")
    assert (sent.options.quorum.min_personas, list(sent.options.quorum.required_personas)) == (3, ["critic"])
    assert sent.context.object["budget"] == 3


async def test_no_options_leave_the_settings_alone() -> None:
    service = ScriptedService()
    async with connected(service) as client:
        await client.start_review("An idea.")
    assert not service.requests[0].review.HasField("options")
    assert not service.requests[0].review.HasField("context")


def test_the_scripts_events_are_numbered_without_gaps() -> None:
    sequences = [event.sequence for event in samples.completed_events()]
    assert all(after == before + 1 for before, after in itertools.pairwise(sequences))
