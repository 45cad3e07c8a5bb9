"""The steps of a run, folded from its journal. Pure: there is no table of steps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consensus.v1 import run_pb2
from consensus_contract.steps import step_names
from persistence_service.runs.form import decisions, event_types
from persistence_service.runs.form.events import RecordedRunEvent
from persistence_service.schema.scalars import to_timestamp


@dataclass(slots=True)
class _Step:
    name: str
    state: run_pb2.StepState.ValueType = run_pb2.STEP_STATE_PENDING
    start_time: datetime | None = None
    finish_time: datetime | None = None
    failure: dict[str, Any] | None = None

    def start(self, time: datetime) -> None:
        if self.state != run_pb2.STEP_STATE_RUNNING:  # else another process goes on with it
            self.start_time, self.finish_time, self.failure = time, None, None
        self.state = run_pb2.STEP_STATE_RUNNING

    def end(self, state: run_pb2.StepState.ValueType, time: datetime) -> None:
        self.state, self.finish_time = state, time

    def reset(self) -> None:
        self.state = run_pb2.STEP_STATE_PENDING
        self.start_time = self.finish_time = self.failure = None

    def message(self, attempt_count: int) -> run_pb2.Step:
        step = run_pb2.Step(name=self.name, state=self.state, attempt_count=attempt_count)
        if self.start_time is not None:
            step.start_time.CopyFrom(to_timestamp(self.start_time))
        if self.finish_time is not None:
            step.finish_time.CopyFrom(to_timestamp(self.finish_time))
        if self.failure is not None:
            step.failure.CopyFrom(decisions.step_failure_message(self.failure))
        return step


def fold_steps(
    panel: Sequence[str], entries: Iterable[RecordedRunEvent], attempt_counts: Mapping[str, int]
) -> list[run_pb2.Step]:
    """The steps as the entries leave them; entries come in the order of their sequences.

    When a run ends without a decision, what was not done is SKIPPED; when it is resumed, what FAILED or was
    SKIPPED is PENDING again.
    """
    steps = {name: _Step(name) for name in step_names(panel)}
    for entry in entries:
        if entry.event_type in (event_types.RUN_FAILED, event_types.RUN_CANCELLED):
            for step in steps.values():
                if step.state in (run_pb2.STEP_STATE_PENDING, run_pb2.STEP_STATE_RUNNING):
                    step.end(run_pb2.STEP_STATE_SKIPPED, entry.event_time)
        elif entry.event_type == event_types.RUN_RESUMED:
            for step in steps.values():
                if step.state in (run_pb2.STEP_STATE_FAILED, run_pb2.STEP_STATE_SKIPPED):
                    step.reset()
        elif (named := steps.get(entry.data.get("step", ""))) is not None:
            _apply(named, entry)
    return [step.message(attempt_counts.get(step.name, 0)) for step in steps.values()]


def _apply(step: _Step, entry: RecordedRunEvent) -> None:
    match entry.event_type:
        case event_types.STEP_STARTED:
            step.start(entry.event_time)
        case event_types.STEP_COMPLETED:
            step.end(run_pb2.STEP_STATE_COMPLETED, entry.event_time)
        case event_types.STEP_SKIPPED:
            step.end(run_pb2.STEP_STATE_SKIPPED, entry.event_time)
        case event_types.STEP_FAILED:
            step.end(run_pb2.STEP_STATE_FAILED, entry.event_time)
            step.failure = entry.data.get("failure")
