"""Runs as they are read: rows to messages. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import decision_pb2, run_pb2, suspicion_pb2
from consensus_decision.sections import mark_stale
from consensus_decision.suspicion import all_suspicions
from persistence_service.runs.form import decisions, event_types, names, payloads
from persistence_service.runs.form.assessment import note_assessment
from persistence_service.runs.form.events import RecordedRunEvent
from persistence_service.runs.form.materials import complete
from persistence_service.runs.form.overrides import override_message
from persistence_service.runs.form.people import note_people
from persistence_service.runs.form.revisions import revision_message
from persistence_service.runs.form.specification import specification_message
from persistence_service.runs.form.steps import fold_steps
from persistence_service.runs.form.suspicions import suspicion_messages
from persistence_service.runs.form.turnout import note_models, panel_turnout
from persistence_service.schema.scalars import to_timestamp

Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRows:
    """All rows of one run; `run` holds the specification's columns too."""

    run: Row
    entries: Sequence[RecordedRunEvent] = ()
    attempt_counts: Mapping[str, int] = field(default_factory=dict)
    proposal: Row | None = None
    revision: Row | None = None
    material: Row | None = None
    reviews: Sequence[Row] = ()
    decision: Row | None = None
    override: Row | None = None
    """The newest."""
    people: Sequence[Row] = ()
    """The newest review of each person."""


def whole_run(rows: RunRows, retention: timedelta | None = None) -> run_pb2.Run:
    """The run with its steps, proposal, reviews and decision; `retention` as in `listed_run`."""
    run = _run(rows.run, retention)
    panel = [persona.persona_id for persona in run.specification.personas]
    run.steps.extend(fold_steps(panel, rows.entries, rows.attempt_counts))
    run.turnout.CopyFrom(panel_turnout(run.specification.personas, run.steps))
    if rows.proposal is not None:
        run.proposal.CopyFrom(payloads.proposal_message(rows.proposal))
        if (diff := payloads.proposal_diff_message(rows.proposal)) is not None:
            run.proposal_diff.CopyFrom(diff)
    if rows.material is not None:
        complete(run.specification, rows.material)
    if rows.revision is not None:
        run.specification.revision.CopyFrom(revision_message(run.parent_run_id, rows.revision))
    order = {persona: index for index, persona in enumerate(panel)}
    reviews = sorted(rows.reviews, key=lambda row: order.get(row["persona_id"], len(order)))
    run.persona_reviews.extend(payloads.review_message(row) for row in reviews)
    mark_stale(run.persona_reviews, run.specification, run.proposal if rows.proposal is not None else None)
    note_models(run.turnout, run.persona_reviews)
    run.suspicions.extend(_suspicions(rows.run, run))
    if rows.decision is not None:
        run.decision.CopyFrom(decisions.decision_message(rows.decision))
        run.decision.decision_notes = rows.run["decision_notes"] or ""
        note_assessment(run)
        note_people(run, rows.people)
    if rows.override is not None:
        run.effective_override.CopyFrom(override_message(rows.override))
    return run


def listed_run(
    row: Row, entries: Sequence[RecordedRunEvent], retention: timedelta | None = None
) -> run_pb2.Run:
    """The run as lists show it: of its decision only label, confidence, policy version and fresh weight.

    `retention` is how long a deleted run is kept; None: for ever.
    """
    run = _run(row, retention)
    panel = [persona.persona_id for persona in run.specification.personas]
    run.turnout.CopyFrom(panel_turnout(run.specification.personas, fold_steps(panel, entries, {})))
    run.suspicions.extend(_suspicions(row, run))
    for entry in entries:
        if entry.event_type == event_types.DECISION:
            decisions.note_fresh_weight(run.decision, entry.data)
    return run


def _suspicions(row: Row, run: run_pb2.Run) -> list[suspicion_pb2.Suspicion]:
    of_proposal = suspicion_messages(row["suspicions"])
    return all_suspicions(run.specification, of_proposal, run.persona_reviews)


def _run(row: Row, retention: timedelta | None) -> run_pb2.Run:
    """What the rows of the run itself say."""
    run = run_pb2.Run(
        run_id=row["run_id"],
        type=names.run_type_number(row["run_type"]),
        state=names.run_state_number(row["state"]),
        specification=specification_message(row),
        caller=row["caller"],
        resume_count=row["retry_count"],
        take_over_count=row["take_over_count"],
        last_sequence=row["last_sequence"],
        create_time=to_timestamp(row["create_time"]),
        start_time=_stamp(row["start_time"]),
        finish_time=_stamp(row["finish_time"]),
        update_time=to_timestamp(row["update_time"]),
        deadline_time=_stamp(row["expire_time"]),
        parent_run_id=row["parent_run_id"] or "",
        delete_time=_stamp(row["delete_time"]),
        deletion_id=row["deletion_id"] or "",
    )
    if row["delete_time"] is not None and retention is not None:
        run.purge_time.CopyFrom(to_timestamp(row["delete_time"] + retention))
    if row["failure"] is not None:
        run.failure.CopyFrom(decisions.run_failure_message(row["failure"]))
    if row["decision_label"] is not None:
        summary = decision_pb2.Decision(
            label=names.label_number(row["decision_label"]),
            overall_weighted_confidence=row["confidence"] / 10_000,
            policy_version=row["decision_policy_version"],
        )
        run.decision.CopyFrom(summary)
    return run


def _stamp(instant: datetime | None) -> Timestamp | None:
    return None if instant is None else to_timestamp(instant)
