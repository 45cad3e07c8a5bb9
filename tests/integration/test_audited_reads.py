"""Where AUDIT_READS is true, who looked at what stands in the audit trail; elsewhere it does not."""

from collections.abc import Callable
from contextlib import aclosing

import pytest

from consensus.v1 import audit_service_pb2, review_service_pb2
from consensus_client import AuditClient, DraftClient
from tests.support.pair import Pair

STREAM = audit_service_pb2.AuditFilter(stream="reads/default")


async def reads_of(pair: Pair) -> list[str]:
    """A run read in four ways, and what the trail has of it, oldest first."""
    async with pair.client() as client, AuditClient(pair.persistence_address) as audit:
        run_id = (await client.stream("Let customers export their orders as CSV."))[0].run_id
        await client.get(run_id)
        await client.watch(run_id)
        await client.review.ListRuns(review_service_pb2.ListRunsRequest())
        await client.review.ListAttempts(review_service_pb2.ListAttemptsRequest(run_id=run_id))
        page = await audit.list_entries(STREAM)
        assert [message async for message in audit.verify()][-1].verdict.findings == []
    return [entry.event_type for entry in reversed(page.entries)]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_reads_are_entered_where_that_is_asked_for(
    start_pair: Callable[..., Pair], database: str
) -> None:
    pair = start_pair(database=database, persistence={"AUDIT_READS": "true"})
    assert await reads_of(pair) == ["run.read", "run.watched", "runs.listed", "attempts.listed"]


async def test_reads_of_drafts_are_entered_too(start_pair: Callable[..., Pair]) -> None:
    pair = start_pair(persistence={"AUDIT_READS": "true"})
    async with (
        DraftClient(pair.persistence_address) as drafts,
        AuditClient(pair.persistence_address) as audit,
    ):
        draft_id = (await drafts.create("A draft", user="ann")).draft_id
        await drafts.get(draft_id)
        await drafts.list_page("ann")
        async with aclosing(drafts.watch(draft_id)) as events:
            await anext(events)
        page = await audit.list_entries(STREAM)
    found = [(entry.event_type, entry.user) for entry in reversed(page.entries)]
    assert found == [("draft.read", ""), ("drafts.listed", "ann"), ("draft.watched", "")]


async def test_reads_leave_no_entry_by_default(start_pair: Callable[..., Pair]) -> None:
    assert await reads_of(start_pair()) == []
