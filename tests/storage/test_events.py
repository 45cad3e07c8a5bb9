"""EventService on the wire: appended once, read back in order, paged, filtered, counted, exported."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import event_service_pb2, event_service_pb2_grpc
from consensus_contract.errors import DraftNotFound, IdempotencyKeyReused
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidPageToken
from persistence_service.database import Connection, Database
from persistence_service.events.emitting import DraftPart, append_in_transaction, draft_event
from persistence_service.events.servicer import EventServicer
from persistence_service.paging.tokens import Signing
from tests.support.serving import SECOND, once_per_key, served, stamp, struct

STORED, DUPLICATE = event_service_pb2.APPEND_OUTCOME_STORED, event_service_pb2.APPEND_OUTCOME_DUPLICATE
APPENDERS = 8


def event(kind: str = "PageOpened", second: float = 1, **data: Any) -> event_service_pb2.EventInput:
    return event_service_pb2.EventInput(
        type=kind, occur_time=stamp(round(second * SECOND)), data=struct(**data)
    )


def servicer(database: Database) -> EventServicer:
    return EventServicer(database, Signing(database), once_per_key(database), has_draft=lambda *_: False)


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[Any]:
    async with served(
        event_service_pb2_grpc.add_EventServiceServicer_to_server, servicer(database)
    ) as channel:
        yield event_service_pb2_grpc.EventServiceStub(channel)


@pytest.fixture
async def second_stub(second_database: Database) -> AsyncIterator[Any]:
    async with served(
        event_service_pb2_grpc.add_EventServiceServicer_to_server, servicer(second_database)
    ) as channel:
        yield event_service_pb2_grpc.EventServiceStub(channel)


async def append(stub: Any, *events: event_service_pb2.EventInput, key: str = "") -> list[int]:
    request = event_service_pb2.AppendEventsRequest(events=events, idempotency_key=key)
    return list((await stub.AppendEvents(request)).outcomes)


async def listed(stub: Any, page_size: int = 0, **wanted: Any) -> list[event_service_pb2.Event]:
    """All pages of what a filter leaves."""
    found: list[event_service_pb2.Event] = []
    request = event_service_pb2.ListEventsRequest(
        page_size=page_size, filter=event_service_pb2.EventFilter(**wanted)
    )
    while True:
        page = await stub.ListEvents(request)
        found += page.events
        if not page.next_page_token:
            return found
        assert len(page.events) <= (page_size or 30)
        request.page_token = page.next_page_token


def numbers(events: Sequence[event_service_pb2.Event]) -> list[int]:
    return [int(each.data["n"]) for each in events]  # type: ignore[arg-type]  # a Struct's value


async def test_an_event_is_read_back_as_it_was_appended(stub: Any) -> None:
    sent = event("DraftViewed", 1.000001, draft_id="d1", user_id="ann", more={"list": [1, None, "é"]})
    sent.schema_version, sent.key = 3, "view 7"
    await append(stub, sent)
    (found,) = await listed(stub)
    assert (found.type, found.occur_time, found.data) == (sent.type, sent.occur_time, sent.data)
    assert (found.schema_version, found.key) == (3, "view 7")


async def test_an_event_without_data_and_version_has_none_and_the_first(stub: Any) -> None:
    await append(stub, event_service_pb2.EventInput(type="Ping", occur_time=stamp(1)))
    (found,) = await listed(stub)
    assert (found.data, found.schema_version) == (Struct(), 1)


FINER = Timestamp(seconds=1, nanos=999)
DUPLICATES = [
    pytest.param(event(n=1), id="the same"),
    pytest.param(event(n=1.0), id="an equal number"),
    pytest.param(
        event_service_pb2.EventInput(type="PageOpened", occur_time=FINER, data=struct(n=1)),
        id="finer than a microsecond",
    ),
    pytest.param(
        event_service_pb2.EventInput(
            type="PageOpened", occur_time=stamp(SECOND), data=struct(n=1), key="other", schema_version=2
        ),
        id="another key and version",
    ),
]


@pytest.mark.parametrize("again", DUPLICATES)
async def test_the_same_content_is_stored_once_whatever_the_key(
    stub: Any, again: event_service_pb2.EventInput
) -> None:
    assert await append(stub, event(n=1), key="first") == [STORED]
    assert await append(stub, again, key="second") == [DUPLICATE]
    assert len(await listed(stub)) == 1


DIFFERENT = [
    pytest.param(event("Other", n=1), id="type"),
    pytest.param(event(second=1.000001, n=1), id="a microsecond"),
    pytest.param(event(n=2), id="data"),
    pytest.param(event(n="1"), id="kind of data"),
]


@pytest.mark.parametrize("other", DIFFERENT)
async def test_other_content_is_another_event(stub: Any, other: event_service_pb2.EventInput) -> None:
    assert await append(stub, event(n=1)) == [STORED]
    assert await append(stub, other) == [STORED]


async def test_outcomes_stand_in_the_order_of_the_request(stub: Any) -> None:
    await append(stub, event(n=2))
    response = await stub.AppendEvents(
        event_service_pb2.AppendEventsRequest(events=[event(n=3), event(n=2), event(n=1), event(n=3)])
    )
    assert list(response.outcomes) == [STORED, DUPLICATE, STORED, DUPLICATE]
    assert (response.stored_count, response.duplicate_count) == (2, 2)


async def test_a_repeated_call_with_its_key_is_answered_as_it_was(stub: Any) -> None:
    assert await append(stub, event(n=1), key="k") == [STORED]
    assert await append(stub, event(n=1), key="k") == [STORED]
    assert len(await listed(stub)) == 1


async def test_a_key_with_another_request_is_refused_and_nothing_written(stub: Any) -> None:
    await append(stub, event(n=1), key="k")
    with pytest.raises(IdempotencyKeyReused), contract_errors():
        await append(stub, event(n=2), key="k")
    assert len(await listed(stub)) == 1


@pytest.mark.parametrize("size", [1, 50, 1000])
async def test_the_same_batch_by_many_at_once_is_stored_once(stub: Any, second_stub: Any, size: int) -> None:
    batch = [event(n=number) for number in range(size)]
    turned = [batch[number:] + batch[:number] for number in range(APPENDERS)]
    stubs = (stub, second_stub) * (APPENDERS // 2) if size < 1000 else (stub,) * APPENDERS
    outcomes = await asyncio.gather(
        *(append(each, *events) for each, events in zip(stubs, turned, strict=True))
    )
    assert sum(each.count(STORED) for each in outcomes) == size
    assert (await stub.GetEventStats(event_service_pb2.GetEventStatsRequest())).event_count == size


async def test_one_call_by_many_at_once_under_one_key_has_one_answer(stub: Any, second_stub: Any) -> None:
    calls = [append(each, event(n=1), event(n=2), key="k") for each in (stub, second_stub) * 4]
    assert await asyncio.gather(*calls) == [[STORED, STORED]] * APPENDERS
    assert len(await listed(stub)) == 2


async def test_a_full_batch_is_stored(stub: Any) -> None:
    outcomes = await append(stub, *(event(n=number) for number in range(1000)))
    assert outcomes == [STORED] * 1000


async def test_events_come_by_time_then_in_the_order_in_which_they_were_stored(stub: Any) -> None:
    await append(stub, event(second=5, n=3), event(second=5, n=1))
    await append(stub, event(second=5, n=2), event(second=4, n=9), event("A", second=5, n=0))
    assert numbers(await listed(stub)) == [9, 3, 1, 2, 0]


async def test_pages_neither_repeat_nor_skip_while_others_append(stub: Any) -> None:
    await append(stub, *(event(second=10, n=number) for number in range(7)))
    first = await stub.ListEvents(event_service_pb2.ListEventsRequest(page_size=3))
    await append(stub, event(second=1, n=100), event(second=10, n=7))
    rest = await stub.ListEvents(
        event_service_pb2.ListEventsRequest(page_size=10, page_token=first.next_page_token)
    )
    assert numbers([*first.events, *rest.events]) == [0, 1, 2, 3, 4, 5, 6, 7]


async def test_a_page_of_large_events_ends_early_and_loses_none(stub: Any) -> None:
    for start in (0, 40):
        await append(stub, *(event(second=n, n=n, text="x" * 60_000) for n in range(start, start + 40)))
    page = await stub.ListEvents(event_service_pb2.ListEventsRequest(page_size=100))
    assert len(page.events) < 80
    assert numbers(await listed(stub, page_size=100)) == list(range(80))


async def test_a_token_of_another_filter_is_refused(stub: Any) -> None:
    await append(stub, event(n=1), event(n=2))
    page = await stub.ListEvents(event_service_pb2.ListEventsRequest(page_size=1))
    other = event_service_pb2.ListEventsRequest(
        filter=event_service_pb2.EventFilter(types=["A"]), page_token=page.next_page_token
    )
    with pytest.raises(InvalidPageToken), contract_errors():
        await stub.ListEvents(other)


SAMPLES = [
    event("A", 1, n=1, tags=["x", "y"], place={"city": "Bern", "zip": 3000}),
    event("B", 2, n=2, tags=["y"], place={"city": "Bern"}),
    event("A", 3, n=3, tags=[], place=None, flag=True),
    event("C", 4, n=4, flag=1),
]
TWO, THREE = SAMPLES[1].occur_time, SAMPLES[2].occur_time
FILTERS: list[tuple[str, dict[str, Any], list[int]]] = [
    ("none", {}, [1, 2, 3, 4]),
    ("type", {"types": ["A"]}, [1, 3]),
    ("types", {"types": ["C", "B", "C"]}, [2, 4]),
    ("both ends of a time", {"occur_time_from": TWO, "occur_time_to": THREE}, [2, 3]),
    ("from a nanosecond later", {"occur_time_from": Timestamp(seconds=2, nanos=1)}, [3, 4]),
    ("a field", {"data": struct(n=2)}, [2]),
    ("a field of a field", {"data": struct(place={"city": "Bern"})}, [1, 2]),
    ("an entry of a list", {"data": struct(tags=["y"])}, [1, 2]),
    ("null is not absent", {"data": struct(place=None)}, [3]),
    ("true is not one", {"data": struct(flag=True)}, [3]),
    ("one is not true", {"data": struct(flag=1)}, [4]),
    ("the empty object", {"data": struct()}, [1, 2, 3, 4]),
    ("nobody has it", {"data": struct(n=5)}, []),
    ("all must hold", {"types": ["A"], "data": struct(tags=["y"]), "occur_time_to": stamp(9 * SECOND)}, [1]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "expected"), [each[1:] for each in FILTERS], ids=[each[0] for each in FILTERS]
)
async def test_a_filter_leaves_the_rest_out(stub: Any, wanted: dict[str, Any], expected: list[int]) -> None:
    await append(stub, *SAMPLES)
    assert numbers(await listed(stub, page_size=1, **wanted)) == expected


async def test_stats_count_per_type(stub: Any) -> None:
    await append(stub, *SAMPLES)
    stats = await stub.GetEventStats(event_service_pb2.GetEventStatsRequest())
    assert stats.event_count == 4
    assert [(each.type, each.event_count) for each in stats.types] == [("A", 2), ("B", 1), ("C", 1)]
    assert (stats.types[0].first_occur_time, stats.types[0].last_occur_time) == (
        stamp(SECOND),
        stamp(3 * SECOND),
    )


HOUR = 3600
BUCKETS = [
    (event_service_pb2.TIME_BUCKET_UNSPECIFIED, []),
    (event_service_pb2.TIME_BUCKET_MINUTE, [(-60, "A", 1), (0, "A", 2), (60, "B", 1), (HOUR, "A", 1)]),
    (event_service_pb2.TIME_BUCKET_HOUR, [(-HOUR, "A", 1), (0, "A", 2), (0, "B", 1), (HOUR, "A", 1)]),
    (event_service_pb2.TIME_BUCKET_DAY, [(-86_400, "A", 1), (0, "A", 3), (0, "B", 1)]),
]


@pytest.mark.parametrize(("bucket", "expected"), BUCKETS)
async def test_stats_count_per_span_also_before_1970(
    stub: Any, bucket: event_service_pb2.TimeBucket.ValueType, expected: list[tuple[int, str, int]]
) -> None:
    times = [("A", -1.0), ("A", 0.0), ("A", 59.999999), ("B", 60.0), ("A", 3600.0)]
    await append(stub, *(event(kind, second) for kind, second in times))
    stats = await stub.GetEventStats(event_service_pb2.GetEventStatsRequest(bucket=bucket))
    assert [(each.start_time.seconds, each.type, each.event_count) for each in stats.buckets] == expected


async def test_an_export_has_all_and_is_json_lines(stub: Any) -> None:
    await append(stub, *(event(second=n % 7, n=n) for n in range(250)))
    request = event_service_pb2.ExportEventsRequest(
        filter=event_service_pb2.EventFilter(types=["PageOpened"])
    )
    lines = [MessageToJson(message, indent=None) async for message in stub.ExportEvents(request)]
    assert not any("\n" in line for line in lines)
    assert numbers(
        [Parse(line, event_service_pb2.ExportEventsResponse()).event for line in lines]
    ) == numbers(await listed(stub))


async def test_other_tenants_events_are_their_own(database: Database, stub: Any) -> None:
    def of_another(connection: Connection) -> None:
        part = DraftPart("d1", "ann")
        now = database.now(connection)
        append_in_transaction(connection, "another", [draft_event("DraftCreated", now, part)], now)

    database.unit_of_work(of_another)
    assert await listed(stub) == []
    assert (await stub.GetEventStats(event_service_pb2.GetEventStatsRequest())).event_count == 0
    with pytest.raises(DraftNotFound), contract_errors():
        await stub.GetDraftAnalytics(event_service_pb2.GetDraftAnalyticsRequest(draft_id="d1"))


async def test_an_event_that_is_emitted_equals_one_that_is_appended(database: Database, stub: Any) -> None:
    def emit(connection: Connection) -> list[bool]:
        now = database.now(connection)
        emitted = draft_event("DraftViewed", now, DraftPart("d1", "ann"), turn=2)
        return append_in_transaction(connection, "default", [emitted], now)

    assert database.unit_of_work(emit) == [True]
    (found,) = await listed(stub)
    same = event_service_pb2.EventInput(type=found.type, occur_time=found.occur_time, data=found.data)
    assert found.data == struct(draft_id="d1", user_id="ann", turn=2)
    assert await append(stub, same) == [DUPLICATE]
