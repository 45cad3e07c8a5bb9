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


def test_the_interval_is_the_time_from_creation_to_the_last_pass_over_the_passes() -> None:
    assert draft_analytics(WALK, NOW).average_pass_interval == timedelta(minutes=50) / 3
    assert draft_analytics(WALK[:3], NOW).average_pass_interval == timedelta(minutes=10)


@pytest.mark.parametrize("events", [[], WALK[:2], WALK[1:]], ids=["none", "no pass", "no creation"])
def test_without_a_pass_or_a_creation_there_is_no_interval(events: Sequence[DraftEvent]) -> None:
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
    assert (found.created_draft_count, found.contributed_draft_count, found.segment_count) == (2, 0, 2)


def test_who_writes_in_a_draft_of_another_contributes_to_it() -> None:
    found = user_analytics("ben", WALK, NOW)
    assert (found.created_draft_count, found.contributed_draft_count, found.segment_count) == (0, 1, 2)


HOLDS = [
    ("ann", NOW, 2, 10),  # as creator until 10, which is no hold of a ring that was passed; 40 to 50
    ("ben", NOW, 1, 30),
    ("cat", NOW, 1, 20),  # until the draft was completed
]


@pytest.mark.parametrize(("user", "now", "count", "minutes"), HOLDS)
def test_a_ring_that_was_received_is_held_until_it_is_passed_or_the_draft_completed(
    user: str, now: datetime, count: int, minutes: int
) -> None:
    found = user_analytics(user, WALK, now)
    assert (found.held_ring_count, found.average_hold_duration) == (count, timedelta(minutes=minutes))


@pytest.mark.parametrize(("user", "now"), [("ben", at(25)), ("ann", at(25))], ids=["going on", "as creator"])
def test_a_hold_that_goes_on_and_a_creator_s_own_do_not_count(user: str, now: datetime) -> None:
    found = user_analytics(user, WALK, now)
    assert (found.held_ring_count, found.average_hold_duration) == (1, None)


def test_who_never_held_a_ring_has_no_hold_time() -> None:
    found = user_analytics("dan", WALK, NOW)
    assert (found.held_ring_count, found.average_hold_duration) == (0, None)


def test_rings_of_different_drafts_are_held_side_by_side() -> None:
    events = [
        each
        for draft, received, left in (("a", 0, 10), ("b", 5, 35))
        for each in (
            event(RING_PASSED, received, "ben", "ann", draft=draft),
            event(RING_PASSED, left, "ann", "ben", draft=draft),
        )
    ]
    found = user_analytics("ann", events, at(40))
    assert (found.held_ring_count, found.average_hold_duration) == (2, timedelta(minutes=20))


BOARDS: list[tuple[Board, list[tuple[str, int]]]] = [
    # Two segments, a ring and a draft; a segment and a ring; a ring.
    ("collaboration", [("ben", 9), ("ann", 5), ("cat", 2)]),
    # A segment and a draft created; two segments.
    ("momentum", [("ann", 6), ("ben", 2)]),
    # A draft created; another's written in.
    ("consistency", [("ann", 5), ("ben", 2)]),
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
