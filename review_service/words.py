"""The names of a run's steps, and protobuf's instants and spans in seconds."""

from google.protobuf.duration_pb2 import Duration

EXPAND = "expand"
AGGREGATE = "aggregate_decision"


def review_step(persona_id: str) -> str:
    """The step in which this persona reviews."""
    return f"review_{persona_id}"


def duration(seconds: float) -> Duration:
    """A span, to the microsecond."""
    span = Duration()
    span.FromMicroseconds(round(seconds * 1_000_000))
    return span


def seconds(span: Duration) -> float:
    """A span in seconds."""
    return span.seconds + span.nanos / 1_000_000_000
