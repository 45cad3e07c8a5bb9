"""Hostile callers: requests of every shape that costs more than it should, and readers that do not read."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import metric_service_pb2, review_service_pb2
from tests.hostile.attack import NEVER_ENDED, Attack, Target
from tests.support.pair import REVIEW
from tests.support.raw_http2 import (
    DATA,
    END_STREAM,
    RST_STREAM,
    RawConnection,
    literal,
    message,
    raw_connection,
    remembered,
)
from tests.support.raw_messages import deep, start, wide

Act = Callable[[Target], Awaitable[Counter[str]]]

_START = f"/{REVIEW}/StartReview"
_LIST_RUNS = f"/{REVIEW}/ListRuns"
_EXPORT_RUNS = f"/{REVIEW}/ExportRuns"
_LIST_METRICS = "/consensus.v1.MetricService/ListMetrics"
_AT_ONCE = 8
_TIMEOUT = 10.0
_RESET_FLOOD = 2_000
_INITIAL_WINDOW = 4  # the setting's number in HTTP/2
_CANCEL = (8).to_bytes(4, "big")
_MANY_SERVICES = ("v1.audit", "v1.draft", "v1.event", "v1.idempotency", "v1.metric", "v1.review")


async def _end(channel: grpc.aio.Channel, path: str, raw: bytes, *, compressed: bool = False) -> str:
    """How one call with these bytes ends."""
    # No stream of requests: gRPC for Python says INTERNAL of one that is ended while it is being sent.
    method: Any = channel.unary_stream(path)
    call = method(raw, timeout=_TIMEOUT, compression=grpc.Compression.Gzip if compressed else None)
    try:
        _ = [each async for each in call]
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    return "OK"


def _sent(
    path: str, *raws: bytes, compressed: bool = False, to_persistence: bool = False, at_once: int = _AT_ONCE
) -> Act:
    """A round: each of these requests, several times at once."""

    async def act(target: Target) -> Counter[str]:
        channel = target.persistence if to_persistence else target.review
        calls = (_end(channel, path, raw, compressed=compressed) for raw in raws * at_once)
        return Counter(await asyncio.gather(*calls))

    return act


async def _garbage(target: Target) -> Counter[str]:
    """Bytes that are no message, to each method."""
    calls = []
    for name in _MANY_SERVICES:
        channel = target.review if name == "v1.review" else target.persistence
        for service in import_module(f"consensus.{name}_service_pb2").DESCRIPTOR.services_by_name.values():
            paths = [f"/{service.full_name}/{method.name}" for method in service.methods]
            calls += [_end(channel, path, b"\xff" * 50) for path in paths]
    return Counter(await asyncio.gather(*calls))


def _streams(
    path: str,
    count: int,
    *,
    body: bytes | None = None,
    headers: Iterable[bytes] = (),
    settings: Iterable[tuple[int, int]] = (),
    first: Iterable[bytes] = (),
    to_be_ended: int | None = None,
    seconds: float = 60.0,
) -> Act:
    """A round: so many streams on one raw connection, and which of them the server ends in time."""

    async def act(target: Target) -> Counter[str]:
        wanted = count if to_be_ended is None else to_be_ended
        async with raw_connection(target.pair.review_address, settings) as connection:
            await asyncio.sleep(0.1)
            for number in range(count):
                connection.begin(2 * number + 1, path, headers if number else first or headers)
                if body is not None:
                    connection.send(DATA, END_STREAM, 2 * number + 1, message(body))
                await connection.drain()
            ended = await _ended(connection, count, wanted, seconds)
        return Counter({"ended": ended, NEVER_ENDED: max(0, wanted - ended)})

    return act


async def _ended(connection: RawConnection, count: int, wanted: int, seconds: float) -> int:
    """Streams that the server ended, once they are as many as wanted or the time is over."""
    ends, ended = asyncio.get_running_loop().time() + seconds, 0
    while ended < wanted and asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(0.05)
        ended = count if connection.is_closed else sum(connection.ended(2 * n + 1) for n in range(count))
    return ended


async def _reset_flood(target: Target) -> Counter[str]:
    """Streams begun, sent and reset at once."""
    async with raw_connection(target.pair.review_address) as connection:
        raw = message(review_service_pb2.ListRunsRequest().SerializeToString())
        for number in range(_RESET_FLOOD):
            connection.begin(2 * number + 1, _LIST_RUNS)
            connection.send(DATA, END_STREAM, 2 * number + 1, raw)
            connection.send(RST_STREAM, 0, 2 * number + 1, _CANCEL)
        try:
            await connection.drain()
        except ConnectionError:
            return Counter({"cut off": 1})
    return Counter({"reset by the caller": _RESET_FLOOD})


def _with_idea(idea: str) -> bytes:
    return review_service_pb2.StartReviewRequest(
        review=review_service_pb2.ReviewInput(idea=idea)
    ).SerializeToString()


def _edges_of_time() -> list[bytes]:
    """Lists of runs since instants that no clock can count."""
    found = []
    for seconds, nanos in ((253_402_300_800, 0), (2**63 - 1, 2**31 - 1), (-(2**63), 0), (0, -1)):
        request = review_service_pb2.ListRunsRequest()
        request.filter.create_time_to.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
        found.append(request.SerializeToString())
    return found


def _metric_filter(count: int) -> bytes:
    request = metric_service_pb2.ListMetricsRequest()
    request.filter.data.update({"a": [1] * count})
    return request.SerializeToString()


_INVALID = frozenset({"INVALID_ARGUMENT"})
_TOO_LARGE = frozenset({"RESOURCE_EXHAUSTED"})
_OK = frozenset({"OK"})
_ENDED = frozenset({"ended"})

_WIDEST = _sent(_START, wide(900_000), compressed=True)
_WIDE = _sent(_START, wide(150_000), compressed=True)
_BOMB = _sent(_START, b"\0" * 24_000_000, compressed=True)
_LARGE = _sent(_START, _with_idea("a" * 6_000_000), at_once=2)
_DEEP = _sent(_START, deep(33), deep(98), deep(5_000))
_FULL = _sent(_START, start([0] * 9_000))
_TEXTS = _sent(_START, _with_idea("a" * 25_000), _with_idea("a\0b. c."))
_TIMES = _sent(_LIST_RUNS, *_edges_of_time())
_FILTER = _sent(_LIST_METRICS, _metric_filter(4_000), to_persistence=True)
_NO_REQUEST = _streams(_START, 400)
_INDEXED = _streams(
    _LIST_RUNS,
    1_000,
    body=b"",
    headers=[remembered()] * 1_000,
    first=[literal("x-big", "v" * 4_000, remember=True)],
)
_WATCHES = _streams("/grpc.health.v1.Health/Watch", 150, body=b"", to_be_ended=50)
_UNREAD = _streams(_EXPORT_RUNS, 20, body=b"", settings=[(_INITIAL_WINDOW, 0)])
_RESETS = frozenset({"reset by the caller", "cut off"})

ATTACKS = (
    Attack("wide", "900,000 truth values in 3.6 KB of gzip", _WIDEST, _TOO_LARGE | _INVALID),
    Attack("less wide", "150,000 truth values, compressed", _WIDE, _INVALID),
    Attack("bomb", "24 MB of zeros in 24 KB of gzip", _BOMB, _TOO_LARGE),
    Attack("large", "an idea of 6 MB", _LARGE, _TOO_LARGE),
    Attack("deep", "objects 33, 98 and 5,000 deep", _DEEP, _INVALID),
    Attack("full", "contexts of 9,000 numbers, which are taken", _FULL, _OK),
    Attack("texts", "too long an idea; NUL in one", _TEXTS, _INVALID),
    Attack("times", "instants beyond all clocks", _TIMES, _INVALID),
    Attack("filter", "metric filters of 4,000 numbers", _FILTER, _INVALID),
    Attack("garbage", "no message, to each method of the contract", _garbage, _INVALID),
    Attack("headers", "400 calls without a request", _NO_REQUEST, _ENDED, is_slow=True),
    Attack("indexed", "1,000 calls whose headers unfold to 4 MB", _INDEXED, _ENDED),
    Attack("watches", "150 health watches, of which 50 are too many", _WATCHES, _ENDED),
    Attack("unread", "20 exports that nobody reads", _UNREAD, _ENDED, documented_mib=64),
    # No object is left, but the process keeps its high-water mark: docs/guarantees.md, G33.
    Attack("resets", "2,000 calls, each reset at once", _reset_flood, _RESETS, documented_mib=320),
)
