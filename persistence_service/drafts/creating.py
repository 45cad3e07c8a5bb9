"""Creating a draft, and changing it as a whole."""

from typing import Any

from consensus.v1 import draft_service_pb2
from consensus_contract.characters import says_nothing
from consensus_contract.errors import DraftIllegalState, DuplicateId
from consensus_rpc.errors import InvalidField
from persistence_service.drafts import collaborators, convert, names, repository, statements
from persistence_service.drafts.change import Change
from persistence_service.drafts.convert import Row
from persistence_service.drafts.ring import start_ring
from persistence_service.drafts.segments import checked_text, write_segment
from persistence_service.events.analytics import DRAFT_COMPLETED, DRAFT_CREATED


def checked_title(title: str) -> str:
    """The title without space around it.

    Raises:
        InvalidField: nothing else is to be seen in it.
    """
    if says_nothing(title):
        raise InvalidField(field="title", description="is not blank")
    return title.strip()


def check_create(request: draft_service_pb2.CreateDraftRequest) -> None:
    """What the contract's rules cannot say.

    Raises:
        InvalidField: blank title or segment.
    """
    checked_title(request.title)
    if request.first_segment:
        checked_text(request.first_segment, "first_segment")


def create(
    change: Change, request: draft_service_pb2.CreateDraftRequest
) -> draft_service_pb2.CreateDraftResponse:
    """A new draft, whose ring the creator holds.

    Raises:
        DuplicateId: the id is taken.
    """
    row = _new_row(change, request)
    if change.connection.execute(statements.INSERT_DRAFT, row).first() is None:
        raise DuplicateId(resource=repository.draft_stream(change.draft_id))
    collaborators.put(change, row, change.user, names.OWNER, added_by="")
    start_ring(change)
    change.note("draft.created", {"platform": row["platform"], "title_length": len(row["title"])})
    change.emit(DRAFT_CREATED)
    if request.first_segment:
        write_segment(change, row, request.first_segment)
    change.finish()
    return draft_service_pb2.CreateDraftResponse(
        draft=convert.whole_draft(repository.find_draft(change.connection, change.key))
    )


def _new_row(change: Change, request: draft_service_pb2.CreateDraftRequest) -> dict[str, Any]:
    return {
        **change.row_key,
        "caller": change.actor.caller,
        "title": checked_title(request.title),
        "platform": names.platform_text(request.platform),
        "state": names.ACTIVE,
        "creator": change.user,
        "holder": change.user,
        "ring_time": change.now,
        "segment_count": 0,
        "turn_count": 1,
        "collaborator_count": 0,
        "create_time": change.now,
        "update_time": change.now,
        "complete_time": None,
        "delete_time": None,
        "deletion_id": None,
    }


def check_update(request: draft_service_pb2.UpdateDraftRequest) -> None:
    """What the contract's rules cannot say.

    Raises:
        InvalidField: nothing to change, or a blank title.
    """
    if not request.title and not request.state:
        raise InvalidField(field="title", description="is given, or else state")
    if request.title:
        checked_title(request.title)


def update(
    change: Change, request: draft_service_pb2.UpdateDraftRequest
) -> draft_service_pb2.UpdateDraftResponse:
    """Another title, another state, or both; what is as it was leaves no trace."""
    draft = change.lock()
    change.check_owner()
    title = checked_title(request.title) if request.title else draft["title"]
    state = names.state_text(request.state) if request.state else draft["state"]
    if draft["state"] == names.COMPLETED != state:
        raise DraftIllegalState(draft_id=change.draft_id, state=draft["state"], operation="reopen")
    if (title, state) != (draft["title"], draft["state"]):
        _apply(change, draft, title, state)
    return draft_service_pb2.UpdateDraftResponse(draft=change.short_draft())


def _apply(change: Change, draft: Row, title: str, state: str) -> None:
    is_completed = state == names.COMPLETED
    since = draft["complete_time"] if draft["state"] == state else change.now
    change.update(title=title, state=state, complete_time=since if is_completed else None)
    data: dict[str, Any] = {"state": state, "is_title_changed": title != draft["title"]}
    if not (is_completed and draft["state"] != state):
        change.note("draft.updated", data)
        return
    change.note("draft.completed", {**data, "segment_count": draft["segment_count"]})
    change.emit(DRAFT_COMPLETED, segment_count=draft["segment_count"])
