"""Decides stored runs again, by their own policy or by another. Pure."""

from consensus.v1 import decision_pb2, decision_service_pb2, policy_pb2, run_pb2
from consensus_decision.assessment import assess, assessed_labels
from consensus_decision.decision import decision_of, evaluation_of, with_people
from consensus_decision.evaluation import Evaluation
from consensus_decision.messages import assessment_message, label_messages, step_messages
from consensus_decision.policies import POLICY_VERSION
from consensus_decision.quorum import has_quorum
from persistence_service.runs.form.people import missing_reasons


def under(run: run_pb2.Run, policy: policy_pb2.Policy | None) -> run_pb2.RunSpecification:
    """The run's specification with another policy, by this release's rules; its own where there is none."""
    if policy is None:
        return run.specification
    specification = run_pb2.RunSpecification()
    specification.CopyFrom(run.specification)
    specification.policy_version = POLICY_VERSION
    specification.policy.CopyFrom(policy)
    return specification


def explained(
    run: run_pb2.Run, policy: policy_pb2.Policy | None
) -> decision_service_pb2.ExplainDecisionResponse:
    """Each step of a run's decision.

    Raises:
        ValueError: it cannot be decided so.
    """
    specification = under(run, policy)
    evaluation = _evaluation(run, specification)
    decision = decision_of(evaluation, missing_reasons(run))
    stored = _said(run.decision)
    answer = decision_service_pb2.ExplainDecisionResponse(
        decision=decision,
        assessment=assessment_message(assess(evaluation)),
        steps=step_messages(evaluation.steps()),
        as_stored=_said(decision) == stored,
    )
    if (together := _with_people(run, specification)) is not None:
        answer.decision_with_humans.CopyFrom(decision_of(together, missing_reasons(run)))
        answer.steps_with_humans.extend(step_messages(together.steps()))
    return answer


def _with_people(run: run_pb2.Run, specification: run_pb2.RunSpecification) -> Evaluation | None:
    return with_people(specification, run.persona_reviews, run.human_reviews, suspicions=run.suspicions)


def _said(decision: decision_pb2.Decision) -> decision_pb2.Decision:
    """What a decision says, whoever noted something since and whatever its policy is called."""
    said = decision_pb2.Decision()
    said.CopyFrom(decision)
    for name in ("decision_notes", "policy", "policy_version"):
        said.ClearField(name)
    return said


def decided_again(run: run_pb2.Run, policy: policy_pb2.Policy) -> decision_service_pb2.ReaggregatedRun:
    """What a policy makes of a run's reviews, beside what was decided."""
    answer = decision_service_pb2.ReaggregatedRun(
        run_id=run.run_id,
        create_time=run.create_time,
        label=run.decision.label,
        overall_weighted_confidence=run.decision.overall_weighted_confidence,
    )
    specification = under(run, policy)
    try:
        evaluation = _evaluation(run, specification)
    except ValueError as error:
        answer.undecided = str(error)
        return answer
    answer.decision.CopyFrom(decision_of(evaluation, missing_reasons(run)))
    answer.labels.extend(label_messages(assessed_labels(evaluation)))
    if (together := _with_people(run, specification)) is not None:
        answer.decision_with_humans.CopyFrom(decision_of(together, missing_reasons(run)))
    return answer


def _evaluation(run: run_pb2.Run, specification: run_pb2.RunSpecification) -> Evaluation:
    """Raises: ValueError: as `evaluation_of`, and where fewer personas answered than are asked for."""
    if not has_quorum(specification, {review.persona_id for review in run.persona_reviews}):
        raise ValueError("fewer personas answered than the policy asks for")
    return evaluation_of(specification, run.persona_reviews, suspicions=run.suspicions)
