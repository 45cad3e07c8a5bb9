"""Health and reflection: answered at any load, and each connection's streams of them bounded."""

from collections import Counter

from consensus_rpc.errors import Overloaded
from consensus_rpc.telemetry.metrics import Counts

PROBE_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.reflection.v1.ServerReflection",
)
_CHECK = "/grpc.health.v1.Health/Check"

MAX_PROBE_STREAMS = 100
"""Watches and reflection streams that one connection may have, each."""


def is_probe(method: str) -> bool:
    """Whether a method (`/package.Service/Method`) is outside admission: probes get through at any load."""
    return method[1:].rpartition("/")[0] in PROBE_SERVICES


class ProbeStreams:
    """Counts the streams of one probe's method by connection.

    A health check is no stream that stays: it is counted by nobody, and always answered.
    """

    def __init__(self, method: str, counts: Counts) -> None:
        self._limit = None if method == _CHECK else MAX_PROBE_STREAMS
        self._counts = counts
        self._open: Counter[str] = Counter()

    def of(self, peer: str) -> "ProbeStream":
        """One stream of this connection."""
        return ProbeStream(self, peer)

    def enter(self, peer: str) -> None:
        """Raises Overloaded when the connection has as many as it may have."""
        if self._limit is None:
            return
        if self._open[peer] >= self._limit:
            self._counts.probes_refused.inc()
            raise Overloaded(subject="health and reflection streams of a connection", limit=self._limit)
        self._open[peer] += 1

    def leave(self, peer: str) -> None:
        """Ends one stream."""
        if self._limit is None:
            return
        self._open[peer] -= 1
        if not self._open[peer]:
            del self._open[peer]


class ProbeStream:
    """The gate of one stream."""

    __slots__ = ("_peer", "_streams")

    def __init__(self, streams: ProbeStreams, peer: str) -> None:
        self._streams = streams
        self._peer = peer

    def enter(self) -> None:
        """Raises Overloaded when the connection has as many as it may have."""
        self._streams.enter(self._peer)

    def leave(self) -> None:
        """Ends it."""
        self._streams.leave(self._peer)
