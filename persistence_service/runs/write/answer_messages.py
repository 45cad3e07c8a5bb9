"""The writer's answers as messages. Pure.

Spans are counted from the moment at which the answer is made: what it took to commit is taken off.
"""

from google.protobuf.duration_pb2 import Duration

from consensus.internal.v1 import persistence_service_pb2
from persistence_service.runs.form import names
from persistence_service.runs.write.outcomes import Ack, ClaimedRun, Created, Follow, Granted, Refusal
from persistence_service.schema.scalars import NANOS, to_duration, to_timestamp


def _remaining(seconds: float, elapsed: float) -> Duration:
    return to_duration(max(0, round((seconds - elapsed) * NANOS)))


def lease_message(granted: Granted, elapsed: float) -> persistence_service_pb2.Lease:
    """The lease, `elapsed` seconds after it was asked for."""
    return persistence_service_pb2.Lease(
        fencing_token=granted.fencing_token, remaining=_remaining(granted.lease_seconds, elapsed)
    )


def ack_message(ack: Ack) -> persistence_service_pb2.RecordAck:
    """The acknowledgement."""
    message = persistence_service_pb2.RecordAck(
        record_id=ack.record_id, first_sequence=ack.first_sequence, last_sequence=ack.last_sequence
    )
    if ack.event_time is not None:
        message.event_time.CopyFrom(to_timestamp(ack.event_time))
    message.refused_attempts.extend(map(refused_message, ack.refused))
    return message


def refused_message(refusal: Refusal) -> persistence_service_pb2.RefusedAttempt:
    """An attempt that must not begin."""
    message = persistence_service_pb2.RefusedAttempt(
        step=refusal.step,
        attempt_number=refusal.attempt_number,
        cap=refusal.cap,
        message=refusal.message,
    )
    if refusal.reset_time is not None:
        message.reset_time.CopyFrom(to_timestamp(refusal.reset_time))
    return message


def follow_message(follow: Follow) -> persistence_service_pb2.FollowRun:
    """The run to follow instead."""
    return persistence_service_pb2.FollowRun(run_id=follow.run_id, state=names.run_state_number(follow.state))


def begun_message(created: Created, elapsed: float) -> persistence_service_pb2.RunBegun:
    """The run that was created, RUNNING.

    Raises:
        ValueError: for a run that is QUEUED.
    """
    if created.granted is None or created.ack is None:
        raise ValueError("a queued run has no lease")
    return persistence_service_pb2.RunBegun(
        lease=lease_message(created.granted, elapsed),
        ack=ack_message(created.ack),
        time_to_deadline=_remaining(created.granted.seconds_to_deadline, elapsed),
    )


def attached_message(granted: Granted, elapsed: float) -> persistence_service_pb2.RunAttached:
    """The run that is the worker's; what is recorded of it is filled in by the caller."""
    message = persistence_service_pb2.RunAttached(
        lease=lease_message(granted, elapsed),
        last_record_id=granted.last_record_id,
        time_to_deadline=_remaining(granted.seconds_to_deadline, elapsed),
    )
    if granted.budget_start_time is not None:
        message.budget_start_time.CopyFrom(to_timestamp(granted.budget_start_time))
    return message


def claimed_message(claimed: ClaimedRun, elapsed: float) -> persistence_service_pb2.ClaimedRun:
    """A run that was granted."""
    scope = claimed.scope
    return persistence_service_pb2.ClaimedRun(
        scope=persistence_service_pb2.CallScope(
            tenant=scope.tenant, caller=scope.caller, request_id=scope.request_id
        ),
        run_id=claimed.run_id,
        lease=lease_message(claimed.granted, elapsed),
    )
