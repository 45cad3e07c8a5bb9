"""How a stream ends when its run did not come to a decision: the status that says why; pure."""

from consensus.v1 import run_event_pb2, run_pb2
from consensus_contract.errors import ConsensusError, FieldViolation, RunCancelled, reason_name, run_failed
from consensus_contract.evidence import evidence


def error_of_event(event: run_event_pb2.RunEvent) -> ConsensusError | None:
    """The error that a run's last event stands for; None for a completed run."""
    if event.HasField("run_failed"):
        return error_of_failure(event.run_id, event.run_failed.failure)
    return RunCancelled(run_id=event.run_id) if event.HasField("run_cancelled") else None


def error_of_run(run: run_pb2.Run) -> ConsensusError | None:
    """The error that a run's state stands for; None unless it is FAILED or CANCELLED."""
    if run.state == run_pb2.RUN_STATE_FAILED:
        return error_of_failure(run.run_id, run.failure)
    return RunCancelled(run_id=run.run_id) if run.state == run_pb2.RUN_STATE_CANCELLED else None


def error_of_failure(run_id: str, failure: run_pb2.RunFailure) -> ConsensusError:
    """A run's terminal failure as the contract's error."""
    return run_failed(
        failure.reason,
        run_id=run_id,
        failed_step=failure.failed_step or None,
        resumable=failure.resumable,
        finished=list(failure.finished_personas),
        causes={each.persona_id: reason_name(each.reason) for each in failure.persona_failures},
        field_violations=[FieldViolation(each.field, each.description) for each in failure.output_violations],
        evidence=evidence(failure),
    )
