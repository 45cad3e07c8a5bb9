"""Runs and their events as the service would send them, with text that tries to harm whoever shows it."""

from datetime import UTC, datetime, timedelta

from google.protobuf import duration_pb2, timestamp_pb2

from consensus.v1 import (
    attempt_pb2,
    decision_pb2,
    errors_pb2,
    panel_pb2,
    proposal_pb2,
    run_event_pb2,
    run_pb2,
)

RUN = "0193a0aa-0000-7000-8000-000000000001"
START = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
PERSONAS = {
    "architect": ("Architect", 0.25, 0.9),
    "critic": ("Critic", 0.25, 0.55),
    "optimist": ("Optimist", 0.15, 0.95),
    "security_guardian": ("SecurityGuardian", 0.2, 0.0),
    "user_advocate": ("UserAdvocate", 0.15, 0.8125),
}
EVIL = "\x1b[31mred\x1b]0;title\x07 <script>alert(1)</script> [bold]x[/bold] \u202eevil\r\nnext | line"


def at(seconds: float) -> timestamp_pb2.Timestamp:
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(START + timedelta(seconds=seconds))
    return stamp


def span(seconds: float) -> duration_pb2.Duration:
    message = duration_pb2.Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def proposal() -> proposal_pb2.Proposal:
    return proposal_pb2.Proposal(
        title=f"Reminders {EVIL}",
        summary="Patients get a reminder.",
        problem_statement="Patients forget appointments.",
        proposed_solution="# not a heading\nSend a message the day before.",
        assumptions=["They gave consent."],
        scope_non_goals=["Marketing."],
    )


def review(persona_id: str) -> panel_pb2.PersonaReview:
    name, _, score = PERSONAS[persona_id]
    found = panel_pb2.PersonaReview(
        persona_id=persona_id,
        persona_name=name,
        confidence_score=score,
        strengths=["It is simple."],
        concerns=[panel_pb2.Concern(text=f"Costs {EVIL}", blocking=True)],
        recommendations=["Measure it."],
        estimated_effort="two weeks",
        provenance=panel_pb2.ReviewProvenance(answered_model="test-model", attempt_count=1),
    )
    if persona_id == "security_guardian":
        found.blocking_issues.add(text="Numbers are kept in plain text.", security_critical=True)
        found.blocking_issues_present = found.security_critical_issues_present = True
    return found


def decision(
    label: decision_pb2.DecisionLabel.ValueType = decision_pb2.DECISION_LABEL_REVISE,
) -> decision_pb2.Decision:
    return decision_pb2.Decision(
        label=label,
        overall_weighted_confidence=0.6269,
        contributions=[
            decision_pb2.PersonaContribution(
                persona_id=persona, weight=weight, confidence_score=score, contribution=weight * score
            )
            for persona, (_, weight, score) in PERSONAS.items()
        ],
        fired_rules=[
            decision_pb2.FiredRule(
                rule=decision_pb2.DECISION_RULE_SECURITY_VETO,
                explanation="SecurityGuardian named 1 security-critical blocking issue.",
            )
        ],
        completeness=decision_pb2.Completeness(complete=True, expected_count=5, present_count=5),
        minority_reports=[
            decision_pb2.MinorityReport(
                persona_id="security_guardian",
                persona_name="SecurityGuardian",
                confidence_score=0.0,
                blocking_summary="Numbers are kept in plain text.",
                mitigation_recommendation="Measure it.",
            )
        ],
        policy_version="1.0.0",
    )


def numbered(*events: run_event_pb2.RunEvent) -> list[run_event_pb2.RunEvent]:
    """The events with run, sequence and time."""
    for sequence, event in enumerate(events, start=1):
        event.run_id = RUN
        event.sequence = sequence
        event.event_time.CopyFrom(at(sequence * 0.1))
    return list(events)


