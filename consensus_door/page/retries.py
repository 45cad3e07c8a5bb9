"""Calls that failed and are made again, as a run's events tell of them: the run itself does not. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from consensus.v1 import run_event_pb2

_NANOS = 1_000_000


@dataclass(frozen=True, slots=True)
class Retry:
    """The next call of a step."""

    number: int
    again_ms: int
    """When it begins, in milliseconds since 1970; 0 where that is at once, on another route."""


Retries = Mapping[str, Retry]
"""By step."""


def retries_after(retries: Retries, events: Iterable[run_event_pb2.RunEvent]) -> Retries:
    """What is made again once these have happened."""
    left = dict(retries)
    for event in events:
        kind = event.WhichOneof("payload")
        step = getattr(getattr(event, kind), "step", "") if kind else ""
        left.pop(step, None)
        if kind == "attempt_failed" and (retry := _retry(event)) is not None:
            left[step] = retry
    return left


def _retry(event: run_event_pb2.RunEvent) -> Retry | None:
    failed = event.attempt_failed
    if failed.HasField("retry_delay") and not failed.fallback_route:
        again = event.event_time.ToNanoseconds() + failed.retry_delay.ToNanoseconds()
        return Retry(failed.attempt_number + 1, again // _NANOS)
    return Retry(failed.attempt_number + 1, 0) if failed.fallback_route else None
