"""What stored events tell of drafts, asked for on the wire."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from consensus.v1 import event_service_pb2, event_service_pb2_grpc
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from persistence_service.database import Database
from persistence_service.events.servicer import EventServicer
from persistence_service.paging.tokens import Signing
from tests.support.serving import SECOND, once_per_key, served, stamp, struct

MINUTE = 60 * SECOND
FAR_FUTURE = 250_000_000_000 * SECOND


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[Any]:
    servicer = EventServicer(database, Signing(database), once_per_key(database))
    async with served(event_service_pb2_grpc.add_EventServiceServicer_to_server, servicer) as channel:
        stub = event_service_pb2_grpc.EventServiceStub(channel)
        await stub.AppendEvents(event_service_pb2.AppendEventsRequest(events=WALK))
        yield stub


def event(kind: str, minute: int, user: str, draft: str = "d1", **more: Any) -> event_service_pb2.EventInput:
    data = struct(draft_id=draft, user_id=user, **more)
    return event_service_pb2.EventInput(type=kind, occur_time=stamp(minute * MINUTE), data=data)


WALK = [
    event("DraftCreated", 0, "ann"),
    event("SegmentAdded", 1, "ann"),
    event("RINGPassed", 10, "ann", to_user_id="ben"),
    event("SegmentAdded", 12, "ben"),
    event("RINGPassed", 40, "ben", to_user_id="ann"),
    event("DraftCompleted", 50, "ann"),
    event("DraftViewed", 60, "cat"),
    event("DraftShared", 70, "cat"),
    event("DraftCreated", 20, "ben", "d2"),
    event("RINGPassed", 30, "ben", "d2", to_user_id="dan"),
    event("DraftCompleted", 35, "dan", "d2"),
    event_service_pb2.EventInput(
        type="DraftViewed", occur_time=stamp(FAR_FUTURE), data=struct(draft_id="d1", user_id="cat")
    ),
]


async def test_a_draft_is_told_from_its_own_events_up_to_now(stub: Any) -> None:
    response = await stub.GetDraftAnalytics(event_service_pb2.GetDraftAnalyticsRequest(draft_id="d1"))
    assert response.analytics == event_service_pb2.DraftAnalytics(
        draft_id="d1",
        view_count=1,
        share_count=1,
        segment_count=2,
        contributor_count=2,
        ring_pass_count=2,
        last_activity_time=stamp(70 * MINUTE),
        average_pass_interval=Duration(seconds=30 * 60),
    )
    assert response.as_of_time.seconds > 70 * 60


async def test_a_draft_of_which_nothing_is_known_did_nothing(stub: Any) -> None:
    response = await stub.GetDraftAnalytics(event_service_pb2.GetDraftAnalyticsRequest(draft_id="none"))
    assert response.analytics == event_service_pb2.DraftAnalytics(draft_id="none")


USERS = [
    event_service_pb2.UserAnalytics(
        user="ann",
        created_draft_count=1,
        contributed_draft_count=1,
        segment_count=1,
        held_ring_count=2,
        average_hold_duration=Duration(seconds=10 * 60),
    ),
    event_service_pb2.UserAnalytics(
        user="ben",
        created_draft_count=1,
        contributed_draft_count=1,
        segment_count=1,
        held_ring_count=2,
        average_hold_duration=Duration(seconds=20 * 60),
    ),
    # Received a ring, and did nothing but complete the draft.
    event_service_pb2.UserAnalytics(
        user="dan", held_ring_count=1, average_hold_duration=Duration(seconds=5 * 60)
    ),
    event_service_pb2.UserAnalytics(user="cat"),
    event_service_pb2.UserAnalytics(user="nobody"),
]


@pytest.mark.parametrize("expected", USERS, ids=[each.user for each in USERS])
async def test_a_user_is_told_from_all_drafts(stub: Any, expected: event_service_pb2.UserAnalytics) -> None:
    response = await stub.GetUserAnalytics(event_service_pb2.GetUserAnalyticsRequest(user=expected.user))
    assert response.analytics == expected


BOARDS = [
    (event_service_pb2.LEADERBOARD_KIND_COLLABORATION, [("ann", 6), ("ben", 6), ("dan", 2)]),
    (event_service_pb2.LEADERBOARD_KIND_MOMENTUM, [("ann", 6), ("ben", 6)]),
    (event_service_pb2.LEADERBOARD_KIND_CONSISTENCY, [("ann", 7), ("ben", 7)]),
]


@pytest.mark.parametrize(("kind", "expected"), BOARDS)
async def test_a_leaderboard_ranks_by_its_score(
    stub: Any, kind: event_service_pb2.LeaderboardKind.ValueType, expected: list[tuple[str, int]]
) -> None:
    response = await stub.GetLeaderboard(event_service_pb2.GetLeaderboardRequest(kind=kind))
    assert [(each.user, each.score) for each in response.entries] == expected


async def test_a_leaderboard_of_a_time_counts_only_that(stub: Any) -> None:
    request = event_service_pb2.GetLeaderboardRequest(
        kind=event_service_pb2.LEADERBOARD_KIND_COLLABORATION,
        occur_time_from=stamp(10 * MINUTE),
        occur_time_to=stamp(30 * MINUTE),
    )
    response = await stub.GetLeaderboard(request)
    assert [(each.user, each.score) for each in response.entries] == [("ben", 6), ("dan", 2)]
    (first, _) = response.entries
    assert (first.rank, first.segment_count, first.received_ring_count, first.contributed_draft_count) == (
        1,
        1,
        1,
        1,
    )


INCOMPLETE = [
    pytest.param("DraftViewed", struct(user_id="ann"), "draft_id", id="no draft"),
    pytest.param("DraftViewed", struct(draft_id="d 1", user_id="ann"), "draft_id", id="no id of a draft"),
    pytest.param("DraftViewed", struct(draft_id="x" * 65, user_id="ann"), "draft_id", id="too long an id"),
    pytest.param("SegmentAdded", struct(draft_id="d1"), "user_id", id="no user"),
    pytest.param("SegmentAdded", struct(draft_id="d1", user_id=7), "user_id", id="a number as user"),
    pytest.param("SegmentAdded", struct(draft_id="d1", user_id="x" * 256), "user_id", id="too long a user"),
    pytest.param("RINGPassed", struct(draft_id="d1", user_id="ann"), "to_user_id", id="no recipient"),
]


@pytest.mark.parametrize(("kind", "data", "field"), INCOMPLETE)
async def test_an_event_of_a_draft_has_to_say_whose(stub: Any, kind: str, data: Any, field: str) -> None:
    request = event_service_pb2.AppendEventsRequest(
        events=[WALK[0], event_service_pb2.EventInput(type=kind, occur_time=stamp(1), data=data)]
    )
    with pytest.raises(InvalidField) as caught, contract_errors():
        await stub.AppendEvents(request)
    assert [each.field for each in caught.value.field_violations] == [f"events[1].data.{field}"]
