"""What the events of drafts tell, by hand-counted examples."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from persistence_service.events.analytics import (
    DRAFT_COMPLETED,
    DRAFT_CREATED,
    DRAFT_SHARED,
    DRAFT_VIEWED,
    RING_PASSED,
    SEGMENT_ADDED,
    Board,
    DraftEvent,
    draft_analytics,
    leaderboard,
    user_analytics,
)

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = START + timedelta(hours=10)


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def event(kind: str, minute: float, user: str, to: str | None = None, draft: str = "d1") -> DraftEvent:
    return DraftEvent(kind, at(minute), draft, user, to)


# ann creates and writes, passes to ben at 10, who writes and passes back at 40, she to cat at 50.
WALK = [
    event(DRAFT_CREATED, 0, "ann"),
    event(SEGMENT_ADDED, 1, "ann"),
    event(RING_PASSED, 10, "ann", "ben"),
    event(SEGMENT_ADDED, 12, "ben"),
    event(SEGMENT_ADDED, 13, "ben"),
    event(DRAFT_VIEWED, 15, "dan"),
    event(RING_PASSED, 40, "ben", "ann"),
    event(RING_PASSED, 50, "ann", "cat"),
    event(DRAFT_COMPLETED, 70, "cat"),
    event(DRAFT_VIEWED, 80, "dan"),
    event(DRAFT_SHARED, 90, "dan"),
]


def test_a_draft_s_counts_are_those_of_its_events() -> None:
    found = draft_analytics(WALK, NOW)
    assert (found.view_count, found.share_count, found.segment_count) == (2, 1, 3)
    assert (found.contributor_count, found.ring_pass_count) == (2, 3)


def test_any_event_is_activity() -> None:
    assert draft_analytics(WALK, NOW).last_activity_time == at(90)


def test_the_interval_is_the_average_from_pass_to_pass() -> None:
    assert draft_analytics(WALK, NOW).average_pass_interval == timedelta(minutes=20)


@pytest.mark.parametrize("events", [[], WALK[:3]], ids=["none", "one"])
def test_fewer_than_two_passes_have_no_interval(events: Sequence[DraftEvent]) -> None:
    assert draft_analytics(events, NOW).average_pass_interval is None


def test_a_draft_without_events_did_nothing() -> None:
    found = draft_analytics([], NOW)
    assert (found.view_count, found.segment_count, found.last_activity_time) == (0, 0, None)


def test_what_happens_after_the_clock_is_left_out() -> None:
    found = draft_analytics(WALK, at(15))
    assert (found.view_count, found.ring_pass_count, found.last_activity_time) == (1, 1, at(15))
    assert user_analytics("ben", WALK, at(12)).segment_count == 1
    assert [row.segment_count for row in leaderboard("momentum", WALK, at(2))] == [1]


def test_the_order_in_which_events_come_does_not_matter() -> None:
    backwards = list(reversed(WALK))
    assert draft_analytics(backwards, NOW) == draft_analytics(WALK, NOW)
    assert user_analytics("ann", backwards, NOW) == user_analytics("ann", WALK, NOW)
    assert leaderboard("collaboration", backwards, NOW) == leaderboard("collaboration", WALK, NOW)


def test_a_user_s_counts_are_those_of_the_user_s_own_events() -> None:
    other = [event(DRAFT_CREATED, 5, "ann", draft="d2"), event(SEGMENT_ADDED, 6, "ann", draft="d2")]
    found = user_analytics("ann", [*WALK, *other], NOW)
    assert (found.created_draft_count, found.contributed_draft_count, found.segment_count) == (2, 2, 2)


HOLDS = [
    ("ann", NOW, 2, 10),  # 0 to 10, and 40 to 50
    ("ben", NOW, 1, 30),
    ("cat", NOW, 1, 20),  # until the draft was completed
    ("ben", at(25), 1, 15),  # until now
]


@pytest.mark.parametrize(("user", "now", "count", "minutes"), HOLDS)
def test_a_ring_is_held_until_it_is_passed_or_the_draft_completed_or_now(
    user: str, now: datetime, count: int, minutes: int
) -> None:
    found = user_analytics(user, WALK, now)
    assert (found.held_ring_count, found.average_hold_duration) == (count, timedelta(minutes=minutes))


def test_who_never_held_a_ring_has_no_hold_time() -> None:
    found = user_analytics("dan", WALK, NOW)
    assert (found.held_ring_count, found.average_hold_duration) == (0, None)


def test_rings_of_different_drafts_are_held_side_by_side() -> None:
    events = [event(DRAFT_CREATED, 0, "ann", draft="a"), event(DRAFT_CREATED, 10, "ann", draft="b")]
    found = user_analytics("ann", events, at(20))
    assert (found.held_ring_count, found.average_hold_duration) == (2, timedelta(minutes=15))


BOARDS: list[tuple[Board, list[tuple[str, int]]]] = [
    # Two segments, a ring and a draft; one of each; a ring.
    ("collaboration", [("ben", 9), ("ann", 6), ("cat", 2)]),
    # A segment and a draft created; two segments.
    ("momentum", [("ann", 6), ("ben", 2)]),
    # A draft created and written in; one written in.
    ("consistency", [("ann", 7), ("ben", 2)]),
]


@pytest.mark.parametrize(("board", "expected"), BOARDS, ids=[each[0] for each in BOARDS])
def test_a_board_ranks_by_its_own_score_and_leaves_out_who_has_none(
    board: Board, expected: list[tuple[str, int]]
) -> None:
    rows = leaderboard(board, WALK, NOW)
    assert [(row.user_id, row.score) for row in rows] == expected
    assert [row.rank for row in rows] == list(range(1, len(expected) + 1))


def test_a_board_has_ten_rows_and_orders_equals_by_user() -> None:
    users = [f"u{number:02}" for number in range(12)]
    events = [event(SEGMENT_ADDED, 1, user) for user in reversed(users)]
    assert [row.user_id for row in leaderboard("momentum", events, NOW)] == users[:10]
