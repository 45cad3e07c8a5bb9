"""Lists of runs and attempts: filters, order, pages."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, decision_pb2, errors_pb2, run_pb2
from consensus_contract.errors import RunNotFound
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField, InvalidPageToken
from tests.support.records import (
    PERSONAS,
    Service,
    attempt,
    decision,
    happy_records,
    new_id,
    record,
    scope,
    specification,
)

NOON = datetime(2026, 11, 20, 12, 0, 0, 1, tzinfo=UTC)


async def page(
    service: Service,
    wanted: run_pb2.RunFilter | None = None,
    size: int = 0,
    token: str = "",
    tenant: str = "default",
) -> persistence_service_pb2.ListRunsResponse:
    request = persistence_service_pb2.ListRunsRequest(
        scope=scope(tenant), filter=wanted, page_size=size, page_token=token
    )
    with contract_errors():
        return await service.stub.ListRuns(request)


async def found(service: Service, **fields: object) -> list[str]:
    wanted = run_pb2.RunFilter(**fields)  # type: ignore[arg-type]  # checked at the call
    return [run.run_id for run in (await page(service, wanted)).runs]


async def runs_at(service: Service, *minutes: int) -> list[str]:
    """Runs created so many minutes after noon."""
    runs = []
    for minute in minutes:
        run = await service.queued()
        await service.set_run(run.run_id, create_time=NOON + timedelta(minutes=minute))
        runs.append(run.run_id)
    return runs


def stamp(minute: int) -> Timestamp:
    instant = NOON + timedelta(minutes=minute)
    message = Timestamp()
    message.FromDatetime(instant)
    return message


async def test_the_newest_come_first_and_the_id_breaks_ties(service: Service) -> None:
    runs = await runs_at(service, 0, 5, 5, 2)
    tied = sorted([runs[1], runs[2]], reverse=True)
    assert await found(service) == [*tied, runs[3], runs[0]]


async def test_pages_neither_repeat_nor_skip_while_runs_are_added(service: Service) -> None:
    runs = await runs_at(service, *range(7))
    seen: list[str] = []
    token = ""
    for _ in range(4):
        answer = await page(service, size=2, token=token)
        seen.extend(run.run_id for run in answer.runs)
        token = answer.next_page_token
        await runs_at(service, 100)
    assert seen == runs[::-1]
    assert token == ""


async def test_a_page_holds_thirty_unless_told_otherwise(service: Service) -> None:
    await runs_at(service, *range(31))
    answer = await page(service)
    assert len(answer.runs) == 30
    assert answer.next_page_token


@pytest.mark.parametrize("size", [-1, 101])
async def test_other_page_sizes_are_refused(service: Service, size: int) -> None:
    with pytest.raises(InvalidField):
        await page(service, size=size)


async def test_a_token_is_good_at_every_replica(service: Service, second_service: Service) -> None:
    runs = await runs_at(service, 0, 1)
    token = (await page(service, size=1)).next_page_token
    assert [run.run_id for run in (await page(second_service, size=1, token=token)).runs] == runs[:1]


async def test_a_token_of_another_tenant_is_refused(service: Service) -> None:
    await runs_at(service, 0, 1)
    token = (await page(service, size=1)).next_page_token
    with pytest.raises(InvalidPageToken):
        await page(service, size=1, token=token, tenant="other")


async def test_a_token_of_another_filter_is_refused(service: Service) -> None:
    await runs_at(service, 0, 1)
    token = (await page(service, size=1)).next_page_token
    with pytest.raises(InvalidPageToken):
        await page(service, run_pb2.RunFilter(user="u-2"), size=1, token=token)


@pytest.mark.parametrize("template", ["{}x", "x{}", "WzFd.abc", "{0}{0}", "."])
async def test_forged_tokens_are_refused(service: Service, template: str) -> None:
    await runs_at(service, 0, 1)
    token = (await page(service, size=1)).next_page_token
    with pytest.raises(InvalidPageToken):
        await page(service, size=1, token=template.format(token))


async def test_listed_runs_have_no_steps_but_their_outcome(service: Service) -> None:
    async with service.created() as worker:
        await worker.finish()
    (run,) = (await page(service)).runs
    whole = await service.run(worker.run_id)
    assert not run.steps
    assert not run.persona_reviews
    assert not run.HasField("proposal")
    assert run.decision == decision_pb2.Decision(
        label=decision().label, overall_weighted_confidence=0.8123, policy_version="1.0.0"
    )
    assert run.specification == whole.specification
    assert run.finish_time == whole.finish_time


async def test_filters_by_state(service: Service) -> None:
    async with service.created() as worker:
        queued = await service.queued()
        assert await found(service, state=run_pb2.RUN_STATE_QUEUED) == [queued.run_id]
        assert await found(service, state=run_pb2.RUN_STATE_RUNNING) == [worker.run_id]


async def test_filters_by_type_and_parent(service: Service) -> None:
    first, second = await runs_at(service, 0, 1)
    await service.set_run(second, run_type="REVISION", parent_run_id=first)
    assert await found(service, type=run_pb2.RUN_TYPE_REVISION) == [second]
    assert await found(service, type=run_pb2.RUN_TYPE_INITIAL) == [first]
    assert await found(service, parent_run_id=first) == [second]
    assert await found(service, parent_run_id=second) == []


async def test_filters_by_decision_and_least_confidence(service: Service) -> None:
    low, high, _ = await runs_at(service, 0, 1, 2)
    await service.set_run(low, decision_label="REJECT", confidence=5999, decision_policy_version="1")
    await service.set_run(high, decision_label="APPROVE", confidence=8000, decision_policy_version="1")
    assert await found(service, decision=decision_pb2.DECISION_LABEL_REJECT) == [low]
    assert await found(service, min_confidence=0.8) == [high]
    assert await found(service, min_confidence=0.80005) == []
    assert await found(service, min_confidence=0.0) == [high, low]


async def test_both_ends_of_the_window_are_inclusive(service: Service) -> None:
    runs = await runs_at(service, 0, 1, 2, 3)
    assert await found(service, create_time_from=stamp(1), create_time_to=stamp(2)) == [runs[2], runs[1]]


async def test_filters_by_user(service: Service) -> None:
    first, second = await runs_at(service, 0, 1)
    await service.set_run(second, user_id="u-2")
    assert await found(service, user="u-2") == [second]
    assert await found(service, user="u-1") == [first]


async def test_all_that_is_set_must_hold(service: Service) -> None:
    first, second = await runs_at(service, 0, 1)
    await service.set_run(second, user_id="u-2")
    assert await found(service, user="u-2", create_time_to=stamp(0)) == []
    assert await found(service, user="u-1", create_time_to=stamp(0)) == [first]


async def attempts_page(
    service: Service, run_id: str, size: int = 0, token: str = ""
) -> persistence_service_pb2.ListAttemptsResponse:
    request = persistence_service_pb2.ListAttemptsRequest(
        scope=scope(), run_id=run_id, page_size=size, page_token=token
    )
    with contract_errors():
        return await service.stub.ListAttempts(request)


async def all_attempts(service: Service, run_id: str, size: int) -> list[list[attempt_pb2.Attempt]]:
    """Every page."""
    pages: list[list[attempt_pb2.Attempt]] = []
    token = ""
    while not pages or token:
        answer = await attempts_page(service, run_id, size, token)
        pages.append(list(answer.attempts))
        token = answer.next_page_token
    return pages


async def test_attempts_come_in_the_order_of_steps_and_numbers(service: Service) -> None:
    async with service.created() as worker:
        await worker.finish()
    pages = await all_attempts(service, worker.run_id, size=4)
    assert [len(each) for each in pages] == [4, 2]
    assert [(each.step, each.attempt_number) for page in pages for each in page] == [
        ("expand", 1),
        *((f"review_{persona}", 1) for persona in PERSONAS),
    ]


async def test_an_attempt_keeps_its_start_when_it_ends(service: Service) -> None:
    async with service.created() as worker:
        (before,) = (await attempts_page(service, worker.run_id)).attempts
        await worker.record(happy_records()[0])
        after = (await attempts_page(service, worker.run_id)).attempts[0]
    assert after.state == attempt_pb2.ATTEMPT_STATE_SUCCEEDED
    assert after.start_time == before.start_time


async def test_large_answers_share_pages_that_fit_a_message(service: Service) -> None:
    failed = attempt_pb2.ATTEMPT_STATE_FAILED
    reason = errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT
    async with service.created() as worker:
        for number in range(1, 6):
            large = attempt(number=number, state=failed, reason=reason, raw_output="x" * 1_000_000)
            await worker.record(record(number + 1, attempts=[large]))
    pages = await all_attempts(service, worker.run_id, size=0)
    assert [[each.attempt_number for each in page] for page in pages] == [[1, 2], [3, 4], [5]]


async def test_attempts_of_an_unknown_run_are_not_there(service: Service) -> None:
    with pytest.raises(RunNotFound):
        await attempts_page(service, new_id())


async def test_expansions_keep_their_attempts_however_often_they_are_sent(service: Service) -> None:
    expansion, started = new_id(), attempt()
    succeeded = attempt(state=attempt_pb2.ATTEMPT_STATE_SUCCEEDED, http_status=200)
    for sent in (started, succeeded, started, succeeded):
        request = persistence_service_pb2.RecordExpansionRequest(
            scope=scope(), expansion_id=expansion, attempts=[sent]
        )
        await service.stub.RecordExpansion(request)
    (kept,) = (await attempts_page(service, expansion)).attempts
    assert (kept.state, kept.http_status) == (succeeded.state, 200)


async def test_specifications_read_back_as_they_were_sent(service: Service) -> None:
    async with service.created() as worker:
        assert (await service.run(worker.run_id)).specification == specification()
