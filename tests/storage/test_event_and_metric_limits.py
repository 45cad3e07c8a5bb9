"""Every limit and enum of EventService and MetricService, on the wire: the last taken, the first refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import (
    event_service_pb2,
    event_service_pb2_grpc,
    metric_service_pb2,
    metric_service_pb2_grpc,
)
from consensus_contract.errors import DatabaseUnavailable
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField, InvalidPageToken, MessageTooLarge
from persistence_service.database import Database
from persistence_service.events.servicer import EventServicer
from persistence_service.metrics.servicer import MetricServicer
from persistence_service.paging.tokens import Signing
from tests.support.serving import once_per_key, served, stamp, struct

FULL = struct(text="x" * (65_536 - 11))
LAST_KIND = event_service_pb2.LEADERBOARD_KIND_CONSISTENCY


def nested(levels: int) -> Struct:
    """An object of so many levels, itself one of them."""
    plain: dict[str, Any] = {"leaf": 1}
    for _ in range(levels - 1):
        plain = {"inner": plain}
    return struct(**plain)


OVERFULL = struct(text="x" * (65_536 - 10))
BOARD = event_service_pb2.LEADERBOARD_KIND_MOMENTUM
YEAR_1, YEAR_9999 = Timestamp(seconds=-62_135_596_800), Timestamp(seconds=253_402_300_799)
BEYOND = Timestamp(seconds=10**12)
YEAR_0, YEAR_10000 = Timestamp(seconds=-62_135_596_801), Timestamp(seconds=253_402_300_800)


@pytest.fixture
async def call(database: Database) -> AsyncIterator[Any]:
    """Sends a request to the method of its name, and answers with the response or the first message."""
    signing, once = Signing(database), once_per_key(database)

    def add(servicers: Any, server: Any) -> None:
        event_service_pb2_grpc.add_EventServiceServicer_to_server(servicers[0], server)
        metric_service_pb2_grpc.add_MetricServiceServicer_to_server(servicers[1], server)

    events = EventServicer(database, signing, once, has_draft=lambda *_: True)
    both = (events, MetricServicer(database, signing, once))
    async with served(add, both) as channel:
        stubs = (
            event_service_pb2_grpc.EventServiceStub(channel),
            metric_service_pb2_grpc.MetricServiceStub(channel),
        )

        async def send(request: Message) -> Any:
            name = type(request).__name__.removesuffix("Request")
            method = next(getattr(stub, name) for stub in stubs if hasattr(stub, name))
            with contract_errors():
                if name.startswith("Export"):
                    return [message async for message in method(request)]
                return await method(request)

        yield send


def append(count: int = 1, call_key: str = "", **fields: Any) -> event_service_pb2.AppendEventsRequest:
    wanted: dict[str, Any] = {"type": "A", "occur_time": stamp(1)} | fields
    return event_service_pb2.AppendEventsRequest(
        events=[event_service_pb2.EventInput(**wanted)] * count, idempotency_key=call_key
    )


def store(
    count: int = 1, call_key: str = "", user: str = "", **fields: Any
) -> metric_service_pb2.StoreMetricsRequest:
    stored = [metric_service_pb2.MetricInput(**fields)] * count
    return metric_service_pb2.StoreMetricsRequest(metrics=stored, idempotency_key=call_key, user=user)


def listed(**wanted: Any) -> event_service_pb2.ListEventsRequest:
    return event_service_pb2.ListEventsRequest(filter=event_service_pb2.EventFilter(**wanted))


def measured(**wanted: Any) -> metric_service_pb2.ListMetricsRequest:
    return metric_service_pb2.ListMetricsRequest(filter=metric_service_pb2.MetricFilter(**wanted))


TAKEN: dict[str, Message] = {
    "events: a full batch": append(1000),
    "events: longest type": append(type="A" * 100),
    "events: all characters of a type": append(type="9a.B_c:d/e-f"),
    "events: first instant": append(occur_time=YEAR_1),
    "events: last instant": append(occur_time=YEAR_9999),
    "events: largest data": append(data=FULL),
    "events: highest schema version": append(schema_version=1_000_000),
    "events: longest name": append(key="k" * 255),
    "events: longest idempotency key": append(call_key="~" * 255),
    "events: most types": listed(types=[f"T{number}" for number in range(20)]),
    "events: largest filter": listed(data=FULL),
    "events: largest page": event_service_pb2.ListEventsRequest(page_size=100),
    "events: hours": event_service_pb2.GetEventStatsRequest(bucket=event_service_pb2.TIME_BUCKET_HOUR),
    "events: longest draft id": event_service_pb2.GetDraftAnalyticsRequest(draft_id="d" * 64),
    "events: longest user": event_service_pb2.GetUserAnalyticsRequest(user="ü" * 255),
    "events: last leaderboard": event_service_pb2.GetLeaderboardRequest(kind=LAST_KIND),
    "metrics: a full batch": store(1000),
    "metrics: longest id": store(metric_id="m" * 64),
    "metrics: longest type": store(type="t" * 100),
    "metrics: longest organisation": store(org_id="ü" * 255),
    "metrics: longest user": store(user="ü" * 255),
    "metrics: largest data": store(data=FULL),
    "metrics: longest idempotency key": store(call_key=" " * 255),
    "metrics: largest page": metric_service_pb2.ListMetricsRequest(page_size=100),
    "metrics: largest filter": measured(data=FULL),
}  # fmt: skip


async def test_the_last_within_a_limit_is_taken(call: Any, subtests: pytest.Subtests) -> None:
    for name, request in TAKEN.items():
        with subtests.test(name):
            await call(request)


REFUSED: dict[str, tuple[Message, str]] = {
    "events: none": (append(0), "events"),
    "events: one too many": (append(1001), "events"),
    "events: no type": (append(type=""), "events[0].type"),
    "events: type too long": (append(type="A" * 101), "events[0].type"),
    "events: type begins with a sign": (append(type=".A"), "events[0].type"),
    "events: type with a space": (append(type="A B"), "events[0].type"),
    "events: type with a line break": (append(type="A\n"), "events[0].type"),
    "events: no instant": (append(occur_time=None), "events[0].occur_time"),
    "events: before year 1": (append(occur_time=YEAR_0), "events[0].occur_time"),
    "events: after year 9999": (append(occur_time=YEAR_10000), "events[0].occur_time"),
    "events: data too large": (append(data=OVERFULL), "events[0].data"),
    "events: NaN": (append(data=struct(n=float("nan"))), "events[0].data"),
    "events: infinity": (append(data=struct(n=[float("inf")])), "events[0].data"),
    "events: NUL": (append(data=struct(n={"m": "\0"})), "events[0].data"),
    "events: no value": (append(data=Struct(fields={"n": Value()})), "events[0].data"),
    "events: schema version too high": (append(schema_version=1_000_001), "events[0].schema_version"),
    "events: name too long": (append(key="k" * 256), "events[0].key"),
    "events: name beyond ASCII": (append(key="ü"), "events[0].key"),
    "events: key too long": (append(call_key="k" * 256), "idempotency_key"),
    "events: key beyond ASCII": (append(call_key="ü"), "idempotency_key"),
    "events: too many types": (listed(types=["T"] * 21), "filter.types"),
    "events: filter of a bad type": (listed(types=["ok", ""]), "filter.types[1]"),
    "events: filter too large": (listed(data=OVERFULL), "filter.data"),
    "events: filter of too many values": (listed(data=struct(a=[1] * 32)), "filter.data"),
    "events: filter too deep": (listed(data=nested(9)), "filter.data"),
    "metrics: filter of too many values": (measured(data=struct(a=[1] * 4000)), "filter.data"),
    "metrics: filter too deep": (measured(data=nested(9)), "filter.data"),
    "events: filter with NUL": (listed(data=struct(n="\0")), "filter.data"),
    "events: filter beyond time": (listed(occur_time_to=BEYOND), "filter.occur_time_to"),
    "events: window beyond time": (
        event_service_pb2.GetLeaderboardRequest(kind=BOARD, occur_time_from=BEYOND), "occur_time_from"),
    "events: page too large": (event_service_pb2.ListEventsRequest(page_size=101), "page_size"),
    "events: page below 0": (event_service_pb2.ListEventsRequest(page_size=-1), "page_size"),
    "events: unknown bucket": (event_service_pb2.GetEventStatsRequest(bucket=4), "bucket"),  # type: ignore[arg-type]  # meant
    "events: export filter": (
        event_service_pb2.ExportEventsRequest(filter=event_service_pb2.EventFilter(data=OVERFULL)),
        "filter.data"),
    "events: no draft id": (event_service_pb2.GetDraftAnalyticsRequest(), "draft_id"),
    "events: draft id too long": (event_service_pb2.GetDraftAnalyticsRequest(draft_id="d" * 65), "draft_id"),
    "events: no user": (event_service_pb2.GetUserAnalyticsRequest(), "user"),
    "events: user too long": (event_service_pb2.GetUserAnalyticsRequest(user="u" * 256), "user"),
    "events: user with a line break": (event_service_pb2.GetUserAnalyticsRequest(user="u\n"), "user"),
    "events: no leaderboard": (event_service_pb2.GetLeaderboardRequest(), "kind"),
    "events: unknown leaderboard": (event_service_pb2.GetLeaderboardRequest(kind=4), "kind"),  # type: ignore[arg-type]  # meant
    "metrics: none": (store(0), "metrics"),
    "metrics: one too many": (store(1001), "metrics"),
    "metrics: id too long": (store(metric_id="m" * 65), "metrics[0].metric_id"),
    "metrics: id with a space": (store(metric_id="m 1"), "metrics[0].metric_id"),
    "metrics: type too long": (store(type="t" * 101), "metrics[0].type"),
    "metrics: type begins with a sign": (store(type="-t"), "metrics[0].type"),
    "metrics: organisation too long": (store(org_id="o" * 256), "metrics[0].org_id"),
    "metrics: organisation with a control character": (store(org_id="\x07"), "metrics[0].org_id"),
    "metrics: user too long": (store(user="u" * 256), "user"),
    "metrics: user with NUL": (store(user="\0"), "user"),
    "metrics: data too large": (store(data=OVERFULL), "metrics[0].data"),
    "metrics: NaN": (store(data=struct(n=float("nan"))), "metrics[0].data"),
    "metrics: key too long": (store(call_key="k" * 256), "idempotency_key"),
    "metrics: no id": (metric_service_pb2.GetMetricRequest(), "metric_id"),
    "metrics: bad id": (metric_service_pb2.GetMetricRequest(metric_id="a/b"), "metric_id"),
    "metrics: page too large": (metric_service_pb2.ListMetricsRequest(page_size=101), "page_size"),
    "metrics: page below 0": (metric_service_pb2.ListMetricsRequest(page_size=-1), "page_size"),
    "metrics: filter of a bad type": (measured(type="a b"), "filter.type"),
    "metrics: filter of too long a user": (measured(user="u" * 256), "filter.user"),
    "metrics: filter of too long an organisation": (measured(org_id="o" * 256), "filter.org_id"),
    "metrics: filter too large": (measured(data=OVERFULL), "filter.data"),
    "metrics: filter beyond time": (
        measured(create_time_from=Timestamp(seconds=-(10**12))), "filter.create_time_from"),
}  # fmt: skip


async def test_the_first_beyond_a_limit_is_refused_by_name(call: Any, subtests: pytest.Subtests) -> None:
    for name, (request, field) in REFUSED.items():
        with subtests.test(name):
            with pytest.raises(InvalidField) as caught:
                await call(request)
            assert [each.field for each in caught.value.field_violations] == [field]


async def test_a_request_beyond_four_mebibytes_is_too_large(call: Any) -> None:
    for request in (append(70, data=FULL), store(70, data=FULL)):
        with pytest.raises(MessageTooLarge):
            await call(request)


HOSTILE = [
    "'; DROP TABLE events; --",
    "\r\nINFO forged",
    '{"a": 1}',
    "%s %(x)s :y",
    "\u202e\U0001f600",
    "\x1b[31m",
]


async def test_hostile_text_is_data(call: Any, subtests: pytest.Subtests) -> None:
    for text in HOSTILE:
        with subtests.test(repr(text)):
            data = struct(**{text: text})
            await call(append(data=data))
            await call(store(data=data))
            assert (await call(listed(data=data))).events[0].data == data
            assert (await call(measured(data=data))).metrics[0].data == data


async def test_a_forged_page_token_is_refused(call: Any, subtests: pytest.Subtests) -> None:
    for token in ("x", "WzFd.x", "é", "." * 2000):  # text, unsigned, beyond ASCII, long
        with subtests.test(token[:9]):
            for request in (
                event_service_pb2.ListEventsRequest(page_token=token),
                metric_service_pb2.ListMetricsRequest(page_token=token),
            ):
                with pytest.raises(InvalidPageToken):
                    await call(request)


AWAY: list[Message] = [
    append(),
    append(call_key="k"),
    listed(),
    event_service_pb2.GetEventStatsRequest(),
    event_service_pb2.ExportEventsRequest(),
    event_service_pb2.GetDraftAnalyticsRequest(draft_id="d"),
    event_service_pb2.GetUserAnalyticsRequest(user="u"),
    event_service_pb2.GetLeaderboardRequest(kind=BOARD),
    store(),
    store(call_key="k"),
    measured(),
    metric_service_pb2.GetMetricRequest(metric_id="m"),
    metric_service_pb2.GetMetricStatsRequest(),
    metric_service_pb2.ExportMetricsRequest(),
]


async def test_without_its_database_every_call_is_unavailable(
    call: Any, database: Database, subtests: pytest.Subtests
) -> None:
    database.close()
    for request in AWAY:
        with subtests.test(type(request).__name__), pytest.raises(DatabaseUnavailable):
            await call(request)
