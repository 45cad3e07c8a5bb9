"""A run's ledger against a real persistence service, over a connection that fails."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from consensus.internal.v1 import persistence_service_pb2, persistence_service_pb2_grpc
from consensus.v1 import decision_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import LeaseLost, PersistenceUnavailable, RunCancelled
from consensus_contract.spans import duration
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.shard_map import ShardMap
from review_service.personas.panel import load_panel
from review_service.record.gateway import PersistenceGateway
from review_service.record.ledger import Begun, Ledger, NewRun
from review_service.record.run_ledger import RecordingEnded, RunLedger
from review_service.record.shards import Shard, Shards
from review_service.runs.record_items import decided as items_of_decision
from review_service.runs.record_items import step_started
from tests.support.fault_proxy import FaultProxy
from tests.support.pair import PERSISTENCE, until, wait_serving
from tests.support.processes import Process, clean_environment, start_process, wait_started

SCOPE = persistence_service_pb2.CallScope(tenant="default", caller="tester", request_id="r-1")
STEPS = ["expand", "review_architect", "review_critic", "review_optimist", "review_user_advocate"]
LEASE_SECONDS = 1.0
CLAIM = persistence_service_pb2.ClaimRunsRequest(lease_owner="other", max_count=100)


@pytest.fixture(scope="module")
def persistence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A persistence service on SQLite with short leases."""
    folder = tmp_path_factory.mktemp("persistence")
    environment = clean_environment(
        DATABASE_URL=f"sqlite:///{folder / 'consensus.db'}",
        PERSISTENCE_LISTEN="127.0.0.1:0",
        LEASE_SECONDS=str(LEASE_SECONDS),
        WATCH_POLL_SECONDS="0.1",
    )
    process = start_process("persistence_service", folder, environment)
    try:
        wait_serving(wait_started(process), PERSISTENCE)
        yield process
    finally:
        process.stop()


@pytest.fixture
async def proxy(persistence: Process) -> AsyncIterator[FaultProxy]:
    """What stands between the ledger and the service."""
    async with FaultProxy.start(persistence.internal_address) as between:
        yield between


@pytest.fixture
async def service(persistence: Process) -> AsyncIterator[Any]:
    """The service without anything in between."""
    async with open_channel(persistence.internal_address) as channel:
        yield persistence_service_pb2_grpc.PersistenceServiceStub(channel)


