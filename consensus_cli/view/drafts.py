"""Drafts in lines of text: pure, safe on a terminal."""

from collections.abc import Iterator, Sequence

from consensus.v1 import draft_pb2
from consensus_cli.view.tables import pairs, table
from consensus_report import text

_TITLE_CHARACTERS = 40


def draft_lines(draft: draft_pb2.Draft) -> list[str]:
    """A draft, whole."""
    about = pairs(
        [
            ("draft", text.clean(draft.draft_id)),
            ("title", text.clean(draft.title)),
            ("for", _platform(draft)),
            ("state", state_word(draft.state)),
            ("ring", ring_line(draft.ring)),
            ("created", text.instant(draft.create_time)),
        ]
    )
    people = [f"  {collaborator_line(each)}" for each in draft.collaborators]
    return [*about, "", "who takes part", *people, "", *_segment_lines(draft)]


def _segment_lines(draft: draft_pb2.Draft) -> Iterator[str]:
    if not draft.segments:
        yield "nothing written yet"
    for segment in draft.segments:
        yield f"{segment.position}  {text.clean(segment.author)} ({text.clean(segment.author_display)})"
        yield from (f"   {line}" for line in text.clean_lines(segment.text))


def list_lines(drafts: Sequence[draft_pb2.Draft]) -> list[str]:
    rows = [
        [
            text.clean(each.draft_id),
            text.shorten(each.title, _TITLE_CHARACTERS),
            state_word(each.state),
            str(each.segment_count),
            text.clean(each.ring.holder),
            text.instant(each.update_time),
        ]
        for each in drafts
    ]
    return table(("draft", "title", "state", "segments", "ring", "changed"), rows, right=frozenset({3}))


def state_word(state: draft_pb2.DraftState.ValueType) -> str:
    """Such as `active`."""
    return text.word(draft_pb2.DraftState, state, "DRAFT_STATE_")


def role_word(role: draft_pb2.CollaboratorRole.ValueType) -> str:
    """Such as `editor`."""
    return text.word(draft_pb2.CollaboratorRole, role, "COLLABORATOR_ROLE_")


def ring_line(ring: draft_pb2.Ring) -> str:
    """Who has the ring, and since when."""
    return f"{text.clean(ring.holder)} since {text.instant(ring.receive_time)}, turn {ring.turn_count}"


def collaborator_line(collaborator: draft_pb2.Collaborator) -> str:
    """Who, and as what."""
    return f"{text.clean(collaborator.user)}: {role_word(collaborator.role)}"


def event_line(event: draft_pb2.DraftEvent) -> str:
    kind = event.WhichOneof("payload") or "something that a newer service knows"
    said = f"{event.sequence}  {text.clean(event.user)}: {kind.replace('_', ' ')}"
    match kind:
        case "segment_added":
            return f"{said}: {text.clean(event.segment_added.segment.text)}"
        case "ring_passed":
            return f"{said} to {text.clean(event.ring_passed.to_user)}"
        case "draft_updated":
            return f"{said}: {state_word(event.draft_updated.state)}"
        case "collaborator_added":
            added = event.collaborator_added
            return f"{said}: {text.clean(added.user)} as {role_word(added.role)}"
        case "collaborator_removed":
            return f"{said}: {text.clean(event.collaborator_removed.user)}"
    return said


def _platform(draft: draft_pb2.Draft) -> str:
    if draft.platform == draft_pb2.DRAFT_PLATFORM_UNSPECIFIED:
        return ""
    return text.word(draft_pb2.DraftPlatform, draft.platform, "DRAFT_PLATFORM_")
