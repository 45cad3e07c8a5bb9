"""Drafts as text: nothing of it is obeyed by a terminal."""

import pytest

from consensus.v1 import draft_pb2
from consensus_cli.view import drafts as view

HOSTILE = "\x1b[31mred\u202e\nline"


def hostile_draft() -> draft_pb2.Draft:
    return draft_pb2.Draft(
        draft_id="d1",
        title=HOSTILE,
        state=draft_pb2.DRAFT_STATE_LOCKED,
        platform=draft_pb2.DRAFT_PLATFORM_X,
        ring=draft_pb2.Ring(holder=HOSTILE, turn_count=3),
        segment_count=1,
        segments=[draft_pb2.Segment(author=HOSTILE, author_display="@u_123456", text=HOSTILE)],
        collaborators=[draft_pb2.Collaborator(user=HOSTILE, role=draft_pb2.COLLABORATOR_ROLE_EDITOR)],
    )


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    draft = hostile_draft()
    event = draft_pb2.DraftEvent(
        sequence=2, user=HOSTILE, segment_added=draft_pb2.SegmentAdded(segment=draft.segments[0])
    )
    shown = [*view.draft_lines(draft), *view.list_lines([draft]), view.event_line(event)]
    assert not [line for line in shown if "\x1b" in line or "\u202e" in line or "\n" in line]
    assert "   line" in shown


def test_a_draft_says_where_it_stands() -> None:
    shown = "\n".join(view.draft_lines(hostile_draft()))
    for words in ("for      x", "state    locked", "turn 3", ": editor"):
        assert words in shown


EVENTS = [
    (draft_pb2.DraftEvent(ring_passed=draft_pb2.RingPassed(to_user="ben")), "ring passed to ben"),
    (
        draft_pb2.DraftEvent(draft_updated=draft_pb2.DraftUpdated(state=draft_pb2.DRAFT_STATE_LOCKED)),
        "draft updated: locked",
    ),
    (
        draft_pb2.DraftEvent(
            collaborator_added=draft_pb2.CollaboratorAdded(
                user="vic", role=draft_pb2.COLLABORATOR_ROLE_VIEWER
            )
        ),
        "collaborator added: vic as viewer",
    ),
    (
        draft_pb2.DraftEvent(collaborator_removed=draft_pb2.CollaboratorRemoved(user="vic")),
        "collaborator removed: vic",
    ),
    (draft_pb2.DraftEvent(draft_completed=draft_pb2.DraftCompleted()), "draft completed"),
    (draft_pb2.DraftEvent(), "something that a newer service knows"),
]


@pytest.mark.parametrize(("event", "said"), EVENTS, ids=[said for _, said in EVENTS])
def test_an_event_is_a_line(event: draft_pb2.DraftEvent, said: str) -> None:
    event.sequence, event.user = 7, "ann"
    assert view.event_line(event) == f"7  ann: {said}"
