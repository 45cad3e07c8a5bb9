"""Small words of the contract: the names of a run's steps, spans in seconds, a call that was cut off."""

from google.protobuf.duration_pb2 import Duration

from consensus.v1 import attempt_pb2

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


def unknown_attempt(attempt: attempt_pb2.Attempt) -> attempt_pb2.Attempt:
    """The same call, cut off: it may or may not have been answered and billed."""
    unknown = attempt_pb2.Attempt()
    unknown.CopyFrom(attempt)
    unknown.state = attempt_pb2.ATTEMPT_STATE_UNKNOWN
    return unknown
