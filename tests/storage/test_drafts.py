"""Drafts on the wire: created, written in turns, passed on, changed, deleted and restored."""

import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Executable, delete, event, select, text, update

from consensus.v1 import draft_pb2
from consensus_contract.errors import (
    CollaboratorNotFound,
    DatabaseError,
    DraftFull,
    DraftIllegalState,
    DraftNotActive,
    DraftNotFound,
    DuplicateId,
    NotAWriter,
    NotDraftOwner,
    NotRingHolder,
    RecipientNotCollaborator,
)
from consensus_rpc.errors import InvalidField
from persistence_service.database import Database
from persistence_service.drafts import collaborators, segments
from persistence_service.drafts.submitting import submitted_text
from persistence_service.drafts.tables import DraftRow, DraftSegmentRow, DraftTurnRow
from persistence_service.events.tables import EventRow
from persistence_service.journal.tables import AUDIT_LOG
from tests.support.drafts import EDITOR, OWNER, VIEWER, Drafts


@pytest.fixture
async def drafts(database: Database) -> AsyncIterator[Drafts]:
    async with Drafts(database) as drafts:
        yield drafts


async def written_by_two(drafts: Drafts) -> str:
    """A draft of ann's with ben as editor and vic as viewer."""
    draft_id = (await drafts.create()).draft_id
    await drafts.add(draft_id, "ben")
    await drafts.add(draft_id, "vic", VIEWER)
    return draft_id


async def test_a_new_draft_is_active_and_its_creator_holds_the_ring(drafts: Drafts) -> None:
    draft = await drafts.create(title="  A walk  ", platform=draft_pb2.DRAFT_PLATFORM_TIKTOK)
    assert (draft.title, draft.state, draft.creator) == ("A walk", draft_pb2.DRAFT_STATE_ACTIVE, "ann")
    assert draft.platform == draft_pb2.DRAFT_PLATFORM_TIKTOK
    assert (draft.ring.holder, draft.ring.turn_count) == ("ann", 1)
    assert [(turn.position, turn.holder, turn.passed_by) for turn in draft.ring.turns] == [(0, "ann", "")]
    assert [(each.user, each.role, each.added_by) for each in draft.collaborators] == [("ann", OWNER, "")]
    assert (draft.segment_count, draft.collaborator_count, draft.last_sequence) == (0, 1, 1)
    assert not draft.HasField("complete_time")
    assert not draft.HasField("delete_time")


async def test_a_draft_may_begin_with_a_segment(drafts: Drafts) -> None:
    draft = await drafts.create(first_segment="Once upon a time")
    assert [(each.position, each.text, each.author) for each in draft.segments] == [
        (0, "Once upon a time", "ann")
    ]
    assert draft == await drafts.get(draft.draft_id)


async def test_an_id_is_made_when_none_is_given(drafts: Drafts) -> None:
    answer = await drafts.call("CreateDraft", user="ann", title="Untitled")
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.draft.draft_id)
    assert await drafts.get(answer.draft.draft_id) == answer.draft


@pytest.mark.parametrize("is_deleted", [False, True], ids=["standing", "deleted"])
async def test_a_taken_id_is_refused(drafts: Drafts, is_deleted: bool) -> None:
    await drafts.create("mine")
    if is_deleted:
        await drafts.call("DeleteDraft", draft_id="mine", user="ann")
    with pytest.raises(DuplicateId, match="drafts/mine"):
        await drafts.create("mine", user="ben")


OF_A_DRAFT: list[tuple[str, dict[str, object]]] = [
    ("GetDraft", {}),
    ("UpdateDraft", {"user": "ann", "title": "T"}),
    ("DeleteDraft", {"user": "ann"}),
    ("UndeleteDraft", {"user": "ann"}),
    ("AppendSegment", {"user": "ann", "text": "T"}),
    ("PassRing", {"user": "ann", "recipient": "ben"}),
    ("ListRingTurns", {}),
    ("AddCollaborator", {"user": "ann", "collaborator": "ben", "role": EDITOR}),
    ("RemoveCollaborator", {"user": "ann", "collaborator": "ben"}),
    ("CreateInvitation", {"user": "ann", "role": EDITOR}),
    ("AcceptInvitation", {"user": "ann", "token": "t"}),
    ("DeclineInvitation", {"user": "ann", "token": "t"}),
    ("RevokeInvitation", {"user": "ann", "invitation_id": "i"}),
    ("ListInvitations", {}),
]


