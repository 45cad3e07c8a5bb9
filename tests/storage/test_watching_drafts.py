"""Drafts followed: each event once, in order, from any replica, as it is committed."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import pytest

from consensus.v1 import draft_pb2, draft_service_pb2
from consensus_contract.errors import DraftNotFound
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import ShuttingDown
from persistence_service.database import Database
from tests.support.drafts import EDITOR, VIEWER, Drafts


@pytest.fixture
async def drafts(database: Database) -> AsyncIterator[Drafts]:
    async with Drafts(database) as drafts:
        yield drafts


class Watcher:
    """A stream, read an event at a time."""

    def __init__(self, drafts: Drafts, draft_id: str, after: int = 0) -> None:
        request = draft_service_pb2.WatchDraftRequest(draft_id=draft_id, after_sequence=after)
        self.call = drafts.stub.WatchDraft(request)
        self._unread: deque[draft_pb2.DraftEvent] = deque()

    async def next(self) -> draft_pb2.DraftEvent:
        """The next event, past signs of life."""
        while not self._unread:
            with contract_errors():
                message = await asyncio.wait_for(self.call.read(), 10)
            assert isinstance(message, draft_service_pb2.WatchDraftResponse), "the stream goes on"
            self._unread.extend(message.events)
        return self._unread.popleft()


async def live_a_whole_life(drafts: Drafts) -> str:
    """A draft to which everything happens that can."""
    draft_id = (await drafts.create(first_segment="one")).draft_id
    await drafts.add(draft_id, "vic", VIEWER)
    await drafts.call("RemoveCollaborator", draft_id=draft_id, user="ann", collaborator="vic")
    accepted, declined, revoked = [await drafts.invite(draft_id) for _ in range(3)]
    await drafts.call("AcceptInvitation", draft_id=draft_id, user="ben", token=accepted.token)
    await drafts.call("DeclineInvitation", draft_id=draft_id, user="eve", token=declined.token)
    await drafts.call(
        "RevokeInvitation",
        draft_id=draft_id,
        user="ann",
        invitation_id=revoked.invitation.invitation_id,
    )
    await drafts.pass_ring(draft_id, "ann", "ben")
    await drafts.append(draft_id, "ben", "two")
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_LOCKED)
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_COMPLETED)
    await drafts.call("DeleteDraft", draft_id=draft_id, user="ann")
    await drafts.call("UndeleteDraft", draft_id=draft_id, user="ann")
    return draft_id


async def test_every_kind_of_change_is_an_event(drafts: Drafts) -> None:
    draft_id = await live_a_whole_life(drafts)
    events = await drafts.events(draft_id)
    assert [event.WhichOneof("payload") for event in events] == [
        "draft_created",
        "segment_added",
        "collaborator_added",
        "collaborator_removed",
        *["invitation_created"] * 3,
        "invitation_accepted",
        "invitation_declined",
        "invitation_revoked",
        "ring_passed",
        "segment_added",
        "draft_updated",
        "draft_completed",
        "draft_deleted",
        "draft_undeleted",
    ]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert {event.draft_id for event in events} == {draft_id}
    assert [event.segment_added.segment.text for event in events if event.HasField("segment_added")] == [
        "one",
        "two",
    ]
    accepted, passed = events[7], events[10].ring_passed
    assert (accepted.user, accepted.invitation_accepted.role) == ("ben", EDITOR)
    assert (passed.position, passed.from_user, passed.to_user) == (1, "ann", "ben")
    assert events[12].draft_updated.state == draft_pb2.DRAFT_STATE_LOCKED
    assert events[13].draft_completed.segment_count == 2
    assert [event.event_time.ToDatetime() for event in events] == sorted(
        event.event_time.ToDatetime() for event in events
    )


async def test_a_segment_of_an_event_is_the_segment_itself(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    written = await drafts.append(draft_id)
    assert (await drafts.events(draft_id))[-1].segment_added.segment == written


async def test_a_watcher_goes_on_after_what_it_has(drafts: Drafts) -> None:
    draft_id = await live_a_whole_life(drafts)
    all_events = await drafts.events(draft_id)
    assert await drafts.events(draft_id, after=5) == all_events[5:]


async def test_what_is_ready_comes_in_one_message(drafts: Drafts) -> None:
    draft_id = await live_a_whole_life(drafts)
    all_events = await drafts.events(draft_id)
    watcher = Watcher(drafts, draft_id)
    message = await asyncio.wait_for(watcher.call.read(), 10)
    assert (list(message.events), message.HasField("heartbeat")) == (all_events, False)
    watcher.call.cancel()


async def test_co_writers_see_changes_as_they_are_made(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    watchers = [Watcher(drafts, draft_id) for _ in range(2)]
    for watcher in watchers:
        assert (await watcher.next()).HasField("draft_created")
    written = await drafts.append(draft_id)
    for watcher in watchers:
        assert (await watcher.next()).segment_added.segment == written
        watcher.call.cancel()


async def test_changes_through_another_replica_are_seen(drafts: Drafts, second_database: Database) -> None:
    draft_id = (await drafts.create()).draft_id
    watcher = Watcher(drafts, draft_id, after=1)
    async with Drafts(second_database) as other:
        written = await other.append(draft_id)
    assert (await watcher.next()).segment_added.segment == written
    watcher.call.cancel()


async def test_a_stream_ends_when_its_draft_is_deleted(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    watcher = Watcher(drafts, draft_id)
    await watcher.next()  # a stream that begins after the deletion would find no draft
    await drafts.call("DeleteDraft", draft_id=draft_id, user="ann")
    assert (await watcher.next()).HasField("draft_deleted")
    with pytest.raises(AssertionError, match="goes on"):
        await watcher.next()
    with pytest.raises(DraftNotFound):
        await Watcher(drafts, draft_id).next()


async def test_a_quiet_stream_shows_that_it_lives(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    watcher = Watcher(drafts, draft_id, after=1)
    message = await asyncio.wait_for(watcher.call.read(), 10)
    assert (message.heartbeat.last_sequence, len(message.events)) == (1, 0)
    watcher.call.cancel()


async def test_streams_end_when_the_service_drains(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    watcher = Watcher(drafts, draft_id)
    await watcher.next()
    drafts.servicer.drain()
    with pytest.raises(ShuttingDown):
        await watcher.next()


async def test_an_unknown_draft_is_not_followed(drafts: Drafts) -> None:
    with pytest.raises(DraftNotFound):
        await Watcher(drafts, "none").next()
