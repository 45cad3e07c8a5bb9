"""What Prometheus is told of the door: no label has a value that a caller made up."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import grpc
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from consensus_contract.errors import ConsensusError
from consensus_rpc.errors import CallDeadlineExceeded, MessageTooLarge, ShuttingDown

METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
CALLER_LEFT = 499
"""As nginx writes of callers who left before they were answered."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
_UNKNOWN = "unknown"
_BANDS = {1: "1", 10: "2-10", 100: "11-100"}


class DoorMetrics:
    """All that is counted here, by route, code or reason."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Registers its counters; once per registry."""
        self._requests = Counter(
            "consensus_door_requests_total",
            "Requests that ended, by route, method and status; 499: the caller left before.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "consensus_door_request_seconds",
            "Time from a request's headers to the end of its answer, streams included.",
            ("route", "method"),
            registry=registry,
            buckets=_BUCKETS,
        )
        self._refused = Counter(
            "consensus_door_refused_total",
            "Requests and connections that the door itself refused or cut, by reason.",
            ("reason",),
            registry=registry,
        )
        self._calls = Counter(
            "grpc_client_handled_total",
            "Calls to the services that ended, by status code.",
            ("grpc_service", "grpc_method", "grpc_code"),
            registry=registry,
        )
        self._in_flight = {
            kind: Gauge(f"consensus_door_{kind}", meaning, registry=registry)
            for kind, meaning in {
                "connections": "Connections that are open.",
                "requests_in_flight": "Requests that have not ended.",
                "streams_in_flight": "Streams of the services that are read for callers.",
                "watchers": "Pages that are open on runs that go on.",
            }.items()
        }
        self._watched_runs = Gauge(
            "consensus_door_watched_runs",
            "Runs that pages are open on, by how many; once for each credential.",
            ("watchers",),
            registry=registry,
        )

    def in_flight(self, kind: str) -> AbstractContextManager[None]:
        """Meanwhile there is one more of these: `requests_in_flight` or `streams_in_flight`."""
        return self._in_flight[kind].track_inprogress()

    def connected(self, change: int) -> None:
        """A connection has begun (1) or ended (-1)."""
        self._in_flight["connections"].inc(change)

    def finished(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request has ended; without a route, or an answer, where there was none."""
        route, method = route or _UNKNOWN, method if method in METHODS else _UNKNOWN
        self._requests.labels(route, method, status or CALLER_LEFT).inc()
        self._seconds.labels(route, method).observe(seconds)

    def refused(self, reason: str) -> None:
        """Something was refused, or cut off; a reason is one of a few words."""
        self._refused.labels(reason).inc()

    @contextmanager
    def refusals(self, subject: str) -> Iterator[None]:
        """Counts what is refused meanwhile, of this subject where its own reason does not say more."""
        try:
            yield
        except ConsensusError as error:
            self.refused(_reason(error, subject))
            raise

    @contextmanager
    def call(self, path: str) -> Iterator[None]:
        """Counts a call to a service by what it comes to; one that is left before its end is CANCELLED."""
        code = grpc.StatusCode.OK
        try:
            yield
        except grpc.aio.AioRpcError as error:
            code = error.code()
            raise
        except BaseException:
            code = grpc.StatusCode.CANCELLED
            raise
        finally:
            _, service, method = path.split("/")
            self._calls.labels(service, method, code.name).inc()

    def watched(self, before: int, after: int) -> None:
        """A run that had so many watchers has so many now."""
        self._in_flight["watchers"].inc(after - before)
        for count, change in ((before, -1), (after, 1)):
            if count:
                self._watched_runs.labels(_band(count)).inc(change)


def _band(count: int) -> str:
    return next((band for most, band in _BANDS.items() if count <= most), "more")


def _reason(error: ConsensusError, subject: str) -> str:
    if isinstance(error, ShuttingDown):
        return "draining"
    if isinstance(error, MessageTooLarge):
        return "body_size"
    return "body_time" if isinstance(error, CallDeadlineExceeded) else subject
