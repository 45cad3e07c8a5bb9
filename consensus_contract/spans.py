"""Spans of time between the contract's form and seconds."""

from google.protobuf.duration_pb2 import Duration


def duration(seconds: float) -> Duration:
    """A span, to the microsecond."""
    span = Duration()
    span.FromMicroseconds(round(seconds * 1_000_000))
    return span


def seconds(span: Duration) -> float:
    """A span in seconds."""
    return span.seconds + span.nanos / 1_000_000_000
