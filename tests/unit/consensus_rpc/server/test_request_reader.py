"""Whatever its shape, a request is read or refused within a bound of CPU, and never by an accident."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import event_service_pb2, metric_service_pb2, review_service_pb2
from consensus_rpc.errors import InvalidField, MessageTooLarge
from consensus_rpc.server.character_limits import CharacterLimit
from consensus_rpc.server.request_reader import RequestReader
from consensus_rpc.server.shapes import DURATION, STRUCT, TIMESTAMP
from consensus_rpc.server.survey import MAX_LEVELS, MAX_MESSAGES
from tests.support.raw_messages import Start, deep, start, tagged, wide

CEILING = 4 * 1024 * 1024
MOST_SECONDS = 0.1

SERVICES = (
    "v1.audit",
    "internal.v1.diagnostics",
    "v1.draft",
    "v1.event",
    "v1.idempotency",
    "v1.metric",
    "internal.v1.persistence",
    "v1.review",
)


def request_types() -> Iterator[Any]:
    for name in SERVICES:
        module = import_module(f"consensus.{name}_service_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield method.input_type._concrete_class


TYPES = {each.DESCRIPTOR.full_name: each for each in request_types()}


def reader(kind: Any) -> RequestReader:
    return RequestReader(kind.FromString, max_bytes=CEILING)


def cpu_seconds(act: Callable[[], object]) -> float:
    gc.disable()  # what a collection takes, over all that the tests have loaded, is not the reading's time
    began = time.thread_time()
    try:
        act()
        return time.thread_time() - began
    finally:
        gc.enable()


@pytest.mark.parametrize("count", [900_000, 150_000, MAX_MESSAGES + 1])
def test_a_list_too_wide_is_refused_within_a_bound(count: int) -> None:
    start_reader, raw = reader(Start), wide(count)

    def read() -> None:
        with pytest.raises((InvalidField, MessageTooLarge)):
            start_reader.read(raw)

    assert cpu_seconds(read) < MOST_SECONDS


LISTS = {
    f"{name}.{each.name}": (kind, each)
    for name, kind in TYPES.items()
    for each in kind.DESCRIPTOR.fields
    if each.is_repeated and each.message_type is not None
}


@pytest.mark.parametrize(("kind", "field"), LISTS.values(), ids=LISTS)
def test_a_list_too_long_is_refused_by_its_name_before_its_entries_are_visited(
    kind: Any, field: FieldDescriptor
) -> None:
    list_reader, raw = reader(kind), tagged(field.number, b"") * 20_000

    def read() -> None:
        with pytest.raises(InvalidField) as raised:
            list_reader.read(raw)
        [violation] = raised.value.field_violations
        assert violation.field == field.name
        assert violation.description.endswith("; 20000 items sent")

    assert cpu_seconds(read) < MOST_SECONDS or cpu_seconds(read) < MOST_SECONDS  # a second time when warm


def test_the_largest_context_is_read_within_a_bound() -> None:
    start_reader, raw = reader(Start), start([0] * 24_000)
    start_reader.read(start([0]))  # the rules are compiled

    assert cpu_seconds(lambda: start_reader.read(raw)) < MOST_SECONDS


@pytest.mark.parametrize("lists", [False, True], ids=["objects", "lists"])
def test_nesting_is_bounded(lists: bool) -> None:
    start_reader = reader(Start)

    start_reader.read(deep(MAX_LEVELS, lists=lists))
    for levels in (MAX_LEVELS + 1, 98, 5_000):
        with pytest.raises(InvalidField) as raised:
            start_reader.read(deep(levels, lists=lists))
        [violation] = raised.value.field_violations
        assert violation.field == "review.context.object"
        assert str(MAX_LEVELS) in violation.description


def struct_paths(descriptor: Descriptor, path: tuple[FieldDescriptor, ...] = ()) -> Iterator[Any]:
    for each in descriptor.fields:
        kind = each.message_type
        if kind is None or kind in [above.message_type for above in path]:
            continue
        if kind.full_name == STRUCT:
            yield (*path, each)
        else:
            yield from struct_paths(kind, (*path, each))


ANSWERS = {
    f"{method.full_name}:{'.'.join(each.name for each in path)}": (method.output_type._concrete_class, path)
    for name in SERVICES
    for service in import_module(f"consensus.{name}_service_pb2").DESCRIPTOR.services_by_name.values()
    for method in service.methods
    for path in struct_paths(method.output_type)
}


@pytest.mark.parametrize(("kind", "path"), ANSWERS.values(), ids=ANSWERS)
def test_the_deepest_that_is_taken_can_be_answered_with(kind: Any, path: tuple[Any, ...]) -> None:
    raw = Start.FromString(deep(MAX_LEVELS)).review.context.object.SerializeToString()
    for each in reversed(path):
        raw = _wide_tagged(each.number, raw)

    assert kind.FromString(raw).SerializeToString()


def _wide_tagged(number: int, raw: bytes) -> bytes:
    tag = number << 3 | 2
    return (bytes([tag & 0x7F | 0x80, tag >> 7]) if tag >= 0x80 else bytes([tag])) + tagged(1, raw)[1:]


def test_a_filters_json_is_bounded_too() -> None:
    filters = metric_service_pb2.ListMetricsRequest()
    filters.filter.data.update({"a": [0] * 25_000})
    raw = filters.SerializeToString() + b"\x00" * 0
    with pytest.raises(MessageTooLarge):
        reader(metric_service_pb2.ListMetricsRequest).read(raw * 4)


def test_many_events_in_one_request_are_bounded_together() -> None:
    event = event_service_pb2.EventInput(type="a", occur_time=Timestamp(seconds=1))
    event.data.update({str(number): 0 for number in range(30)})
    request = event_service_pb2.AppendEventsRequest(events=[event] * 1000)
    raw = request.SerializeToString()
    events_reader = reader(event_service_pb2.AppendEventsRequest)

    def read() -> None:
        with pytest.raises(InvalidField, match="values and parts"):
            events_reader.read(raw)

    assert cpu_seconds(read) < MOST_SECONDS


def test_the_caps_come_from_the_contracts_rules() -> None:
    with pytest.raises(MessageTooLarge) as raised:
        reader(review_service_pb2.GetRunRequest).read(b"\x0a\x84\x10" + b"x" * 2052)

    assert int(raised.value.metadata["limit_bytes"]) < 2000


def test_a_text_beyond_the_contracts_ceiling_is_told_the_limit_in_force() -> None:
    request = Start()
    request.review.idea = "a" * 25_000
    limit = CharacterLimit(10_000, "send it as a document")
    limited = RequestReader(Start.FromString, max_bytes=CEILING, character_limits={"review.idea": limit})

    with pytest.raises(InvalidField) as raised:
        limited.read(request.SerializeToString())

    [violation] = raised.value.field_violations
    assert (
        violation.description
        == "must be at most 10000 characters; 25000 characters sent; send it as a document"
    )


EDGES = (
    *((seconds, nanos) for seconds in (0, 1, -1, 253_402_300_799, 253_402_300_800, -62_135_596_800)
      for nanos in (0, 1, -1, 999_999_999, -999_999_999, 1_000_000_000)),
    (2**63 - 1, 2**31 - 1), (-(2**63), -(2**31)), (315_576_000_000, 0), (-62_135_596_801, 0),
)  # fmt: skip


@pytest.mark.parametrize(
    ("stamp", "is_taken"),
    [
        (Timestamp(seconds=253_402_300_799, nanos=999_999_000), True),
        (Timestamp(seconds=253_402_300_799, nanos=999_999_999), False),
        (Timestamp(seconds=253_402_300_800), False),
        (Timestamp(seconds=-62_135_596_800), True),
        (Timestamp(seconds=-62_135_596_801, nanos=999_999_999), False),
        (Timestamp(nanos=-1), False),
        (Timestamp(nanos=1_000_000_000), False),
    ],
)
def test_an_instant_is_within_the_years_1_to_9999(stamp: Timestamp, is_taken: bool) -> None:
    request = review_service_pb2.ListRunsRequest()
    request.filter.create_time_to.CopyFrom(stamp)

    if is_taken:
        reader(type(request)).read(request.SerializeToString())
    else:
        with pytest.raises(InvalidField) as raised:
            reader(type(request)).read(request.SerializeToString())
        assert [each.field for each in raised.value.field_violations] == ["filter.create_time_to"]


def test_times_in_lists_are_checked_and_named() -> None:
    event = event_service_pb2.EventInput(type="a", occur_time=Timestamp(nanos=-1))
    request = event_service_pb2.AppendEventsRequest(events=[event])

    with pytest.raises(InvalidField) as raised:
        reader(type(request)).read(request.SerializeToString())

    assert [each.field for each in raised.value.field_violations] == ["events[0].occur_time"]


def test_a_request_without_json_is_not_parsed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    request = persistence_service_pb2.RecordRunRequest()
    request.record.record_id = 1
    request.record.attempts.add().step = "no step"
    record_reader = reader(type(request))
    monkeypatch.setattr(record_reader, "_view", None)

    with pytest.raises(InvalidField, match="record"):
        record_reader.read(request.SerializeToString())


SCALARS = {
    FieldDescriptor.CPPTYPE_STRING: st.sampled_from(["", "a", "x" * 70_000, "\0", "\u2800", "😀" * 300]),
    FieldDescriptor.CPPTYPE_INT32: st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31)]),
    FieldDescriptor.CPPTYPE_INT64: st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]),
    FieldDescriptor.CPPTYPE_UINT32: st.sampled_from([0, 1, 2**32 - 1]),
    FieldDescriptor.CPPTYPE_UINT64: st.sampled_from([0, 1, 2**64 - 1]),
    FieldDescriptor.CPPTYPE_ENUM: st.sampled_from([0, 1, 99, -1, 2**31 - 1]),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
}
JSON = st.sampled_from(
    [
        Struct.FromString(b""),
        Start.FromString(deep(5)).review.context.object,
        Start.FromString(deep(MAX_LEVELS)).review.context.object,
        Start.FromString(wide(30_000)).review.context.object,
        Start.FromString(start([float("nan"), float("inf"), "\0"])).review.context.object,
    ]
)  # fmt: skip


def _value(draw: Any, field: FieldDescriptor, depth: int) -> Any:
    kind = field.message_type
    if kind is None:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return draw(st.sampled_from([b"", b"\xff" * 33, b"x" * 70_000]))
        return draw(SCALARS[field.cpp_type])
    if kind.full_name in (TIMESTAMP, DURATION):
        seconds, nanos = draw(st.sampled_from(EDGES))
        return (Timestamp if kind.full_name == TIMESTAMP else Duration)(seconds=seconds, nanos=nanos)
    if kind.full_name == STRUCT:
        return draw(JSON)
    return _message(draw, kind, depth + 1)


def _message(draw: Any, descriptor: Descriptor, depth: int) -> Any:
    message = descriptor._concrete_class()  # type: ignore[attr-defined]  # not in its stubs
    if depth > 6:
        return message
    for field in draw(
        st.lists(st.sampled_from(list(descriptor.fields)), max_size=4) if descriptor.fields else st.just([])
    ):
        value = _value(draw, field, depth)
        if field.is_repeated:
            getattr(message, field.name).extend([value] * draw(st.sampled_from([1, 2, 60, 1_100])))
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, value)
    return message


@st.composite
def hostile(draw: Any) -> tuple[Any, bytes]:
    kind = draw(st.sampled_from(list(TYPES.values())))
    raw = _message(draw, kind.DESCRIPTOR, 0).SerializeToString()
    damage = draw(st.sampled_from(["", "cut", "doubled", "group", "unknown"]))
    if damage == "cut":
        raw = raw[: len(raw) // 2]
    elif damage == "doubled":
        raw += raw
    elif damage == "group":
        raw += b"\xfb\x7f" * 50
    elif damage == "unknown":
        raw += b"\xfa\x7f\x03new"
    return kind, raw


READERS = {name: reader(kind) for name, kind in TYPES.items()}


@settings(max_examples=300, deadline=None)
@given(hostile())
def test_any_request_is_read_or_refused_by_name_and_in_time(made: tuple[Any, bytes]) -> None:
    kind, raw = made
    if len(raw) > 2 * CEILING:  # gRPC refuses it
        return

    def read() -> None:
        with suppress(InvalidField, MessageTooLarge):
            READERS[kind.DESCRIPTOR.full_name].read(raw)

    took = cpu_seconds(read)
    assert took < MOST_SECONDS or cpu_seconds(read) < MOST_SECONDS  # a second time with its rules compiled
