"""One run id leads through events, errors, logs and audit entries; none of them holds content."""

from typing import Any

import pytest
import sqlalchemy

from consensus_contract.errors import QuorumNotMet
from consensus_rpc.channel.status import contract_errors
from offline_model.script import Rule
from tests.support.pair import Client, Pair, kinds, review_request, until
from tests.support.postgres import showing_all

REQUEST_ID = "trace-me-42"


def audit_entries(pair: Pair, run_id: str) -> list[dict[str, Any]]:
    """The journal of a run as an auditor would read it from the database."""
    url = showing_all(pair.database_url).replace("postgresql://", "postgresql+psycopg2://")
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    query = sqlalchemy.text("SELECT * FROM audit_log WHERE stream = :stream ORDER BY sequence")
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(query, {"stream": f"runs/{run_id}"}).mappings()]
    finally:
        engine.dispose()


def log_of(pair: Pair, run_id: str) -> list[dict[str, Any]]:
    """What the review service logged of a run."""
    return [line for line in pair.log_lines(pair.review) if line.get("run_id") == run_id]


async def failed_run(client: Client, idea: str, mark: str) -> tuple[list[Any], QuorumNotMet, dict[str, str]]:
    """A run in which one persona gave up: its events, its error, the stream's initial metadata."""
    await client.model.script(Rule(persona="critic", contains=mark, refusal="I would rather not."))
    call = client.review.StreamReview(review_request(idea), metadata=(("x-request-id", REQUEST_ID),))
    events: list[Any] = []
    with pytest.raises(QuorumNotMet) as caught, contract_errors():  # noqa: PT012 - it fails after its events
        async for message in call:
            events += message.events
    return events, caught.value, dict(await call.initial_metadata())


async def test_one_run_id_leads_through_events_errors_logs_and_audit(
    pair: Pair, client: Client, idea: str, mark: str
) -> None:
    events, error, metadata = await failed_run(client, idea, mark)
    run_id = error.run_id
    assert run_id is not None

    assert {event.run_id for event in events} == {run_id}
    assert metadata["x-run-id"] == run_id
    assert error.request_id == metadata["x-request-id"] == REQUEST_ID

    entries = audit_entries(pair, run_id)
    assert [entry["sequence"] for entry in entries] == [event.sequence for event in events]
    assert [entry["event_type"] for entry in entries][-2:] == ["step.skipped", "run.failed"]
    assert "step.failed" in [entry["event_type"] for entry in entries]
    assert {entry["request_id"] for entry in entries} == {REQUEST_ID}
    assert {entry["caller"] for entry in entries} == {"anonymous"}

    # The call's own line is written once its answer has left.
    async def is_whole() -> bool:
        return "rpc_finished" in {line["event"] for line in log_of(pair, run_id)}

    await until(is_whole)
    review_log = log_of(pair, run_id)
    assert {line["request_id"] for line in review_log} == {REQUEST_ID}
    named = [line["event"] for line in review_log]
    assert named.count("step_completed") == 5
    assert {"run_begun", "attempt_failed", "step_failed", "run_ended", "rpc_finished"} <= set(named)
    persistence_log = [line for line in pair.log_lines(pair.persistence) if line.get("run_id") == run_id]
    assert any(line.get("request_id") == REQUEST_ID for line in persistence_log)


async def test_neither_logs_nor_errors_nor_audit_hold_content_or_keys(
    pair: Pair, client: Client, idea: str, mark: str
) -> None:
    events, error, _ = await failed_run(client, idea, mark)
    assert error.run_id is not None

    logged = "".join(process.logged() for process in (pair.review, pair.persistence) if process is not None)
    audited = str(audit_entries(pair, error.run_id))
    told = f"{error.message}{error.metadata}"

    proposal = events[3].proposal_ready.proposal
    for secret in (mark, "handovers take under", proposal.proposed_solution[:40], "sk-offline"):
        assert secret not in logged
        assert secret not in audited
        assert secret not in told


async def test_every_change_of_a_run_leaves_exactly_one_audit_entry(
    pair: Pair, client: Client, idea: str
) -> None:
    events = await client.stream(idea)

    entries = audit_entries(pair, events[0].run_id)

    as_types = {"proposal_ready": "proposal.recorded", "persona_review_ready": "persona_review.recorded",
                "decision_ready": "decision.recorded"}  # fmt: skip
    expected = [as_types.get(kind, kind.replace("_", ".", 1)) for kind in kinds(events)]
    assert [entry["event_type"] for entry in entries] == expected
