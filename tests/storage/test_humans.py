"""What people say instead of a panel, on the wire."""

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import decision_pb2, decision_service_pb2, run_event_pb2, run_pb2
from consensus_contract.errors import (
    DatabaseError,
    IdempotencyKeyReused,
    IllegalState,
    RunNotDecided,
    RunNotFound,
)
from consensus_decision.policies import policy_message
from consensus_decision.policy import Selection
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.database import EVERY_TENANT
from persistence_service.journal.stream import all_entries
from persistence_service.runs.write.purging import purge_ended
from tests.support.deciding import decided
from tests.support.policies import LOG_ODDS
from tests.support.records import LONG_AGO, PERSONAS, Service, Worker, failure, new_id, record, review, scope

REJECT = decision_pb2.DECISION_LABEL_REJECT
REVISE = decision_pb2.DECISION_LABEL_REVISE
OPEN = decision_service_pb2.ESCALATION_STATE_OPEN
RESOLVED = decision_service_pb2.ESCALATION_STATE_RESOLVED
VETO_HOLDER = "security_guardian"
CAREFUL = replace(LOG_ODDS, selection=Selection(Decimal("0.01"), None))
BOLD = replace(LOG_ODDS, selection=Selection(Decimal("0.9"), Decimal(0)))


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


async def resolve(stub: Any, run_id: str, key: str = "", label: Any = 0, **fields: Any) -> Any:
    said = decision_service_pb2.EscalationResolution(
        **{"run_id": run_id, "resolution": "looked at it", "user": "ann", **fields}
    )
    request = decision_service_pb2.ResolveEscalationRequest(
        resolution=said, override_label=label, idempotency_key=key
    )
    with contract_errors():
        return await stub.ResolveEscalation(request)


async def escalations(stub: Any, state: Any = 0, size: int = 0) -> list[Any]:
    found: list[Any] = []
    token = ""
    while True:
        request = decision_service_pb2.ListEscalationsRequest(state=state, page_size=size, page_token=token)
        answer = await stub.ListEscalations(request)
        assert not size or len(answer.escalations) <= size
        found += answer.escalations
        token = answer.next_page_token
        if not token:
            return found


async def vetoed(service: Service) -> run_pb2.Run:
    """A run that a holder of a veto let through no further."""
    reviews = [review(persona, 0.9) for persona in PERSONAS]
    holder = next(each for each in reviews if each.persona_id == VETO_HOLDER)
    holder.blocking_issues.add(text="It leaks.", security_critical=True)
    holder.blocking_issues_present = holder.security_critical_issues_present = True
    return await decided(service, reviews=reviews)


async def failed(service: Service) -> str:
    run_id = new_id()
    async with Worker(service) as worker:
        await worker.create(run_id)
        await worker.record(record(2, run_event_pb2.RunFailed(failure=failure())))
    return run_id


async def listed(service: Service) -> dict[str, Any]:
    request = persistence_service_pb2.ListRunsRequest(scope=scope())
    return {run.run_id: run for run in (await service.stub.ListRuns(request)).runs}


async def entries(service: Service, stream: str) -> list[Any]:
    return await service.database.run(
        lambda connection: list(all_entries(connection, "default", stream)), tenant=EVERY_TENANT
    )


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


TABLES = ("decision_overrides", "escalations", "escalation_resolutions")


def execute(statement: str, connection: Connection) -> None:
    connection.execute(text(statement))


@pytest.mark.parametrize("table", TABLES)
async def test_the_database_keeps_what_people_said_as_long_as_the_run(
    service: Service, decisions: Any, table: str
) -> None:
    run = await vetoed(service)
    await resolve(decisions, run.run_id, label=REJECT)
    database = service.database

    for change in (f"UPDATE {table} SET create_time = create_time", f"DELETE FROM {table}"):
        with pytest.raises((DBAPIError, DatabaseError)):
            await database.run(partial(execute, change), tenant=EVERY_TENANT)

    now = await database.run(database.now, tenant=EVERY_TENANT)
    await database.run(lambda connection: purge_ended(database.now, connection, now, 10), tenant=EVERY_TENANT)
    count = await database.run(
        lambda connection: connection.scalar(text(f"SELECT count(*) FROM {table}")), tenant=EVERY_TENANT
    )
    assert count == 0


