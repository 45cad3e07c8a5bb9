"""Every limit and enum of DraftService, kept and broken, on the wire."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from consensus.v1 import draft_pb2
from consensus_rpc.errors import InvalidField
from persistence_service.database import Database
from tests.support.drafts import Drafts

LONGEST_USER, LONGEST_ID, LONGEST_KEY = "u" * 255, "d" * 64, "k" * 255
CREATE = {"user": "ann", "title": "T"}
OF_DRAFT = {"draft_id": "one", "user": "ann"}


@pytest.fixture
async def drafts(database: Database) -> AsyncIterator[Drafts]:
    async with Drafts(database) as drafts:
        await drafts.create("one")
        await drafts.add("one", "ben")
        yield drafts


KEPT: list[tuple[str, dict[str, Any]]] = [
    ("CreateDraft", CREATE | {"draft_id": LONGEST_ID}),
    ("CreateDraft", CREATE | {"user": LONGEST_USER}),
    ("CreateDraft", CREATE | {"user": "\U0001f600' OR 1=1; --"}),
    ("CreateDraft", CREATE | {"title": "\u00e4" * 200}),
    ("CreateDraft", CREATE | {"first_segment": "\U0001f600" * 500}),
    ("CreateDraft", CREATE | {"idempotency_key": LONGEST_KEY}),
    *(("CreateDraft", CREATE | {"platform": number}) for number in draft_pb2.DraftPlatform.values()),
    ("AppendSegment", OF_DRAFT | {"text": "."}),
    ("AppendSegment", OF_DRAFT | {"text": "line\nline\t'; DROP TABLE drafts; --"}),
    ("AppendSegment", OF_DRAFT | {"text": "\u5b57" * 500}),
    *(
        ("UpdateDraft", OF_DRAFT | {"state": number, "title": "T"})
        for number in draft_pb2.DraftState.values()
    ),
    *(
        ("AddCollaborator", OF_DRAFT | {"collaborator": "eve", "role": number})
        for number in draft_pb2.CollaboratorRole.values()
        if number
    ),
    ("ListDrafts", {"user": "ann", "page_size": 100}),
]

BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("CreateDraft", CREATE | {"draft_id": "d" * 65}, "draft_id"),
    ("CreateDraft", CREATE | {"draft_id": "a/b"}, "draft_id"),
    ("CreateDraft", CREATE | {"user": ""}, "user"),
    ("CreateDraft", CREATE | {"user": "u" * 256}, "user"),
    ("CreateDraft", CREATE | {"user": "a\nb"}, "user"),
    *(
        ("CreateDraft", CREATE | {"user": f"a{each}b"}, "user")
        for each in "\x9b\u202e\u200b\u3164\u2800\ufe0f"
    ),
    *(("CreateDraft", CREATE | {"title": f"a{each}b"}, "title") for each in "\x9b\u202e\u2066\u2028"),
    *(("CreateDraft", CREATE | {"title": each}, "title") for each in "\u3164\u115f\u2800\ufe0f\u200d"),
    *(
        ("CreateDraft", CREATE | {"first_segment": each}, "first_segment")
        for each in "\u3164\u115f\u2800\ufe0f\u200d"
    ),
    ("CreateDraft", CREATE | {"title": ""}, "title"),
    ("CreateDraft", CREATE | {"title": " \u3000 "}, "title"),
    ("CreateDraft", CREATE | {"title": "t" * 201}, "title"),
    ("CreateDraft", CREATE | {"title": "a\x00b"}, "title"),
    ("CreateDraft", CREATE | {"platform": 5}, "platform"),
    ("CreateDraft", CREATE | {"platform": -1}, "platform"),
    ("CreateDraft", CREATE | {"first_segment": "s" * 501}, "first_segment"),
    ("CreateDraft", CREATE | {"first_segment": " \n"}, "first_segment"),
    ("CreateDraft", CREATE | {"idempotency_key": "k" * 256}, "idempotency_key"),
    ("CreateDraft", CREATE | {"idempotency_key": "k\u00e4"}, "idempotency_key"),
    ("GetDraft", {"draft_id": ""}, "draft_id"),
    ("AppendSegment", OF_DRAFT | {"text": ""}, "text"),
    ("AppendSegment", OF_DRAFT | {"text": "\t\n "}, "text"),
    ("AppendSegment", OF_DRAFT | {"text": "s" * 501}, "text"),
    ("AppendSegment", OF_DRAFT | {"text": "a\x00b"}, "text"),
    ("AppendSegment", OF_DRAFT | {"user": "", "text": "x"}, "user"),
    ("PassRing", OF_DRAFT | {"recipient": ""}, "recipient"),
    ("PassRing", OF_DRAFT | {"recipient": "u" * 256}, "recipient"),
    ("UpdateDraft", OF_DRAFT, "title"),
    ("UpdateDraft", OF_DRAFT | {"title": "   "}, "title"),
    ("UpdateDraft", OF_DRAFT | {"title": "t" * 201}, "title"),
    ("UpdateDraft", OF_DRAFT | {"state": 4}, "state"),
    ("DeleteDraft", {"draft_id": "one"}, "user"),
    ("UndeleteDraft", {"draft_id": "one"}, "user"),
    ("AddCollaborator", OF_DRAFT | {"collaborator": "eve"}, "role"),
    ("AddCollaborator", OF_DRAFT | {"collaborator": "eve", "role": 4}, "role"),
    ("AddCollaborator", OF_DRAFT | {"collaborator": "", "role": 2}, "collaborator"),
    ("RemoveCollaborator", OF_DRAFT | {"collaborator": ""}, "collaborator"),
    ("CreateInvitation", OF_DRAFT, "role"),
    ("CreateInvitation", OF_DRAFT | {"role": 9}, "role"),
    ("CreateInvitation", OF_DRAFT | {"role": 2, "invitee": "u" * 256}, "invitee"),
    ("AcceptInvitation", OF_DRAFT | {"token": ""}, "token"),
    ("AcceptInvitation", OF_DRAFT | {"token": "t" * 129}, "token"),
    ("DeclineInvitation", OF_DRAFT | {"token": "a b"}, "token"),
    ("RevokeInvitation", OF_DRAFT | {"invitation_id": ""}, "invitation_id"),
    ("ListDrafts", {"user": ""}, "user"),
    ("ListDrafts", {"user": "ann", "page_size": 101}, "page_size"),
    ("ListDrafts", {"user": "ann", "page_size": -1}, "page_size"),
    ("ListDrafts", {"user": "ann", "page_token": "t" * 2001}, "page_token"),
    ("ListRingTurns", {"draft_id": "one", "page_size": 101}, "page_size"),
    ("ListInvitations", {"draft_id": "one", "page_size": 101}, "page_size"),
]


async def test_what_keeps_the_limits_is_taken(drafts: Drafts) -> None:
    for number, (method, fields) in enumerate(KEPT):
        if method == "AddCollaborator":
            fields = fields | {"collaborator": f"eve-{number}"}
        await drafts.call(method, **fields)


async def test_what_breaks_a_limit_is_refused_by_name_and_changes_nothing(drafts: Drafts) -> None:
    before = await drafts.get("one")
    for method, fields, field in BROKEN:
        with pytest.raises(InvalidField) as refused:
            await drafts.call(method, **fields)
        assert [each.field for each in refused.value.field_violations] == [field], (method, fields)
    assert await drafts.get("one") == before
    assert len((await drafts.call("ListDrafts", user="ann")).drafts) == 1


async def test_texts_are_kept_to_the_letter(drafts: Drafts) -> None:
    words = "  \U0001f600 e\u0301 '; DROP TABLE drafts; -- \u202e\n\t"
    await drafts.append("one", text=words)
    assert (await drafts.get("one")).segments[0].text == words


async def test_what_a_later_release_adds_is_passed_over(drafts: Drafts) -> None:
    """An unknown field of a newer client changes nothing."""
    draft = await drafts.get("one")
    raw = b"\x0a\x03one" + b"\xf8\x3f\x01"  # draft_id, and field 1023 as a varint
    call = drafts.channel.unary_unary(
        "/consensus.v1.DraftService/GetDraft",
        request_serializer=lambda data: data,
        response_deserializer=lambda data: data,
    )
    assert draft.SerializeToString() in await call(raw)
