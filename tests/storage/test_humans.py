"""What people say instead of a panel, on the wire."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import decision_pb2, decision_service_pb2
from consensus_contract.errors import DatabaseError, IdempotencyKeyReused, RunNotDecided, RunNotFound
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.journal.stream import all_entries
from persistence_service.runs.write.purging import purge_ended
from tests.support.deciding import decided, decision_stub
from tests.support.records import Service, Worker, new_id, scope

REJECT = decision_pb2.DECISION_LABEL_REJECT
REVISE = decision_pb2.DECISION_LABEL_REVISE


@pytest.fixture
async def decisions(service: Service) -> AsyncIterator[Any]:
    async with decision_stub(service) as stub:
        yield stub


async def override(stub: Any, run_id: str, key: str = "", **fields: Any) -> Any:
    said = decision_pb2.DecisionOverride(
        **{"run_id": run_id, "label": REJECT, "reason": "the law forbids it", "user": "ann", **fields}
    )
    request = decision_service_pb2.OverrideDecisionRequest(override=said, idempotency_key=key)
    with contract_errors():
        return (await stub.OverrideDecision(request)).override


async def overrides(stub: Any, run_id: str, size: int = 0) -> list[Any]:
    found: list[Any] = []
    token = ""
    while True:
        request = decision_service_pb2.ListOverridesRequest(run_id=run_id, page_size=size, page_token=token)
        answer = await stub.ListOverrides(request)
        assert not size or len(answer.overrides) <= size
        found += answer.overrides
        token = answer.next_page_token
        if not token:
            return found


async def listed(service: Service) -> dict[str, Any]:
    request = persistence_service_pb2.ListRunsRequest(scope=scope())
    return {run.run_id: run for run in (await service.stub.ListRuns(request)).runs}


async def entries(service: Service, stream: str) -> list[Any]:
    return await service.database.run(lambda connection: list(all_entries(connection, "default", stream)))


async def test_the_newest_override_holds_and_the_decision_stays(service: Service, decisions: Any) -> None:
    run, other = await decided(service), await decided(service)
    first = await override(decisions, run.run_id)
    newest = await override(decisions, run.run_id, label=REVISE, reason="not yet", user="bob")

    assert (first.label, first.caller, first.user) == (REJECT, "anonymous", "ann")
    assert await overrides(decisions, run.run_id, size=1) == [newest, first]
    shown = await service.run(run.run_id)
    assert shown.effective_override == newest
    shown.ClearField("effective_override")
    assert shown == run
    assert await service.run(other.run_id) == other


async def test_lists_show_the_label_that_holds_alone(service: Service, decisions: Any) -> None:
    run, other = await decided(service), await decided(service)
    await override(decisions, run.run_id)
    await override(decisions, run.run_id, label=REVISE)

    runs = await listed(service)

    assert runs[run.run_id].effective_override == decision_pb2.DecisionOverride(label=REVISE)
    assert runs[run.run_id].decision.label == run.decision.label
    assert not runs[other.run_id].HasField("effective_override")


async def test_an_override_is_entered_into_the_journal_with_who(service: Service, decisions: Any) -> None:
    run = await decided(service)
    said = await override(decisions, run.run_id)

    (entry,) = await entries(service, f"decisions/{run.run_id}")

    assert (entry.event_type, entry.user) == ("decision.override", "ann")
    assert dict(entry.data) == {"override_id": said.override_id, "label": "REJECT"}


async def test_an_override_sent_again_is_recorded_once(service: Service, decisions: Any) -> None:
    run = await decided(service)
    first = await override(decisions, run.run_id, key="k")
    assert await override(decisions, run.run_id, key="k") == first
    assert await overrides(decisions, run.run_id) == [first]
    with pytest.raises(IdempotencyKeyReused):
        await override(decisions, run.run_id, key="k", reason="another")


async def test_what_has_no_decision_is_not_overridden(service: Service, decisions: Any) -> None:
    run_id = new_id()
    async with Worker(service) as worker:
        await worker.create(run_id)
        with pytest.raises(RunNotDecided):
            await override(decisions, run_id)
    with pytest.raises(RunNotFound):
        await override(decisions, "absent")


@pytest.mark.parametrize("fields", [{"reason": ""}, {"reason": " \n"}, {"reason": "\0"}, {"label": 0}])
async def test_an_override_without_label_or_reason_is_refused(
    service: Service, decisions: Any, fields: dict[str, Any]
) -> None:
    run = await decided(service)
    with pytest.raises(InvalidField):
        await override(decisions, run.run_id, **fields)
    assert await overrides(decisions, run.run_id) == []


async def test_overrides_go_with_their_run_and_come_back_with_it(service: Service, decisions: Any) -> None:
    run = await decided(service)
    said = await override(decisions, run.run_id)
    await service.stub.DeleteRun(persistence_service_pb2.DeleteRunRequest(scope=scope(), run_id=run.run_id))
    assert await overrides(decisions, run.run_id) == []
    await service.stub.UndeleteRun(
        persistence_service_pb2.UndeleteRunRequest(scope=scope(), run_id=run.run_id)
    )
    assert await overrides(decisions, run.run_id) == [said]


@pytest.mark.parametrize("table", ["decision_overrides"])
async def test_the_database_keeps_what_people_said_as_long_as_the_run(
    service: Service, decisions: Any, table: str
) -> None:
    run = await decided(service)
    await override(decisions, run.run_id)
    database = service.database

    def attempt(connection: Connection, change: str) -> None:
        connection.execute(text(change))

    for change in (f"UPDATE {table} SET caller = 'x'", f"DELETE FROM {table}"):
        with pytest.raises((DBAPIError, DatabaseError)):
            await database.run(lambda connection, change=change: attempt(connection, change))

    now = await database.run(database.now)
    await database.run(lambda connection: purge_ended(database.now, connection, now, 10))
    count = await database.run(lambda connection: connection.scalar(text(f"SELECT count(*) FROM {table}")))
    assert count == 0