def completed_events(
    label: decision_pb2.DecisionLabel.ValueType = decision_pb2.DECISION_LABEL_REVISE,
) -> list[run_event_pb2.RunEvent]:
    """A run from the first event to the last, with one attempt that failed on the way."""
    event = run_event_pb2.RunEvent
    steps = [f"review_{persona}" for persona in PERSONAS]
    return numbered(
        event(run_created=run_event_pb2.RunCreated(state=run_pb2.RUN_STATE_RUNNING)),
        event(run_started=run_event_pb2.RunStarted()),
        event(step_started=run_event_pb2.StepStarted(step="expand")),
        event(proposal_ready=run_event_pb2.ProposalReady(proposal=proposal())),
        event(step_completed=run_event_pb2.StepCompleted(step="expand", attempt_count=1)),
        *[event(step_started=run_event_pb2.StepStarted(step=step)) for step in steps],
        event(
            attempt_failed=run_event_pb2.AttemptFailed(
                step="review_critic",
                persona_id="critic",
                attempt_number=1,
                reason=errors_pb2.ERROR_REASON_LLM_RATE_LIMITED,
                retry_delay=span(1.2),
            )
        ),
        *[
            each
            for persona in PERSONAS
            for each in (
                event(persona_review_ready=run_event_pb2.PersonaReviewReady(persona_review=review(persona))),
                event(
                    step_completed=run_event_pb2.StepCompleted(
                        step=f"review_{persona}", attempt_count=2 if persona == "critic" else 1
                    )
                ),
            )
        ],
        event(step_started=run_event_pb2.StepStarted(step="aggregate_decision")),
        event(decision_ready=run_event_pb2.DecisionReady(decision=decision(label))),
        event(step_completed=run_event_pb2.StepCompleted(step="aggregate_decision")),
        event(run_completed=run_event_pb2.RunCompleted()),
    )


def failure() -> run_pb2.RunFailure:
    return run_pb2.RunFailure(
        reason=errors_pb2.ERROR_REASON_QUORUM_NOT_MET,
        message="fewer personas answered than its quorum asks for",
        failed_step="review_critic",
        resumable=True,
        finished_personas=["architect"],
        persona_failures=[
            run_pb2.PersonaFailure(persona_id="critic", reason=errors_pb2.ERROR_REASON_LLM_TIMEOUT)
        ],
    )


def failed_events() -> list[run_event_pb2.RunEvent]:
    """A run that ends because a persona gave up."""
    event = run_event_pb2.RunEvent
    return numbered(
        event(run_created=run_event_pb2.RunCreated(state=run_pb2.RUN_STATE_RUNNING)),
        event(step_started=run_event_pb2.StepStarted(step="review_critic")),
        event(
            step_failed=run_event_pb2.StepFailed(
                step="review_critic",
                attempt_count=4,
                failure=run_pb2.StepFailure(reason=errors_pb2.ERROR_REASON_LLM_TIMEOUT),
            )
        ),
        event(run_failed=run_event_pb2.RunFailed(failure=failure())),
    )


def turnout() -> run_pb2.PanelTurnout:
    """Three of five: the critic gave up, and the optimist's review was carried over."""
    found = [
        run_pb2.PersonaTurnout(persona_id=persona, weight=weight, launch_time=at(1.2), return_time=at(2.0))
        for persona, (_, weight, _) in PERSONAS.items()
    ]
    architect, critic, optimist, guardian, advocate = found
    optimist.ClearField("launch_time")
    advocate.ClearField("return_time")
    critic.ClearField("return_time")
    critic.fail_time.CopyFrom(at(3))
    critic.reason = errors_pb2.ERROR_REASON_LLM_TIMEOUT
    return run_pb2.PanelTurnout(
        expected_count=5,
        launched_count=4,
        returned_count=3,
        failed_count=1,
        returned_weight=architect.weight + optimist.weight + guardian.weight,
        personas=found,
    )


def completed_run() -> run_pb2.Run:
    run = run_pb2.Run(
        run_id=RUN,
        type=run_pb2.RUN_TYPE_INITIAL,
        state=run_pb2.RUN_STATE_COMPLETED,
        caller="anonymous",
        proposal=proposal(),
        persona_reviews=[review(persona) for persona in PERSONAS],
        decision=decision(),
        last_sequence=25,
        create_time=at(0),
        start_time=at(0.1),
        finish_time=at(2.5),
        specification=run_pb2.RunSpecification(
            idea=f"Remind patients. {EVIL}", expand_model="test-model", review_model="test-model"
        ),
    )
    run.specification.review_temperature = 0.2
    run.turnout.CopyFrom(turnout())
    run.steps.add(
        name="expand",
        state=run_pb2.STEP_STATE_COMPLETED,
        attempt_count=1,
        start_time=at(0.1),
        finish_time=at(1.1),
    )
    return run


def attempts() -> list[attempt_pb2.Attempt]:
    return [
        attempt_pb2.Attempt(
            step="expand",
            attempt_number=1,
            state=attempt_pb2.ATTEMPT_STATE_SUCCEEDED,
            requested_model="test-model",
            latency=span(1.0),
            usage=panel_pb2.TokenUsage(input_tokens=100, cached_tokens=40, output_tokens=50),
        ),
        attempt_pb2.Attempt(
            step="review_critic",
            attempt_number=1,
            state=attempt_pb2.ATTEMPT_STATE_FAILED,
            reason=errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT,
            requested_model="test-model",
            raw_output=f"{{broken {EVIL}",
            message="not JSON",
        ),
    ]