async def test_an_unknown_draft_is_not_found(drafts: Drafts, subtests: pytest.Subtests) -> None:
    for method, fields in OF_A_DRAFT:
        with subtests.test(method):
            with pytest.raises(DraftNotFound) as refused:
                await drafts.call(method, draft_id="none", **fields)
            assert refused.value.draft_id == "none"


async def test_a_segment_knows_its_author_and_who_held_the_ring(drafts: Drafts) -> None:
    draft_id = await written_by_two(drafts)
    await drafts.append(draft_id, text=" kept as it is ")
    await drafts.pass_ring(draft_id, "ann", "ben")
    segment = await drafts.append(draft_id, "ben", "more")
    assert (segment.position, segment.author, segment.holder, segment.text) == (1, "ben", "ben", "more")
    # The last six digits of `printf ben | sha1sum`.
    assert segment.author_display == "@u_df0a64"
    assert [each.text for each in (await drafts.get(draft_id)).segments] == [" kept as it is ", "more"]


async def test_only_the_holder_writes(drafts: Drafts) -> None:
    draft_id = await written_by_two(drafts)
    with pytest.raises(NotRingHolder):
        await drafts.append(draft_id, "ben")
    for user in ("vic", "stranger"):
        with pytest.raises(NotAWriter):
            await drafts.append(draft_id, user)
    assert (await drafts.get(draft_id)).segment_count == 0


@pytest.mark.parametrize("state", [draft_pb2.DRAFT_STATE_LOCKED, draft_pb2.DRAFT_STATE_COMPLETED])
async def test_only_an_active_draft_is_written_in(drafts: Drafts, state: int) -> None:
    draft_id = (await drafts.create()).draft_id
    await drafts.set_state(draft_id, state)
    with pytest.raises(DraftNotActive):
        await drafts.append(draft_id)
    assert (await drafts.get(draft_id)).segment_count == 0


async def test_a_locked_draft_is_written_in_once_it_is_active_again(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_LOCKED)
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_ACTIVE)
    assert (await drafts.append(draft_id)).position == 0


async def test_the_ring_goes_from_hand_to_hand_and_its_history_grows(drafts: Drafts) -> None:
    draft_id = await written_by_two(drafts)
    ring = await drafts.pass_ring(draft_id, "ann", "ben")
    assert (ring.holder, ring.turn_count) == ("ben", 2)
    await drafts.pass_ring(draft_id, "ben", "ann")
    with pytest.raises(NotRingHolder):
        await drafts.pass_ring(draft_id, "ben", "ann")
    turns = (await drafts.get(draft_id)).ring.turns
    assert [(each.holder, each.passed_by) for each in turns] == [("ann", ""), ("ben", "ann"), ("ann", "ben")]


@pytest.mark.parametrize("recipient", ["vic", "stranger"])
async def test_the_ring_goes_only_to_who_may_write(drafts: Drafts, recipient: str) -> None:
    draft_id = await written_by_two(drafts)
    with pytest.raises(RecipientNotCollaborator):
        await drafts.pass_ring(draft_id, "ann", recipient)


async def test_the_ring_is_not_passed_to_oneself(drafts: Drafts) -> None:
    draft_id = await written_by_two(drafts)
    with pytest.raises(InvalidField, match="recipient"):
        await drafts.pass_ring(draft_id, "ann", "ann")