class Run:
    """A run that was begun through the proxy, with what its ledger published."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.published: list[run_event_pb2.RunEvent] = []
        self.ledger: RunLedger
        self.taken: list[float] = []
        """The seconds that each record took."""

    @property
    def sequences(self) -> list[int]:
        return [event.sequence for event in self.published]


@pytest.fixture
async def run(proxy: FaultProxy) -> AsyncIterator[Run]:
    async with begun_run(proxy) as begun:
        yield begun


def ledger_by(stub: Any, channel: Any = None, **more: Any) -> Ledger:
    """A ledger over one persistence service."""
    shards = Shards(ShardMap("persistence"), lambda address: Shard(address, channel, stub))
    return Ledger(PersistenceGateway(shards), "tester", **more)


@asynccontextmanager
async def begun_run(proxy: FaultProxy, run_seconds: int = 60, **more: Any) -> AsyncIterator[Run]:
    async with open_channel(proxy.address) as channel:
        begun = Run(str(uuid7()))
        stub: Any = persistence_service_pb2_grpc.PersistenceServiceStub(channel)
        new = NewRun(
            scope=SCOPE,
            run_id=begun.run_id,
            specification=run_pb2.RunSpecification(
                idea="A rota.", personas=load_panel().personas, run_timeout=duration(run_seconds), **more
            ),
            idempotency=None,
            first_attempts=[],
            first_items=[step_started("expand")],
        )
        ledger = ledger_by(stub, channel, acknowledged=begun.taken.append)
        answer = await ledger.create(new, begun.published.extend, answer_within=5)
        assert isinstance(answer, Begun)
        begun.ledger = answer.ledger
        yield begun
        await begun.ledger.abandon()


def _note(order: list[int], number: int, _: Any) -> None:
    order.append(number)


async def journal(service: Any, run_id: str) -> list[tuple[int, str]]:
    """What is recorded of a run: sequence and step."""
    asked = persistence_service_pb2.GetRunRequest(scope=SCOPE, run_id=run_id)
    last_sequence = (await service.GetRun(asked)).run.last_sequence
    watch = service.WatchRun(persistence_service_pb2.WatchRunRequest(scope=SCOPE, run_id=run_id))
    found: list[tuple[int, str]] = []
    async with asyncio.timeout(60):
        while not found or found[-1][0] < last_sequence:
            found += ((each.sequence, each.step_started.step) for each in (await watch.read()).events)
    watch.cancel()
    return found


async def test_records_are_on_their_way_together_and_acknowledged_in_order(run: Run) -> None:
    order: list[int] = []
    futures = [run.ledger.record([], [step_started(step)]) for step in STEPS[1:]]
    for number, future in enumerate(futures):
        future.add_done_callback(partial(_note, order, number))

    await asyncio.gather(*futures)

    assert order == [0, 1, 2, 3]
    assert run.sequences == [1, 2, 3, 4, 5, 6, 7]


async def test_a_cut_connection_is_replaced_and_nothing_is_recorded_twice(
    run: Run, proxy: FaultProxy, service: Any
) -> None:
    first = run.ledger.record([], [step_started("review_architect")])
    proxy.reset()
    second = run.ledger.record([], [step_started("review_critic")])

    await asyncio.gather(first, second)

    assert await journal(service, run.run_id) == [
        (1, ""),
        (2, ""),
        (3, "expand"),
        (4, "review_architect"),
        (5, "review_critic"),
    ]
    assert run.sequences == [1, 2, 3, 4, 5]


async def test_a_lost_acknowledgement_is_given_again_for_the_same_record(
    run: Run, proxy: FaultProxy, service: Any
) -> None:
    proxy.drop_replies()
    recorded = run.ledger.record([], [step_started("review_architect")])

    async def committed() -> bool:
        return len(await journal(service, run.run_id)) == 4

    async with asyncio.timeout(5):
        while not await committed():
            assert not recorded.done()
    proxy.heal()
    proxy.reset()
    await recorded

    assert await committed()
    assert run.sequences == [1, 2, 3, 4]


async def test_it_is_said_how_long_each_record_took_and_how_long_one_was_waited_for_in_vain(
    run: Run, proxy: FaultProxy
) -> None:
    proxy.delay(0.3)
    await run.ledger.record([], [step_started("review_architect")])
    proxy.drop_replies()
    recorded = run.ledger.record([], [step_started("review_critic")])

    async def is_sent() -> bool:
        return bool(run.ledger._sent_at)

    await until(is_sent)
    proxy.heal()
    proxy.reset()
    await recorded

    assert len(run.taken) == 3
    assert run.taken[0] >= 0.3


async def test_the_lease_is_renewed_for_as_long_as_the_run_is_worked_on(run: Run, service: Any) -> None:
    await asyncio.sleep(2.5 * LEASE_SECONDS)  # longer than a lease: that is what the test is about

    claimed = await service.ClaimRuns(
        persistence_service_pb2.ClaimRunsRequest(lease_owner="another", max_count=100)
    )

    assert run.run_id not in [each.run_id for each in claimed.runs]
    assert not run.ledger.lost.done()


async def _taken_over(service: Any, run_id: str) -> None:
    async with asyncio.timeout(10):
        while True:
            request = persistence_service_pb2.ClaimRunsRequest(lease_owner="another", max_count=100)
            if run_id in [each.run_id for each in (await service.ClaimRuns(request)).runs]:
                return
            await asyncio.sleep(0.05)


async def test_no_model_call_may_start_once_the_lease_may_have_ended_and_a_zombie_cannot_write(
    run: Run, proxy: FaultProxy, service: Any
) -> None:
    proxy.black_hole()
    await _taken_over(service, run.run_id)

    waiting = asyncio.create_task(run.ledger.wait_lease())
    recorded = run.ledger.record([], [step_started("review_architect")])
    await asyncio.sleep(0)
    assert not waiting.done()
    proxy.heal()

    with pytest.raises(RecordingEnded) as caught:
        await recorded
    assert isinstance(caught.value.error, LeaseLost)
    assert isinstance(run.ledger.lost.result(), LeaseLost)
    assert len(await journal(service, run.run_id)) == 4  # of which the last is the take-over
    waiting.cancel()


async def test_an_ended_lease_that_nobody_took_is_renewed_and_the_run_goes_on(
    run: Run, proxy: FaultProxy
) -> None:
    proxy.black_hole()
    recorded = run.ledger.record([], [step_started("review_architect")])
    await asyncio.sleep(1.2 * LEASE_SECONDS)  # longer than the lease: that is what the test is about
    waiting = asyncio.create_task(run.ledger.wait_lease())
    await asyncio.sleep(0)
    assert not waiting.done()

    proxy.heal()

    await asyncio.gather(recorded, waiting)
    assert run.sequences == [1, 2, 3, 4]


async def test_a_cancelled_run_is_noticed_without_a_write(run: Run, service: Any) -> None:
    await service.CancelRun(persistence_service_pb2.CancelRunRequest(scope=SCOPE, run_id=run.run_id))

    async with asyncio.timeout(60):
        assert isinstance(await run.ledger.lost, RunCancelled)


async def test_a_run_whose_service_stays_away_is_left_once_its_time_is_over(proxy: FaultProxy) -> None:
    async with begun_run(proxy, run_seconds=2) as run:
        proxy.refuse()

        recorded = run.ledger.record([], [step_started("review_architect")])

        async with asyncio.timeout(10 * LEASE_SECONDS):
            with pytest.raises(RecordingEnded) as caught:
                await recorded
    assert isinstance(caught.value.error, PersistenceUnavailable)


async def test_a_released_run_can_be_claimed_at_once(run: Run, service: Any) -> None:
    recorded = run.ledger.record([], [step_started("review_architect")])

    await run.ledger.release()
    claimed = await service.ClaimRuns(
        persistence_service_pb2.ClaimRunsRequest(lease_owner="another", max_count=100)
    )

    assert recorded.done()
    assert run.run_id in [each.run_id for each in claimed.runs]


async def test_a_decision_under_a_policy_that_persistence_does_not_know_waits_for_its_replacement(
    proxy: FaultProxy, service: Any
) -> None:
    newer = decision_pb2.Decision(label=decision_pb2.DECISION_LABEL_APPROVE, policy_version="9.0.0")
    async with begun_run(proxy, policy_version="9.0.0") as run:
        decided = run.ledger.record([], items_of_decision(newer))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3 * LEASE_SECONDS):
                await asyncio.shield(decided)
        assert not run.ledger.lost.done()
        claimed = (await service.ClaimRuns(CLAIM)).runs
        assert run.run_id not in {each.run_id for each in claimed}
        assert (await journal(service, run.run_id))[-1] == (3, "expand")


async def test_a_run_of_a_newer_policy_is_left_where_it_is(service: Any) -> None:
    newer, unnamed = [await _queued(service, each) for each in ("9.0.0", "")]
    claimed = {each.run.run_id for each in await ledger_by(service).claim(100)}
    assert unnamed in claimed
    assert newer not in claimed


async def _queued(service: Any, policy_version: str) -> str:
    specification = run_pb2.RunSpecification(
        idea="A rota.",
        personas=load_panel().personas,
        run_timeout=duration(60),
        policy_version=policy_version,
    )
    request = persistence_service_pb2.CreateRunRequest(
        scope=SCOPE, run_id=str(uuid7()), specification=specification
    )
    return str((await service.CreateRun(request)).run.run_id)


async def test_what_is_given_to_a_ledger_that_has_ended_is_refused(run: Run) -> None:
    await run.ledger.abandon()

    with pytest.raises(RecordingEnded):
        await run.ledger.record([], [step_started("review_architect")])
