"""Rate, errors and duration of calls for Prometheus, and the page that shows them."""

import re
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import grpc
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from consensus.v1 import errors_pb2
from consensus_contract.errors import ConsensusError, ErrorReason, reason_name, reason_number
from consensus_rpc.errors import Overloaded
from consensus_rpc.telemetry.labels import OTHER, BoundedLabel, tenant_label

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LABELS = ("grpc_service", "grpc_method", "grpc_type")
# Faults on this side, whoever calls: what alerts on the first of them needs a series that was there before.
_FAULTS = frozenset(
    reason_name(each)
    for each in (
        errors_pb2.ERROR_REASON_INTERNAL,
        errors_pb2.ERROR_REASON_DATABASE_ERROR,
        errors_pb2.ERROR_REASON_DATABASE_UNAVAILABLE,
    )
)
_MOST_SUBJECTS = 40
CALLS_IN_FLIGHT = "calls in flight"
_WHOSE = re.compile(r" of (tenant|caller) .*", re.DOTALL)


class Counts:
    """What is counted of a server as a whole."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers its counters; once per registry."""
        self.requests_not_sent = Counter(
            "consensus_requests_not_sent_total",
            "Calls that were begun and whose request did not come in time.",
            registry=registry,
        )
        self.probes_refused = Counter(
            "consensus_probes_refused_total",
            "Health watches and reflection streams beyond what one connection may have.",
            registry=registry,
        )
        self.streams_reset = Counter(
            "consensus_streams_reset_total",
            "Calls whose answer was not read in time, or was one too many unread.",
            registry=registry,
        )
        self.loop_lag = Histogram(
            "consensus_event_loop_lag_seconds",
            "By how much a timer of the event loop was late.",
            registry=registry,
            buckets=_LAG_BUCKETS,
        )
        self.calls_admitted = Gauge(
            "consensus_calls_admitted",
            "Calls that were admitted and have not ended; health and reflection do not count.",
            registry=registry,
        )
        self.calls_limit = Gauge(
            "consensus_calls_admitted_limit", "Calls that may be admitted at once.", registry=registry
        )


class Refusals:
    """What is counted of calls that ended with an error of the contract."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers its counters; once per registry."""
        self._errors = Counter(
            "consensus_rpc_errors_total",
            "Calls that ended with an error, by its reason; faults of the service itself name no tenant.",
            ("reason", "tenant"),
            registry=registry,
        )
        self._overloads = Counter(
            "consensus_overloads_total",
            "Calls that were refused because there was too much of something, by what that was.",
            ("subject",),
            registry=registry,
        )
        self._subject = BoundedLabel(_MOST_SUBJECTS)
        # From the start, at 0: the first of a kind is seen as an increase too.
        for number in ErrorReason.values():
            if number:
                self._errors.labels(reason_name(number), "")
        self._overloads.labels(CALLS_IN_FLIGHT)

    def count(self, error: ConsensusError, tenant: str) -> None:
        """Counts one; a reason that another release gave is `other`."""
        name = error.reason_name if reason_number(error.reason_name) is not None else OTHER
        self._errors.labels(name, "" if name in _FAULTS else tenant_label(tenant)).inc()
        if isinstance(error, Overloaded) and error.quota:
            subject = _WHOSE.sub(r" of a \1", error.quota[0].subject)
            self._overloads.labels(self._subject(subject)).inc()


class RpcMetrics:
    """What is counted of calls, under the names that gRPC dashboards know."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Registers its counters; once per registry."""
        self.handled = Counter(
            "grpc_server_handled_total",
            "Calls that ended, by status code.",
            (*_LABELS, "grpc_code"),
            registry=registry,
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time from first to last byte.",
            _LABELS,
            registry=registry,
            buckets=_BUCKETS,
        )
        self.in_flight = Gauge(
            "grpc_server_in_flight", "Calls that have not ended.", _LABELS, registry=registry
        )

        self.counts = Counts(registry)
        self.refusals = Refusals(registry)

    def of_method(self, service: str, method: str, kind: str) -> "MethodMetrics":
        """The counters of one method, looked up once."""
        return MethodMetrics(self, (service, method, kind))


_default: list[RpcMetrics] = []


def default_metrics() -> RpcMetrics:
    """The metrics in Prometheus's default registry, made once per process."""
    if not _default:
        _default.append(RpcMetrics())
    return _default[0]


@dataclass(slots=True)
class MethodMetrics:
    """The counters of one method, with its labels bound."""

    metrics: RpcMetrics
    labels: tuple[str, str, str]
    _seconds: Any = field(init=False)
    _in_flight: Any = field(init=False)
    _handled: dict[grpc.StatusCode, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._seconds = self.metrics.seconds.labels(*self.labels)
        self._in_flight = self.metrics.in_flight.labels(*self.labels)

    def begin(self) -> None:
        self._in_flight.inc()

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        self._in_flight.dec()
        self._seconds.observe(seconds)
        handled = self._handled.get(code)
        if handled is None:
            handled = self._handled[code] = self.metrics.handled.labels(*self.labels, code.name)
        handled.inc()


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """The running page."""

    address: str
    _server: Any
    _thread: Thread

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(host: str, port: int, registry: CollectorRegistry = REGISTRY) -> MetricsPage:
    """Serves /metrics over HTTP in a thread of its own; port 0 takes a free one.

    Raises:
        OSError: when the address is taken.
    """
    server, thread = start_http_server(port, addr=host, registry=registry)
    shown = f"[{host}]" if ":" in host else host
    return MetricsPage(f"{shown}:{server.server_port}", server, thread)