async def test_a_draft_shows_its_newest_turns_and_a_list_has_all(
    drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence_service.drafts.repository.SHOWN_TURNS", 3)
    draft_id = await written_by_two(drafts)
    for number in range(4):
        await drafts.pass_ring(draft_id, *(("ann", "ben") if number % 2 == 0 else ("ben", "ann")))
    ring = (await drafts.get(draft_id)).ring
    assert (ring.turn_count, [each.position for each in ring.turns]) == (5, [2, 3, 4])
    positions, token = [], ""
    while True:
        page = await drafts.call("ListRingTurns", draft_id=draft_id, page_size=2, page_token=token)
        positions += [each.position for each in page.turns]
        if not (token := page.next_page_token):
            break
    assert positions == [0, 1, 2, 3, 4]


async def test_only_owners_decide_about_the_draft(drafts: Drafts) -> None:
    draft_id = await written_by_two(drafts)
    refused: list[tuple[str, dict[str, Any]]] = [
        ("UpdateDraft", {"title": "Mine"}),
        ("DeleteDraft", {}),
        ("UndeleteDraft", {}),
        ("AddCollaborator", {"collaborator": "eve", "role": EDITOR}),
        ("RemoveCollaborator", {"collaborator": "vic"}),
        ("CreateInvitation", {"role": EDITOR}),
        ("RevokeInvitation", {"invitation_id": "i"}),
    ]
    for method, fields in refused:
        for user in ("ben", "stranger"):
            with pytest.raises(NotDraftOwner):
                await drafts.call(method, draft_id=draft_id, user=user, **fields)
    await drafts.add(draft_id, "olga", OWNER)
    answer = await drafts.call("UpdateDraft", draft_id=draft_id, user="olga", title="Ours")
    assert answer.draft.title == "Ours"


async def test_a_collaborator_is_there_once(drafts: Drafts) -> None:
    draft_id = await written_by_two(drafts)
    for user in ("ann", "ben"):
        with pytest.raises(DuplicateId):
            await drafts.add(draft_id, user, VIEWER)
    draft = await drafts.get(draft_id)
    assert [(each.user, each.role) for each in draft.collaborators] == [
        ("ann", OWNER),
        ("ben", EDITOR),
        ("vic", VIEWER),
    ]
    assert draft.collaborator_count == 3


async def test_a_collaborator_leaves_or_is_removed(drafts: Drafts) -> None:
    draft_id = await written_by_two(drafts)
    await drafts.call("RemoveCollaborator", draft_id=draft_id, user="vic", collaborator="vic")
    answer = await drafts.call("RemoveCollaborator", draft_id=draft_id, user="ann", collaborator="ben")
    assert answer.draft.collaborator_count == 1
    with pytest.raises(CollaboratorNotFound):
        await drafts.call("RemoveCollaborator", draft_id=draft_id, user="ann", collaborator="ben")
    with pytest.raises(InvalidField, match="creator"):
        await drafts.call("RemoveCollaborator", draft_id=draft_id, user="ann", collaborator="ann")


async def test_the_ring_of_one_who_is_removed_goes_back_to_the_creator(drafts: Drafts) -> None:
    draft_id = await written_by_two(drafts)
    await drafts.pass_ring(draft_id, "ann", "ben")
    await drafts.append(draft_id, "ben")
    await drafts.call("RemoveCollaborator", draft_id=draft_id, user="ben", collaborator="ben")
    draft = await drafts.get(draft_id)
    assert (draft.ring.holder, draft.ring.turns[-1].passed_by) == ("ann", "ben")
    assert [each.author for each in draft.segments] == ["ben"]
    listed = await drafts.call("ListDrafts", user="ben")
    assert [each.draft_id for each in listed.drafts] == [draft_id], "an author's draft"
    await drafts.add(draft_id, "ben", VIEWER)
    assert (await drafts.get(draft_id)).collaborators[-1].role == VIEWER


async def test_limits_of_a_draft_are_refused_beyond(drafts: Drafts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_SEGMENTS", 1)
    monkeypatch.setattr(collaborators, "MAX_COLLABORATORS", 2)
    draft_id = (await drafts.create(first_segment="the only one")).draft_id
    with pytest.raises(DraftFull, match="at most 1 segments"):
        await drafts.append(draft_id)
    await drafts.add(draft_id, "ben")
    with pytest.raises(DraftFull, match="at most 2 collaborators"):
        await drafts.add(draft_id, "eve")


async def test_title_and_state_change(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    done = (
        await drafts.call(
            "UpdateDraft",
            draft_id=draft_id,
            user="ann",
            title="Done",
            state=draft_pb2.DRAFT_STATE_COMPLETED,
        )
    ).draft
    assert (done.title, done.state) == ("Done", draft_pb2.DRAFT_STATE_COMPLETED)
    assert done.complete_time == done.update_time


async def test_a_change_to_what_it_was_leaves_no_trace(drafts: Drafts) -> None:
    draft = await drafts.create(title="Same")
    answer = await drafts.call(
        "UpdateDraft",
        draft_id=draft.draft_id,
        user="ann",
        title="Same",
        state=draft_pb2.DRAFT_STATE_ACTIVE,
    )
    assert (answer.draft.last_sequence, answer.draft.update_time) == (1, draft.update_time)


async def test_a_deleted_draft_is_gone_until_it_is_restored(drafts: Drafts) -> None:
    draft_id = await written_by_two(drafts)
    await drafts.append(draft_id)
    await drafts.invite(draft_id)
    before = await drafts.get(draft_id)
    deleted = (await drafts.call("DeleteDraft", draft_id=draft_id, user="ann")).draft
    assert deleted.deletion_id
    assert deleted.HasField("delete_time")
    with pytest.raises(DraftNotFound):
        await drafts.get(draft_id)
    assert not (await drafts.call("ListDrafts", user="ben")).drafts
    shown = await drafts.get(draft_id, show_deleted=True)
    assert (len(shown.segments), len(shown.collaborators)) == (1, 3)
    listed = await drafts.call("ListDrafts", user="ben", show_deleted=True)
    assert [each.deletion_id for each in listed.drafts] == [deleted.deletion_id]

    await drafts.call("UndeleteDraft", draft_id=draft_id, user="ann")
    after = await drafts.get(draft_id)
    assert (after.segments, after.collaborators, after.ring) == (
        before.segments,
        before.collaborators,
        before.ring,
    )
    assert len((await drafts.call("ListInvitations", draft_id=draft_id)).invitations) == 1


async def test_deleting_and_restoring_again_change_nothing(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    first = (await drafts.call("DeleteDraft", draft_id=draft_id, user="ann")).draft
    assert (await drafts.call("DeleteDraft", draft_id=draft_id, user="ann")).draft == first
    restored = (await drafts.call("UndeleteDraft", draft_id=draft_id, user="ann")).draft
    assert (await drafts.call("UndeleteDraft", draft_id=draft_id, user="ann")).draft == restored


async def test_a_draft_takes_four_queries_and_a_list_one(drafts: Drafts, database: Database) -> None:
    for _ in range(5):
        await drafts.create(first_segment="x")
    draft_id = (await drafts.create(first_segment="x")).draft_id
    await drafts.call("ListDrafts", user="ann")  # makes the key for page tokens
    seen: list[str] = []

    def count(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        # Those are of the transaction, whatever is asked; the last by itself on SQLite alone.
        if not statement.startswith(("SELECT set_config", "SET LOCAL", "BEGIN", "SELECT tenant_moves.state")):
            seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", count)
    await drafts.get(draft_id)
    of_one = len(seen)
    await drafts.call("ListDrafts", user="ann")
    event.remove(database.engine, "before_cursor_execute", count)
    assert (of_one, len(seen) - of_one) == (4, 1)


def execute(statement: Executable, connection: Connection) -> None:
    connection.execute(statement)


async def test_segments_and_turns_cannot_be_changed_or_deleted(drafts: Drafts, database: Database) -> None:
    await drafts.create(first_segment="the truth")
    changes = [
        update(DraftSegmentRow).values(content="a lie"),
        update(DraftTurnRow).values(holder="eve"),
        delete(DraftSegmentRow),
        delete(DraftTurnRow),
    ]
    for change in changes:
        with pytest.raises(DatabaseError):
            database.unit_of_work(partial(execute, change))


async def test_contents_may_go_with_their_draft(drafts: Drafts, database: Database) -> None:
    await drafts.create(first_segment="short-lived")

    def purge(connection: Connection) -> None:
        for row in (DraftRow, DraftSegmentRow, DraftTurnRow):
            connection.execute(delete(row))

    database.unit_of_work(purge)


async def test_every_change_leaves_an_entry_without_content(drafts: Drafts, database: Database) -> None:
    draft_id = (await drafts.create(title="Canary title", first_segment="canary words")).draft_id
    await drafts.add(draft_id, "ben")
    await drafts.append(draft_id, text="canary more")
    await drafts.pass_ring(draft_id, "ann", "ben")
    await drafts.call("UpdateDraft", draft_id=draft_id, user="ann", title="Canary again")
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_COMPLETED)
    await drafts.call("DeleteDraft", draft_id=draft_id, user="ann")
    entries = database.unit_of_work(
        lambda connection: (
            connection.execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.sequence)).mappings().all()
        ),
        read_only=True,
    )
    assert [entry["event_type"] for entry in entries] == [
        "draft.created",
        "draft.segment_added",
        "draft.collaborator_added",
        "draft.segment_added",
        "draft.ring_passed",
        "draft.updated",
        "draft.completed",
        "draft.deleted",
    ]
    assert {(entry["stream"], entry["user_id"]) for entry in entries} == {(f"drafts/{draft_id}", "ann")}
    assert "anary" not in str([dict(entry) for entry in entries])
    assert entries[1]["data"]["length"] == len("canary words")
    assert len(entries[1]["payload_digest"]) == 64


async def test_drafts_tell_the_event_store(drafts: Drafts, database: Database) -> None:
    draft_id = (await drafts.create(first_segment="one")).draft_id
    await drafts.add(draft_id, "ben")
    await drafts.pass_ring(draft_id, "ann", "ben")
    await drafts.append(draft_id, "ben")
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_COMPLETED)
    stored = database.unit_of_work(
        lambda connection: connection.execute(
            select(EventRow.event_type, EventRow.user_id, EventRow.recipient_id).order_by(
                EventRow.occur_time, EventRow.position
            )
        ).all(),
        read_only=True,
    )
    assert [tuple(row) for row in stored] == [
        ("DraftCreated", "ann", None),
        ("SegmentAdded", "ann", None),
        ("RINGPassed", "ann", "ben"),
        ("SegmentAdded", "ben", None),
        ("DraftCompleted", "ann", None),
    ]


async def test_a_refused_change_leaves_nothing(drafts: Drafts, database: Database) -> None:
    draft_id = await written_by_two(drafts)
    before = await drafts.get(draft_id)
    for refused in (drafts.append(draft_id, "ben", key="k"), drafts.pass_ring(draft_id, "ben", "ann")):
        with pytest.raises(NotRingHolder):
            await refused
    assert await drafts.get(draft_id) == before
    count = text("SELECT count(*) FROM idempotency_keys")
    assert database.unit_of_work(lambda c: c.execute(count).scalar_one(), read_only=True) == 0


async def test_a_completed_draft_stays_so(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_COMPLETED)
    before = await drafts.get(draft_id)
    for state in (draft_pb2.DRAFT_STATE_ACTIVE, draft_pb2.DRAFT_STATE_LOCKED):
        with pytest.raises(DraftIllegalState):
            await drafts.set_state(draft_id, state)
    assert await drafts.get(draft_id) == before
    renamed = await drafts.call("UpdateDraft", draft_id=draft_id, user="ann", title="Another")
    assert renamed.draft.state == draft_pb2.DRAFT_STATE_COMPLETED


async def test_a_draft_is_submitted_while_it_is_written_and_once_it_is_completed(
    drafts: Drafts, database: Database
) -> None:
    draft_id = (await drafts.create(first_segment="one")).draft_id

    def submitted() -> str:
        return database.unit_of_work(
            lambda connection: submitted_text(connection, ("default", draft_id), "ann"), read_only=True
        )

    assert submitted() == "one"
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_LOCKED)
    with pytest.raises(DraftIllegalState, match="cannot submit"):
        submitted()
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_ACTIVE)
    await drafts.set_state(draft_id, draft_pb2.DRAFT_STATE_COMPLETED)
    assert submitted() == "one"
