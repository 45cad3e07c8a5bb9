"""Requests at the edges of time, depth and width, on the wire: refused by name, and never by an accident."""

from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import review_service_pb2
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.shapes import DURATION, TIMESTAMP
from consensus_rpc.server.validation import check_request
from tests.support.pair import PERSISTENCE, REVIEW, Client, Pair
from tests.support.raw_messages import deep, wide


class Channels(NamedTuple):
    """Channels to both services, and to what only review services use."""

    review: grpc.aio.Channel
    persistence: grpc.aio.Channel
    internal: grpc.aio.Channel


SERVICES = (
    "v1.audit",
    "v1.draft",
    "v1.event",
    "v1.idempotency",
    "v1.metric",
    "internal.v1.persistence",
    "v1.review",
)
NOBODYS_FAULT_BUT_OURS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)

INSTANTS = (
    Timestamp(seconds=253_402_300_799, nanos=999_999_999),
    Timestamp(seconds=253_402_300_799, nanos=999_999_000),
    Timestamp(seconds=253_402_300_800),
    Timestamp(seconds=-62_135_596_800),
    Timestamp(seconds=-62_135_596_801),
    Timestamp(seconds=2**63 - 1, nanos=2**31 - 1),
    Timestamp(nanos=-1),
)
SPANS = (
    Duration(seconds=315_576_000_000),
    Duration(seconds=36_525 * 86_400),
    Duration(seconds=-(2**63), nanos=-(2**31)),
    Duration(seconds=1, nanos=-1),
    Duration(nanos=1),
    Duration(nanos=999_999_999),
    Duration(),
)
# What the fields that a rule complains about are tried with, until none does.
TRIED = ("x1", "An idea.", "0" * 32, "expand", "architect", 1, 2, b"x" * 32, 0.5)


def time_paths(descriptor: Descriptor, path: tuple[FieldDescriptor, ...] = ()) -> Iterator[Any]:
    for each in descriptor.fields:
        kind = each.message_type
        if kind is None or kind in [above.message_type for above in path]:
            continue
        if kind.full_name in (TIMESTAMP, DURATION):
            yield (*path, each)
        else:
            yield from time_paths(kind, (*path, each))


def methods() -> Iterator[tuple[MethodDescriptor, Any]]:
    for name in SERVICES:
        module = import_module(f"consensus.{name}_service_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                for path in time_paths(method.input_type):
                    yield method, path


CASES = {
    f"{method.full_name}:{'.'.join(each.name for each in path)}": (method, path) for method, path in methods()
}


def request_with(method: MethodDescriptor, path: tuple[FieldDescriptor, ...], time: Any) -> Any:
    """The method's request with this time in that place, and with what else its rules ask for."""
    request = GetMessageClass(method.input_type)()
    place = request
    for each in path:
        held = getattr(place, each.name)
        place = held.add() if each.is_repeated else held
        place.SetInParent()
    place.CopyFrom(time)
    _complete(request)
    return request


def _complete(message: Any) -> None:
    """Sets what the rules miss, in the message and those in it, as well as a few tries can."""
    for field, held in message.ListFields():
        if field.message_type is not None and field.message_type.full_name not in (TIMESTAMP, DURATION):
            for each in held if field.is_repeated else [held]:
                _complete(each)
    for _ in range(30):
        broken = _first_broken(message)
        if broken is None or not _mend(message, broken):
            return


def _first_broken(message: Any) -> str | None:
    try:
        check_request(message)
    except InvalidField as error:
        names = [each.field for each in error.field_violations if each.field]
        return next((name for name in names if "." not in name and "[" not in name), None)
    return None


def _mend(message: Any, name: str) -> bool:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:  # a choice: its first that is no message
        choice = message.DESCRIPTOR.oneofs_by_name[name]
        field = choice.fields[0]
    if field.message_type is not None:
        held = getattr(message, field.name)
        inner = held.add() if field.is_repeated else held
        inner.SetInParent()
        _complete(inner)
        return True
    for value in TRIED:
        try:
            if field.is_repeated:
                del getattr(message, field.name)[:]
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
        except (TypeError, ValueError):
            continue
        if _first_broken(message) != name:
            return True
    return False


@pytest.mark.parametrize(("method", "path"), CASES.values(), ids=CASES)
async def test_no_instant_and_no_span_is_a_fault_of_the_servers(
    channels: Channels, method: MethodDescriptor, path: tuple[FieldDescriptor, ...]
) -> None:
    kind = path[-1].message_type
    times: Any = INSTANTS if kind is not None and kind.full_name == TIMESTAMP else SPANS
    for time in times:
        request = request_with(method, path, time)
        code = await call(channels, method, request)
        assert code not in NOBODYS_FAULT_BUT_OURS, (code, str(request)[:500])


@pytest.fixture
async def channels(pair: Pair) -> AsyncIterator[Channels]:
    """A channel to each address."""
    async with (
        open_channel(pair.review_address) as review,
        open_channel(pair.persistence_address) as record,
        open_channel(pair.internal_address) as internal,
    ):
        yield Channels(review, record, internal)


async def call(channels: Channels, method: MethodDescriptor, request: Any) -> grpc.StatusCode:
    """Calls a method of either service and returns what it ended with."""
    service = method.containing_service.full_name
    ways: dict[str, Any] = {REVIEW: channels.review, PERSISTENCE: channels.internal}
    channel = ways.get(service, channels.persistence)
    path = f"/{service}/{method.name}"
    ended = channel.stream_stream(path)(iter([request.SerializeToString()]), timeout=5)
    try:
        _ = [each async for each in ended]
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [(wide(900_000), InvalidField), (wide(150_000), InvalidField), (deep(98), InvalidField)],
    ids=["wide", "less wide", "deep"],
)
async def test_a_context_beyond_its_bounds_is_refused_compressed_or_not(
    channels: Channels, raw: bytes, refusal: type[ConsensusError]
) -> None:
    method: Any = channels.review.unary_unary(f"/{REVIEW}/StartReview")
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        with pytest.raises(refusal), contract_errors():
            await method(raw, compression=compression)


async def test_the_deepest_context_can_be_read_back(client: Client, mark: str) -> None:
    request = review_service_pb2.StartReviewRequest.FromString(deep(32))
    request.review.idea = f"{mark} lets nurses hand over a shift from one page."

    run_id = (await client.review.StartReview(request)).run.run_id
    await client.watch(run_id)

    assert (await client.get(run_id)).specification.context == request.review.context
    listed = await client.review.ListRuns(review_service_pb2.ListRunsRequest(page_size=100))
    assert run_id in [each.run_id for each in listed.runs]
    exported = [each async for each in client.review.ExportRuns(review_service_pb2.ExportRunsRequest())]
    assert run_id in [each.run.run_id for each in exported]
