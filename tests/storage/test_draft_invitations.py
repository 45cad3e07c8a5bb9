"""Invitations to drafts: made by owners, answered once, by who has the token."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from consensus.v1 import draft_pb2
from consensus_contract.errors import DuplicateId, InvitationNotFound, InvitationNotPending
from consensus_rpc.errors import InvalidField, InvalidPageToken
from persistence_service.database import Database
from persistence_service.drafts.tables import DraftInvitationRow
from tests.support.drafts import EDITOR, OWNER, VIEWER, Drafts
from tests.support.records import LONG_AGO

HOUR = 3600


@pytest.fixture
async def drafts(database: Database) -> AsyncIterator[Drafts]:
    async with Drafts(database) as drafts:
        yield drafts


async def accept(drafts: Drafts, draft_id: str, token: str, user: str = "ben", key: str = "") -> Any:
    answer = await drafts.call(
        "AcceptInvitation", draft_id=draft_id, user=user, token=token, idempotency_key=key
    )
    return answer.collaborator


@pytest.mark.parametrize("role", [OWNER, EDITOR, VIEWER])
async def test_whoever_accepts_takes_part_in_the_role_of_the_invitation(drafts: Drafts, role: int) -> None:
    draft_id = (await drafts.create()).draft_id
    answer = await drafts.invite(draft_id, role)
    invitation = answer.invitation
    assert (invitation.state, invitation.role) == (draft_pb2.INVITATION_STATE_PENDING, role)
    lasts = invitation.expire_time.ToDatetime() - invitation.create_time.ToDatetime()
    assert lasts == timedelta(hours=72)
    joined = await accept(drafts, draft_id, answer.token)
    assert (joined.user, joined.role, joined.added_by) == ("ben", role, "ann")
    assert (await drafts.get(draft_id)).collaborator_count == 2


async def test_an_invitation_survives_a_restart(drafts: Drafts, database: Database) -> None:
    draft_id = (await drafts.create()).draft_id
    token = (await drafts.invite(draft_id)).token
    async with Drafts(database) as restarted:
        assert (await accept(restarted, draft_id, token)).user == "ben"


async def test_only_the_digest_of_a_token_is_stored(drafts: Drafts, database: Database) -> None:
    draft_id = (await drafts.create()).draft_id
    token = (await drafts.invite(draft_id, idempotency_key="k")).token
    assert len(token) >= 32
    tables = ("draft_invitations", "idempotency_keys", "audit_log", "events")
    stored = database.unit_of_work(
        lambda connection: [
            bytes(value) if isinstance(value, memoryview) else value
            for table in tables
            for row in connection.execute(text(f"SELECT * FROM {table}"))
            for value in row
        ],
        read_only=True,
    )
    assert token not in str(stored)


async def test_a_repeated_invitation_is_the_same_without_its_token(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    first = await drafts.invite(draft_id, idempotency_key="k")
    again = await drafts.invite(draft_id, idempotency_key="k")
    assert again.invitation == first.invitation
    assert (bool(first.token), again.token) == (True, "")


async def test_an_invitation_for_somebody_is_no_other_users(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    token = (await drafts.invite(draft_id, invitee="ben")).token
    for method in ("AcceptInvitation", "DeclineInvitation"):
        with pytest.raises(InvitationNotFound):
            await drafts.call(method, draft_id=draft_id, user="eve", token=token)
    assert (await accept(drafts, draft_id, token)).user == "ben"


async def test_a_token_opens_only_its_own_draft(drafts: Drafts) -> None:
    token = (await drafts.invite((await drafts.create()).draft_id)).token
    other = (await drafts.create()).draft_id
    for wrong in (token, "guessed"):
        with pytest.raises(InvitationNotFound):
            await accept(drafts, other, wrong)


async def test_an_invitation_is_answered_once(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    accepted, declined, revoked = [await drafts.invite(draft_id) for _ in range(3)]
    first = await accept(drafts, draft_id, accepted.token, key="k")
    assert await accept(drafts, draft_id, accepted.token, key="k") == first
    await drafts.call("DeclineInvitation", draft_id=draft_id, user="eve", token=declined.token)
    of_revoked = {"draft_id": draft_id, "user": "ann", "invitation_id": revoked.invitation.invitation_id}
    await drafts.call("RevokeInvitation", **of_revoked)
    for answered, state in ((accepted, "ACCEPTED"), (declined, "DECLINED"), (revoked, "REVOKED")):
        with pytest.raises(InvitationNotPending, match=state):
            await accept(drafts, draft_id, answered.token, "eve")
    with pytest.raises(InvitationNotPending):
        await drafts.call("RevokeInvitation", **of_revoked)
    with pytest.raises(InvitationNotFound):
        await drafts.call("RevokeInvitation", **(of_revoked | {"invitation_id": "none"}))
    listed = (await drafts.call("ListInvitations", draft_id=draft_id)).invitations
    assert [(each.state, each.answered_by) for each in reversed(listed)] == [
        (draft_pb2.INVITATION_STATE_ACCEPTED, "ben"),
        (draft_pb2.INVITATION_STATE_DECLINED, "eve"),
        (draft_pb2.INVITATION_STATE_REVOKED, "ann"),
    ]


async def test_an_invitation_that_nobody_answered_in_time_is_over(drafts: Drafts, database: Database) -> None:
    draft_id = (await drafts.create()).draft_id
    token = (await drafts.invite(draft_id)).token
    past = update(DraftInvitationRow).values(expire_time=LONG_AGO)
    database.unit_of_work(lambda connection: connection.execute(past))
    with pytest.raises(InvitationNotPending, match="EXPIRED"):
        await accept(drafts, draft_id, token)
    listed = (await drafts.call("ListInvitations", draft_id=draft_id)).invitations
    assert [each.state for each in listed] == [draft_pb2.INVITATION_STATE_EXPIRED]


async def test_a_collaborator_accepts_no_invitation(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    token = (await drafts.invite(draft_id)).token
    with pytest.raises(DuplicateId):
        await accept(drafts, draft_id, token, "ann")
    assert (await accept(drafts, draft_id, token)).user == "ben"


@pytest.mark.parametrize("hours", [1, 720])
async def test_an_invitation_lasts_as_long_as_asked(drafts: Drafts, hours: int) -> None:
    draft_id = (await drafts.create()).draft_id
    invitation = (await drafts.invite(draft_id, ttl_seconds=hours * HOUR)).invitation
    assert invitation.expire_time.seconds - invitation.create_time.seconds == hours * HOUR


@pytest.mark.parametrize("seconds", [0, HOUR - 1, 720 * HOUR + 1])
async def test_it_lasts_no_shorter_and_no_longer_than_allowed(drafts: Drafts, seconds: int) -> None:
    draft_id = (await drafts.create()).draft_id
    with pytest.raises(InvalidField, match="ttl"):
        await drafts.invite(draft_id, ttl_seconds=seconds)


async def test_invitations_are_listed_newest_first_page_by_page(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    made = [(await drafts.invite(draft_id)).invitation.invitation_id for _ in range(5)]
    listed, token = [], ""
    while True:
        page = await drafts.call("ListInvitations", draft_id=draft_id, page_size=2, page_token=token)
        listed += [each.invitation_id for each in page.invitations]
        if not (token := page.next_page_token):
            break
        last = token
    assert listed == made[::-1]
    other = (await drafts.create()).draft_id
    with pytest.raises(InvalidPageToken):
        await drafts.call("ListInvitations", draft_id=other, page_token=last)