async def test_what_a_person_should_look_at_is_escalated_and_nothing_else(
    service: Service, decisions: Any
) -> None:
    quiet = await decided(service)
    veto, doubtful = await vetoed(service), await decided(service, policy_message("careful", CAREFUL))
    broken = await failed(service)

    found = await escalations(decisions, size=1)

    assert [(each.run_id, each.cause) for each in found] == [
        (broken, decision_service_pb2.ESCALATION_CAUSE_RUN_FAILED),
        (doubtful.run_id, decision_service_pb2.ESCALATION_CAUSE_TARGET_ERROR),
        (veto.run_id, decision_service_pb2.ESCALATION_CAUSE_SECURITY_VETO),
    ]
    assert {each.state for each in found} == {OPEN}
    assert doubtful.assessment.stands_alone is False
    assert veto.decision.fired_rules[1].rule == decision_pb2.DECISION_RULE_SECURITY_VETO
    with pytest.raises(IllegalState):
        await resolve(decisions, quiet.run_id)


async def test_a_decision_that_stands_alone_is_not_escalated(service: Service, decisions: Any) -> None:
    run = await decided(service, policy_message("bold", BOLD))
    assert run.assessment.stands_alone
    assert await escalations(decisions) == []


async def test_it_is_open_until_somebody_resolves_or_overrides(service: Service, decisions: Any) -> None:
    first, second, third = await vetoed(service), await vetoed(service), await failed(service)
    answer = await resolve(decisions, first.run_id)
    said = await override(decisions, second.run_id)

    assert [each.run_id for each in await escalations(decisions, OPEN)] == [third]
    overridden, resolved = await escalations(decisions, RESOLVED)
    assert (overridden.run_id, overridden.effective_override) == (second.run_id, said)
    assert (resolved.run_id, resolved.resolution) == (first.run_id, answer.resolution)
    assert (resolved.resolution.user, resolved.resolution.caller) == ("ann", "anonymous")
    assert not answer.HasField("override")


async def test_a_resolution_may_override(service: Service, decisions: Any) -> None:
    run = await vetoed(service)

    answer = await resolve(decisions, run.run_id, label=REJECT)

    assert (answer.override.label, answer.override.reason) == (REJECT, "looked at it")
    assert (await service.run(run.run_id)).effective_override == answer.override
    kinds = [entry.event_type for entry in await entries(service, f"decisions/{run.run_id}")]
    assert kinds == ["escalation.resolve", "decision.override"]
    with pytest.raises(RunNotDecided):
        await resolve(decisions, await failed(service), label=REJECT)


async def test_a_run_that_is_resumed_is_escalated_again_only_when_it_fails_again(
    service: Service, decisions: Any
) -> None:
    run_id = await failed(service)
    await resolve(decisions, run_id)
    await service.resume(run_id)
    assert await escalations(decisions) == []
    (claimed,) = await service.claim()
    async with service.attached(run_id, claimed.lease.fencing_token) as worker:
        await worker.record(record(3, run_event_pb2.RunFailed(failure=failure())))

    (again,) = await escalations(decisions)

    assert (again.state, again.HasField("resolution")) == (OPEN, False)


async def test_a_run_that_is_given_up_is_escalated_too(service: Service, decisions: Any) -> None:
    run_id = new_id()
    async with Worker(service) as worker:
        await worker.create(run_id)
    await service.set_run(run_id, expire_time=LONG_AGO, lease_expire_time=LONG_AGO)
    assert await service.claim() == []

    (found,) = await escalations(decisions)

    assert (found.run_id, found.cause) == (run_id, decision_service_pb2.ESCALATION_CAUSE_RUN_FAILED)


async def test_a_resolution_sent_again_is_recorded_once(service: Service, decisions: Any) -> None:
    run = await vetoed(service)
    first = await resolve(decisions, run.run_id, key="k", label=REJECT)
    assert await resolve(decisions, run.run_id, key="k", label=REJECT) == first
    assert len(await entries(service, f"decisions/{run.run_id}")) == 2
