"""A user's drafts, page by page, and the index that serves them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text, update

from consensus_rpc.errors import InvalidPageToken
from persistence_service.database import Database
from persistence_service.drafts.statements import drafts_of_user
from persistence_service.drafts.tables import DraftMemberRow, DraftRow
from tests.support.drafts import Drafts


@pytest.fixture
async def drafts(database: Database) -> AsyncIterator[Drafts]:
    async with Drafts(database) as drafts:
        yield drafts


async def listed(drafts: Drafts, user: str, page_size: int = 2) -> list[str]:
    found, token = [], ""
    while True:
        page = await drafts.call("ListDrafts", user=user, page_size=page_size, page_token=token)
        found += [draft.draft_id for draft in page.drafts]
        if not (token := page.next_page_token):
            return found


async def test_a_user_has_what_they_created_take_part_in_or_wrote_in(drafts: Drafts) -> None:
    created = (await drafts.create(user="ben")).draft_id
    takes_part = (await drafts.create()).draft_id
    wrote_in = (await drafts.create()).draft_id
    await drafts.create()
    await drafts.add(takes_part, "ben")
    await drafts.add(wrote_in, "ben")
    await drafts.pass_ring(wrote_in, "ann", "ben")
    await drafts.append(wrote_in, "ben")
    await drafts.call("RemoveCollaborator", draft_id=wrote_in, user="ben", collaborator="ben")
    assert await listed(drafts, "ben") == [wrote_in, takes_part, created]
    assert await listed(drafts, "nobody") == []


async def test_who_left_without_writing_has_the_draft_no_more(drafts: Drafts) -> None:
    draft_id = (await drafts.create()).draft_id
    await drafts.add(draft_id, "ben")
    await drafts.call("RemoveCollaborator", draft_id=draft_id, user="ben", collaborator="ben")
    assert await listed(drafts, "ben") == []


async def test_a_list_has_counts_in_place_of_contents(drafts: Drafts) -> None:
    await drafts.create(first_segment="one")
    (draft,) = (await drafts.call("ListDrafts", user="ann")).drafts
    assert (draft.segment_count, draft.collaborator_count, draft.ring.turn_count) == (1, 1, 1)
    assert not draft.segments
    assert not draft.collaborators
    assert not draft.ring.turns
    assert (draft.ring.holder, draft.last_sequence) == ("ann", 2)


async def test_drafts_of_one_instant_neither_repeat_nor_skip(drafts: Drafts, database: Database) -> None:
    made = sorted([(await drafts.create()).draft_id for _ in range(5)])
    at = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)

    def set_time(connection: Connection) -> None:
        connection.execute(update(DraftRow).values(create_time=at))
        connection.execute(update(DraftMemberRow).values(draft_create_time=at))

    database.unit_of_work(set_time)
    assert await listed(drafts, "ann") == made[::-1]


async def test_drafts_created_between_two_pages_neither_repeat_nor_skip(drafts: Drafts) -> None:
    made = [(await drafts.create()).draft_id for _ in range(4)]
    first = await drafts.call("ListDrafts", user="ann", page_size=2)
    await drafts.create()
    second = await drafts.call("ListDrafts", user="ann", page_size=2, page_token=first.next_page_token)
    assert [each.draft_id for each in (*first.drafts, *second.drafts)] == made[::-1]
    assert not second.next_page_token


async def test_a_token_belongs_to_its_user_and_is_not_forged(drafts: Drafts) -> None:
    for _ in range(2):
        await drafts.create()
    token = (await drafts.call("ListDrafts", user="ann", page_size=1)).next_page_token
    for fields in (
        {"user": "ben", "page_token": token},
        {"user": "ann", "page_token": token, "show_deleted": True},
        # Not its last character: some of that one's bits stand for nothing.
        {"user": "ann", "page_token": ("A" if token[0] != "A" else "B") + token[1:]},
        {"user": "ann", "page_token": "rubbish"},
    ):
        with pytest.raises(InvalidPageToken):
            await drafts.call("ListDrafts", **fields)


FILL = """
INSERT INTO drafts (tenant, draft_id, caller, title, platform, state, creator, holder, ring_time,
    segment_count, turn_count, collaborator_count, create_time, update_time)
SELECT 'default', 'd' || n, 'anonymous', 't', '', 'ACTIVE', 'u' || n % 1000, 'u' || n % 1000, now(),
    0, 1, 1, now() + n * interval '1 second', now() FROM generate_series(1, 100000) n;
INSERT INTO draft_members (tenant, draft_id, user_id, role, is_author, added_by, join_time, draft_create_time)
SELECT tenant, draft_id, creator, 'OWNER', false, '', create_time, create_time FROM drafts;
INSERT INTO stream_heads (tenant, stream, sequence, hash, update_time)
SELECT tenant, 'drafts/' || draft_id, 1, decode(repeat('00', 32), 'hex'), create_time FROM drafts;
ANALYZE drafts; ANALYZE draft_members; ANALYZE stream_heads;
"""


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_no_table_is_scanned_whole_for_a_page(database: Database) -> None:
    database.unit_of_work(lambda connection: connection.execute(text(FILL)))
    statement = drafts_of_user(show_deleted=False).limit(31)
    compiled = statement.compile(database.engine)
    plan = database.unit_of_work(
        lambda connection: (
            connection.exec_driver_sql(
                f"EXPLAIN {compiled}", {**compiled.params, "tenant": "default", "user_id": "u7"}
            )
            .scalars()
            .all()
        ),
        read_only=True,
    )
    assert "ix_draft_members_user" in "\n".join(plan)
    assert "Seq Scan" not in "\n".join(plan)
