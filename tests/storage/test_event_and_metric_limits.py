"""Every limit and enum of EventService and MetricService, on the wire: the last taken, the first refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import event_service_pb2 as events
from consensus.v1 import metric_service_pb2 as metrics
from consensus.v1.event_service_pb2_grpc import EventServiceStub, add_EventServiceServicer_to_server
from consensus.v1.metric_service_pb2_grpc import MetricServiceStub, add_MetricServiceServicer_to_server
from consensus_contract.errors import DatabaseUnavailable
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField, InvalidPageToken, MessageTooLarge
from persistence_service.database import Database
from persistence_service.events.servicer import EventServicer
from persistence_service.metrics.servicer import MetricServicer
from persistence_service.paging.tokens import Signing
from tests.support.serving import once_per_key, served, stamp, struct

FULL = struct(text="x" * (65_536 - 11))
OVERFULL = struct(text="x" * (65_536 - 10))
BOARD = events.LEADERBOARD_KIND_MOMENTUM
YEAR_1, YEAR_9999 = Timestamp(seconds=-62_135_596_800), Timestamp(seconds=253_402_300_799)
BEYOND = Timestamp(seconds=10**12)
YEAR_0, YEAR_10000 = Timestamp(seconds=-62_135_596_801), Timestamp(seconds=253_402_300_800)


@pytest.fixture
async def call(database: Database) -> AsyncIterator[Any]:
    """Sends a request to the method of its name, and answers with the response or the first message."""
    signing, once = Signing(database), once_per_key(database)

    def add(servicers: Any, server: Any) -> None:
        add_EventServiceServicer_to_server(servicers[0], server)
        add_MetricServiceServicer_to_server(servicers[1], server)

    both = (EventServicer(database, signing, once), MetricServicer(database, signing, once))
    async with served(add, both) as channel:
        stubs = (EventServiceStub(channel), MetricServiceStub(channel))

        async def send(request: Message) -> Any:
            name = type(request).__name__.removesuffix("Request")
            method = next(getattr(stub, name) for stub in stubs if hasattr(stub, name))
            with contract_errors():
                if name.startswith("Export"):
                    return [message async for message in method(request)]
                return await method(request)

        yield send


def append(count: int = 1, call_key: str = "", **fields: Any) -> events.AppendEventsRequest:
    wanted: dict[str, Any] = {"type": "A", "occur_time": stamp(1)} | fields
    return events.AppendEventsRequest(events=[events.EventInput(**wanted)] * count, idempotency_key=call_key)


def store(count: int = 1, call_key: str = "", user: str = "", **fields: Any) -> metrics.StoreMetricsRequest:
    stored = [metrics.MetricInput(**fields)] * count
    return metrics.StoreMetricsRequest(metrics=stored, idempotency_key=call_key, user=user)


def listed(**wanted: Any) -> events.ListEventsRequest:
    return events.ListEventsRequest(filter=events.EventFilter(**wanted))


def measured(**wanted: Any) -> metrics.ListMetricsRequest:
    return metrics.ListMetricsRequest(filter=metrics.MetricFilter(**wanted))


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
    "events: largest page": events.ListEventsRequest(page_size=100),
    "events: hours": events.GetEventStatsRequest(bucket=events.TIME_BUCKET_HOUR),
    "events: longest draft id": events.GetDraftAnalyticsRequest(draft_id="d" * 64),
    "events: longest user": events.GetUserAnalyticsRequest(user="ü" * 255),
    "events: last leaderboard": events.GetLeaderboardRequest(kind=events.LEADERBOARD_KIND_CONSISTENCY),
    "metrics: a full batch": store(1000),
    "metrics: longest id": store(metric_id="m" * 64),
    "metrics: longest type": store(type="t" * 100),
    "metrics: longest organisation": store(org_id="ü" * 255),
    "metrics: longest user": store(user="ü" * 255),
    "metrics: largest data": store(data=FULL),
    "metrics: longest idempotency key": store(call_key=" " * 255),
    "metrics: largest page": metrics.ListMetricsRequest(page_size=100),
    "metrics: largest filter": measured(data=FULL),
}  # fmt: skip


@pytest.mark.parametrize("request_", TAKEN.values(), ids=TAKEN.keys())
async def test_the_last_within_a_limit_is_taken(call: Any, request_: Message) -> None:
    await call(request_)


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
    "events: filter with NUL": (listed(data=struct(n="\0")), "filter.data"),
    "events: filter beyond time": (listed(occur_time_to=BEYOND), "filter.occur_time_to"),
    "events: window beyond time": (
        events.GetLeaderboardRequest(kind=BOARD, occur_time_from=BEYOND), "occur_time_from"),
    "events: page too large": (events.ListEventsRequest(page_size=101), "page_size"),
    "events: page below 0": (events.ListEventsRequest(page_size=-1), "page_size"),
    "events: unknown bucket": (events.GetEventStatsRequest(bucket=4), "bucket"),  # type: ignore[arg-type]  # meant
    "events: export filter": (
        events.ExportEventsRequest(filter=events.EventFilter(data=OVERFULL)), "filter.data"),
    "events: no draft id": (events.GetDraftAnalyticsRequest(), "draft_id"),
    "events: draft id too long": (events.GetDraftAnalyticsRequest(draft_id="d" * 65), "draft_id"),
    "events: no user": (events.GetUserAnalyticsRequest(), "user"),
    "events: user too long": (events.GetUserAnalyticsRequest(user="u" * 256), "user"),
    "events: user with a line break": (events.GetUserAnalyticsRequest(user="u\n"), "user"),
    "events: no leaderboard": (events.GetLeaderboardRequest(), "kind"),
    "events: unknown leaderboard": (events.GetLeaderboardRequest(kind=4), "kind"),  # type: ignore[arg-type]  # meant
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
    "metrics: no id": (metrics.GetMetricRequest(), "metric_id"),
    "metrics: bad id": (metrics.GetMetricRequest(metric_id="a/b"), "metric_id"),
    "metrics: page too large": (metrics.ListMetricsRequest(page_size=101), "page_size"),
    "metrics: page below 0": (metrics.ListMetricsRequest(page_size=-1), "page_size"),
    "metrics: filter of a bad type": (measured(type="a b"), "filter.type"),
    "metrics: filter of too long a user": (measured(user="u" * 256), "filter.user"),
    "metrics: filter of too long an organisation": (measured(org_id="o" * 256), "filter.org_id"),
    "metrics: filter too large": (measured(data=OVERFULL), "filter.data"),
    "metrics: filter beyond time": (
        measured(create_time_from=Timestamp(seconds=-(10**12))), "filter.create_time_from"),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "field"), REFUSED.values(), ids=REFUSED.keys())
async def test_the_first_beyond_a_limit_is_refused_by_name(call: Any, request_: Message, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        await call(request_)
    assert [each.field for each in caught.value.field_violations] == [field]


@pytest.mark.parametrize("request_", [append(70, data=FULL), store(70, data=FULL)], ids=["events", "metrics"])
async def test_a_request_beyond_four_mebibytes_is_too_large(call: Any, request_: Message) -> None:
    with pytest.raises(MessageTooLarge):
        await call(request_)


HOSTILE = [
    "'; DROP TABLE events; --",
    "\r\nINFO forged",
    '{"a": 1}',
    "%s %(x)s :y",
    "\u202e\U0001f600",
    "\x1b[31m",
]


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
async def test_hostile_text_is_data(call: Any, text: str) -> None:
    data = struct(**{text: text})
    await call(append(data=data))
    await call(store(data=data))
    assert (await call(listed(data=data))).events[0].data == data
    assert (await call(measured(data=data))).metrics[0].data == data


@pytest.mark.parametrize(
    "token", ["x", "WzFd.x", "é", "." * 2000], ids=["text", "unsigned", "beyond ASCII", "long"]
)
async def test_a_forged_page_token_is_refused(call: Any, token: str) -> None:
    for request in (events.ListEventsRequest(page_token=token), metrics.ListMetricsRequest(page_token=token)):
        with pytest.raises(InvalidPageToken):
            await call(request)


AWAY: list[Message] = [
    append(),
    append(call_key="k"),
    listed(),
    events.GetEventStatsRequest(),
    events.ExportEventsRequest(),
    events.GetDraftAnalyticsRequest(draft_id="d"),
    events.GetUserAnalyticsRequest(user="u"),
    events.GetLeaderboardRequest(kind=BOARD),
    store(),
    store(call_key="k"),
    measured(),
    metrics.GetMetricRequest(metric_id="m"),
    metrics.GetMetricStatsRequest(),
    metrics.ExportMetricsRequest(),
]


@pytest.mark.parametrize("request_", AWAY, ids=lambda request: type(request).__name__)
async def test_without_its_database_every_call_is_unavailable(
    call: Any, database: Database, request_: Message
) -> None:
    database.close()
    with pytest.raises(DatabaseUnavailable):
        await call(request_)
