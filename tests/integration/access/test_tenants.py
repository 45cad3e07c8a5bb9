"""What belongs to one tenant is to another as if it never was, on every method that takes an id."""

from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from consensus.v1 import (
    access_service_pb2,
    decision_service_pb2,
    draft_service_pb2,
    event_service_pb2,
    metric_service_pb2,
    panel_service_pb2,
    policy_service_pb2,
    review_service_pb2,
)
from consensus_client import AccessClient, ClientOptions, SyncAccessClient, SyncDraftClient, SyncReviewClient
from consensus_rpc.channel.bearer import Bearer
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.errors import InvalidPageToken
from tests.support.access import bearer
from tests.support.pair import Pair

IDEA = "A rota lets two wards swap shifts on one page, and it is done when a swap takes under a minute."
UNKNOWN = "0123456789abcdef"
FILES = (
    access_service_pb2,
    decision_service_pb2,
    draft_service_pb2,
    event_service_pb2,
    metric_service_pb2,
    panel_service_pb2,
    policy_service_pb2,
    review_service_pb2,
)
# What each kind of id is called in requests; ids chosen by callers are free in every tenant.
IDS = ("run_id", "draft_id", "key_id")
CHOSEN = {("CreateDraft", "draft_id")}
WORDS = {"user": "ann", "recipient": "bob", "collaborator": "bob", "title": "t", "text": "t", "reason": "r"}


def methods() -> list[Any]:
    """Each method that takes one of the ids at its top, with the field."""
    return [
        pytest.param(method, field.name, id=f"{method.name}-{field.name}")
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        for field in method.input_type.fields
        if field.name in IDS and (method.name, field.name) not in CHOSEN
    ]


@pytest.fixture(scope="module")
def ours(keyed: Pair, keys: dict[str, str]) -> dict[str, str]:
    """One of each, of the tenant `default`."""
    options = ClientOptions(bearer=Bearer(keys["admin"]))
    with SyncReviewClient(keyed.review_address, options) as client:
        run_id = next(iter(client.review(IDEA))).run_id
    with SyncDraftClient(keyed.persistence_address, options) as drafts:
        draft_id = drafts.create("t", user="ann").draft_id
    with SyncAccessClient(keyed.persistence_address, options) as access:
        key_id = access.create("x", ["viewer"]).key.key_id
    return {"run_id": run_id, "draft_id": draft_id, "key_id": key_id}


def request_for(method: Any, field: str, value: str) -> bytes:
    """A request that names the id, its other texts filled with what passes the rules."""
    request = GetMessageClass(method.input_type)()
    for each in method.input_type.fields:
        if each.type == FieldDescriptor.TYPE_STRING and not each.is_repeated and each.name in WORDS:
            setattr(request, each.name, WORDS[each.name])
    setattr(request, field, value)
    return bytes(request.SerializeToString())


async def answer(keyed: Pair, method: Any, raw: bytes, key: str) -> tuple[str, bytes, str]:
    """Code, details without the request's id, and message, of the last word of a call."""
    service = method.containing_service.full_name
    is_review = service == "consensus.v1.ReviewService"
    async with open_channel(keyed.review_address if is_review else keyed.persistence_address) as channel:
        opened: Any = channel.unary_unary(f"/{service}/{method.name}")
        call = opened(raw, metadata=bearer(key), timeout=10)
        code, message = await call.code(), await call.details()
        trailers = dict(await call.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    request_id = str(trailers.get("x-request-id", "")).encode()
    return (
        code.name,
        status.SerializeToString().replace(request_id, b"") if request_id else b"",
        message or "",
    )


@pytest.mark.parametrize(("method", "field"), methods())
async def test_another_tenants_id_is_answered_as_one_that_never_was(
    keyed: Pair, keys: dict[str, str], ours: dict[str, str], method: Any, field: str
) -> None:
    unknown = UNKNOWN + "0" * (len(ours[field]) - len(UNKNOWN))
    foreign = await answer(keyed, method, request_for(method, field, ours[field]), keys["other"])
    never = await answer(keyed, method, request_for(method, field, unknown), keys["other"])
    assert foreign[0] == never[0]
    assert foreign[0] != "UNAUTHENTICATED"
    assert foreign[1].replace(ours[field].encode(), b"") == never[1].replace(unknown.encode(), b"")
    assert foreign[2].replace(ours[field], "") == never[2].replace(unknown, "")


async def test_a_page_token_of_another_tenant_is_no_token(keyed: Pair, keys: dict[str, str]) -> None:
    ours_ = ClientOptions(bearer=Bearer(keys["admin"]))
    theirs = ClientOptions(bearer=Bearer(keys["other"]))
    async with AccessClient(keyed.persistence_address, ours_) as mine:
        token = (await mine.list_page(page_size=1)).next_page_token
        assert token
    async with AccessClient(keyed.persistence_address, theirs) as stranger:
        with pytest.raises(InvalidPageToken):
            await stranger.list_page(page_size=1, page_token=token)
