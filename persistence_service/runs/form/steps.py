"""The steps of a run, folded from its journal. Pure: there is no table of steps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consensus.v1.run_pb2 import (
    STEP_STATE_COMPLETED,
    STEP_STATE_FAILED,
    STEP_STATE_PENDING,
    STEP_STATE_RUNNING,
    STEP_STATE_SKIPPED,
    Step,
    StepState,
)
from persistence_service.runs.form import decisions
from persistence_service.runs.form import entries as events
from persistence_service.runs.form.events import StoredEvent
from persistence_service.schema.scalars import to_timestamp

EXPAND, AGGREGATE = "expand", "aggregate_decision"


@dataclass(slots=True)
class _Step:
    name: str
    state: StepState.ValueType = STEP_STATE_PENDING
    start_time: datetime | None = None
    finish_time: datetime | None = None
    failure: dict[str, Any] | None = None

    def start(self, time: datetime) -> None:
        if self.state != STEP_STATE_RUNNING:  # else another process goes on with it
            self.start_time, self.finish_time, self.failure = time, None, None
        self.state = STEP_STATE_RUNNING

    def end(self, state: StepState.ValueType, time: datetime) -> None:
        self.state, self.finish_time = state, time

    def reset(self) -> None:
        self.state = STEP_STATE_PENDING
        self.start_time = self.finish_time = self.failure = None

    def message(self, attempt_count: int) -> Step:
        step = Step(step=self.name, state=self.state, attempt_count=attempt_count)
        if self.start_time is not None:
            step.start_time.CopyFrom(to_timestamp(self.start_time))
        if self.finish_time is not None:
            step.finish_time.CopyFrom(to_timestamp(self.finish_time))
        if self.failure is not None:
            step.failure.CopyFrom(decisions.step_failure_message(self.failure))
        return step


def step_names(panel: Sequence[str]) -> list[str]:
    """All steps in their fixed order; `panel` is in persona order."""
    return [EXPAND, *(f"review_{persona}" for persona in panel), AGGREGATE]


def fold_steps(
    panel: Sequence[str], entries: Iterable[StoredEvent], attempt_counts: Mapping[str, int]
) -> list[Step]:
    """The steps as the entries leave them; entries come in the order of their sequences.

    When a run ends without a decision, what was not done is SKIPPED; when it is resumed, what FAILED or was
    SKIPPED is PENDING again.
    """
    steps = {name: _Step(name) for name in step_names(panel)}
    for entry in entries:
        if entry.event_type in (events.RUN_FAILED, events.RUN_CANCELLED):
            for step in steps.values():
                if step.state in (STEP_STATE_PENDING, STEP_STATE_RUNNING):
                    step.end(STEP_STATE_SKIPPED, entry.event_time)
        elif entry.event_type == events.RUN_RESUMED:
            for step in steps.values():
                if step.state in (STEP_STATE_FAILED, STEP_STATE_SKIPPED):
                    step.reset()
        elif (named := steps.get(entry.data.get("step", ""))) is not None:
            _apply(named, entry)
    return [step.message(attempt_counts.get(step.name, 0)) for step in steps.values()]


def _apply(step: _Step, entry: StoredEvent) -> None:
    match entry.event_type:
        case "step.started":
            step.start(entry.event_time)
        case "step.completed":
            step.end(STEP_STATE_COMPLETED, entry.event_time)
        case "step.skipped":
            step.end(STEP_STATE_SKIPPED, entry.event_time)
        case "step.failed":
            step.end(STEP_STATE_FAILED, entry.event_time)
            step.failure = entry.data.get("failure")
