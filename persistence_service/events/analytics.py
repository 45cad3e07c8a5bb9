"""What the events of drafts tell: pure functions over events and a clock.

Every function leaves out what happens after `now`. Events may come in any order; those of one instant keep
the order in which they come, which is the one in which they were stored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

DRAFT_CREATED = "DraftCreated"
SEGMENT_ADDED = "SegmentAdded"
RING_PASSED = "RINGPassed"
DRAFT_COMPLETED = "DraftCompleted"
DRAFT_VIEWED = "DraftViewed"
DRAFT_SHARED = "DraftShared"
TYPES = frozenset({DRAFT_CREATED, SEGMENT_ADDED, RING_PASSED, DRAFT_COMPLETED, DRAFT_VIEWED, DRAFT_SHARED})

LEADERBOARD_ROWS = 10

Board = Literal["collaboration", "momentum", "consistency"]


@dataclass(frozen=True, slots=True)
class DraftEvent:
    """One event of a draft; `user_id` did it, `recipient_id` received the ring if it was passed."""

    event_type: str
    occur_time: datetime
    draft_id: str
    user_id: str
    recipient_id: str | None = None


@dataclass(frozen=True, slots=True)
class DraftAnalytics:
    """What happened to one draft; the interval is None with fewer than two passes of its ring."""

    view_count: int
    share_count: int
    segment_count: int
    contributor_count: int
    ring_pass_count: int
    last_activity_time: datetime | None
    average_pass_interval: timedelta | None


@dataclass(frozen=True, slots=True)
class UserAnalytics:
    """What one user did; the time is None for who never held a ring."""

    created_draft_count: int
    contributed_draft_count: int
    segment_count: int
    held_ring_count: int
    average_hold_duration: timedelta | None


@dataclass(slots=True)
class Tally:
    """What counts for a leaderboard, of one user."""

    segment_count: int = 0
    received_ring_count: int = 0
    created_drafts: set[str] = field(default_factory=set)
    contributed_drafts: set[str] = field(default_factory=set)

    def score(self, board: Board) -> int:
        """The user's score on a board."""
        created, contributed = len(self.created_drafts), len(self.contributed_drafts)
        match board:
            case "collaboration":
                return 3 * self.segment_count + 2 * self.received_ring_count + contributed
            case "momentum":
                return self.segment_count + 5 * created
            case "consistency":
                return 5 * created + 2 * contributed


@dataclass(frozen=True, slots=True)
class Ranked:
    """A row of a leaderboard; `rank` counts from 1."""

    rank: int
    user_id: str
    score: int
    segment_count: int
    received_ring_count: int
    contributed_draft_count: int
    created_draft_count: int


def draft_analytics(events: Iterable[DraftEvent], now: datetime) -> DraftAnalytics:
    """What happened to the draft that the events are of."""
    past = _past(events, now)
    segments = [event for event in past if event.event_type == SEGMENT_ADDED]
    passes = [event.occur_time for event in past if event.event_type == RING_PASSED]
    return DraftAnalytics(
        view_count=_count(past, DRAFT_VIEWED),
        share_count=_count(past, DRAFT_SHARED),
        segment_count=len(segments),
        contributor_count=len({event.user_id for event in segments}),
        ring_pass_count=len(passes),
        last_activity_time=past[-1].occur_time if past else None,
        average_pass_interval=(passes[-1] - passes[0]) / (len(passes) - 1) if len(passes) > 1 else None,
    )


def user_analytics(user_id: str, events: Iterable[DraftEvent], now: datetime) -> UserAnalytics:
    """What a user did; `events` are all those that move the rings of the drafts that the user touched."""
    past = _past(events, now)
    own = [event for event in past if event.user_id == user_id]
    segments = [event.draft_id for event in own if event.event_type == SEGMENT_ADDED]
    holds = _holds(user_id, past, now)
    return UserAnalytics(
        created_draft_count=len({event.draft_id for event in own if event.event_type == DRAFT_CREATED}),
        contributed_draft_count=len(set(segments)),
        segment_count=len(segments),
        held_ring_count=len(holds),
        average_hold_duration=sum(holds, timedelta()) / len(holds) if holds else None,
    )


def leaderboard(board: Board, events: Iterable[DraftEvent], now: datetime) -> list[Ranked]:
    """The first ten users; nobody with a score of 0, and equal scores in the order of the users' ids."""
    tallies: dict[str, Tally] = {}
    for event in events:
        if event.occur_time <= now:
            _tally(tallies, event)
    scored = [(-tally.score(board), user_id) for user_id, tally in tallies.items()]
    best = sorted(pair for pair in scored if pair[0] < 0)[:LEADERBOARD_ROWS]
    return [_ranked(rank, user_id, -score, tallies[user_id]) for rank, (score, user_id) in enumerate(best, 1)]


def _tally(tallies: dict[str, Tally], event: DraftEvent) -> None:
    if event.event_type == DRAFT_CREATED:
        tallies.setdefault(event.user_id, Tally()).created_drafts.add(event.draft_id)
    elif event.event_type == SEGMENT_ADDED:
        tally = tallies.setdefault(event.user_id, Tally())
        tally.segment_count += 1
        tally.contributed_drafts.add(event.draft_id)
    elif event.event_type == RING_PASSED and event.recipient_id is not None:
        tallies.setdefault(event.recipient_id, Tally()).received_ring_count += 1


def _ranked(rank: int, user_id: str, score: int, tally: Tally) -> Ranked:
    return Ranked(
        rank=rank,
        user_id=user_id,
        score=score,
        segment_count=tally.segment_count,
        received_ring_count=tally.received_ring_count,
        contributed_draft_count=len(tally.contributed_drafts),
        created_draft_count=len(tally.created_drafts),
    )


def _holds(user_id: str, past: Sequence[DraftEvent], now: datetime) -> list[timedelta]:
    """How long the user held each ring: until the next pass, until the draft was completed, or until now."""
    since: dict[str, datetime] = {}
    holds: list[timedelta] = []
    for event in past:
        if event.event_type not in {DRAFT_CREATED, RING_PASSED, DRAFT_COMPLETED}:
            continue
        if (begun := since.pop(event.draft_id, None)) is not None:
            holds.append(event.occur_time - begun)
        holder = {DRAFT_CREATED: event.user_id, RING_PASSED: event.recipient_id}.get(event.event_type)
        if holder == user_id:
            since[event.draft_id] = event.occur_time
    return holds + [now - begun for begun in since.values()]


def _past(events: Iterable[DraftEvent], now: datetime) -> list[DraftEvent]:
    return sorted((event for event in events if event.occur_time <= now), key=lambda event: event.occur_time)


def _count(events: Iterable[DraftEvent], event_type: str) -> int:
    return sum(event.event_type == event_type for event in events)
