"""Review services killed or stopped at named points: another finishes, and nothing is paid for twice."""

import asyncio
import signal

import grpc
import pytest

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import review_service_pb2
from tests.faults.case import ABOUT, Case
from tests.faults.stack import pause
from tests.support.pair import kinds, until

pytestmark = pytest.mark.parametrize("about", ABOUT, indirect=True)

TWO = ("critic", "optimist")


async def _calls_of(case: Case, run_id: str, persona: str) -> int:
    counted = await case.model_wait({}, run_id=run_id, persona=persona)
    return int(counted["total"]["started"])


async def test_killed_after_it_began_a_run(case: Case) -> None:
    first, second = case.stack.reviews
    await case.hold("expand")
    caller = await case.stream(first)
    await caller.until("run_started")

    first.kill()
    await case.release()

    events = await (await case.watch(second, caller.run_id)).rest()
    assert kinds(events)[-1] == "run_completed"


async def test_killed_after_all_but_two_reviews(case: Case) -> None:
    first, second = case.stack.reviews
    await case.hold(*TWO, times=1)
    caller = await case.stream(first)
    await caller.until("persona_review_ready", len(case.personas) - 2)
    attached = await case.watch(second, caller.run_id)
    watching = asyncio.create_task(attached.rest())

    first.kill()
    events = await watching
    reconnected = await case.watch(second, caller.run_id, caller.last)
    await reconnected.rest()

    assert kinds(events)[-1] == "run_completed"
    assert kinds(events).count("run_taken_over") == 1
    for persona in case.personas:
        calls = await _calls_of(case, caller.run_id, persona)
        assert calls == (2 if persona in TWO else 1)


async def test_the_same_start_sent_to_two_processes_at_once(case: Case) -> None:
    streams = [await case.stream(review, key=case.mark) for review in case.stack.reviews * 3]

    runs = await asyncio.gather(*(stream.rest() for stream in streams))

    assert len({stream.run_id for stream in streams}) == 1
    assert all(len(events) == len(runs[0]) for events in runs)
    assert (await case.model_wait({}, run_id=streams[0].run_id))["total"]["started"] == 1 + len(case.personas)


async def test_the_same_key_with_another_request_is_refused_and_writes_nothing(case: Case) -> None:
    first, second = case.stack.reviews
    caller = await case.stream(first, key=case.mark)
    await caller.rest()
    entries = len(case.evidence().snapshot.runs)

    client = await case.at(second)
    other = review_service_pb2.StreamReviewRequest(
        review=case.wanted(case.idea.replace("five", "six")), idempotency_key=case.mark
    )
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await client.review.StreamReview(other).read()

    assert refusal.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert len(case.evidence().snapshot.runs) == entries


async def test_a_stopped_owner_that_goes_on_writes_nothing_and_closes_its_calls(case: Case) -> None:
    first, second = case.stack.reviews
    await case.hold(*TWO, times=1)
    caller = await case.stream(first)
    await caller.until("persona_review_ready", len(case.personas) - 2)

    await pause(first)
    taken = await (await case.watch(second, caller.run_id)).rest()
    stood = case.evidence().snapshot
    first.send(signal.SIGCONT)
    late = await caller.rest()
    await case.model_wait({"aborted": 2}, run_id=caller.run_id)

    assert kinds(taken)[-1] == kinds(late)[-1] == "run_completed"
    assert case.evidence().snapshot.runs[caller.run_id] == stood.runs[caller.run_id]
    assert "run_left" in first.logged()


async def test_a_stopped_owner_goes_on_while_another_works_and_its_late_results_are_refused(
    case: Case,
) -> None:
    first, second = case.stack.reviews
    old = f"{case.mark} old"
    await case.hold(*TWO, name=old, times=1)
    await case.hold(*TWO)
    caller = await case.stream(first)
    await caller.until("persona_review_ready", len(case.personas) - 2)

    await pause(first)
    for persona in TWO:
        await case.model_wait({"held": 1}, run_id=caller.run_id, persona=persona, attempt=2)
    stood = case.evidence().snapshot
    await case.release(old)  # the answers wait in the stopped process's sockets
    await case.model_wait({"succeeded": 1 + len(case.personas)}, run_id=caller.run_id)
    first.send(signal.SIGCONT)

    async def has_left() -> bool:
        lines = first.logged().splitlines()
        return any("run_left" in line and caller.run_id in line and "LEASE_LOST" in line for line in lines)

    await until(has_left)
    late = case.evidence().snapshot
    await case.release()

    assert late.entries == stood.entries
    assert late.payloads == stood.payloads
    assert late.attempts == stood.attempts
    assert kinds(await (await case.watch(second, caller.run_id)).rest())[-1] == "run_completed"


async def test_an_older_token_is_refused_with_lease_lost_while_another_works(case: Case) -> None:
    first, second = case.stack.reviews
    await case.hold(*TWO)
    caller = await case.stream(first)
    await caller.until("persona_review_ready", len(case.personas) - 2)
    first.kill()
    for persona in TWO:
        await case.model_wait({"held": 1}, run_id=caller.run_id, persona=persona, attempt=2)
    stood = case.evidence().snapshot

    client = await case.at(second)
    scope = persistence_service_pb2.CallScope(tenant="default", caller="anonymous", request_id="late")
    attach = persistence_service_pb2.BeginAttach(
        scope=scope, run_id=caller.run_id, fencing_token=1, lease_owner="a zombie"
    )
    stream = client.persistence.RecordRun()
    await stream.write(persistence_service_pb2.RecordRunRequest(attach=attach))
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await stream.read()

    assert refusal.value.code() is grpc.StatusCode.ABORTED
    assert "LEASE_LOST" in str(refusal.value.trailing_metadata())
    late = case.evidence().snapshot
    assert (late.entries, late.attempts) == (stood.entries, stood.attempts)
    assert late.runs[caller.run_id]["fencing_token"] == stood.runs[caller.run_id]["fencing_token"]


async def test_cancelled_on_another_process_its_calls_are_closed(case: Case) -> None:
    first, second = case.stack.reviews
    await case.hold("expand")
    caller = await case.stream(first)
    await caller.until("run_started")
    await case.model_wait({"held": 1}, run_id=caller.run_id)

    client = await case.at(second)
    await client.review.CancelRun(review_service_pb2.CancelRunRequest(run_id=caller.run_id))
    await case.model_wait({"aborted": 1}, run_id=caller.run_id)

    assert kinds(await caller.rest()).count("run_cancelled") == 1
