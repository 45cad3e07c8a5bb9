"""Who of a panel answered, from the steps that the journal tells of."""

from consensus.v1 import errors_pb2, run_pb2
from persistence_service.runs.form.turnout import panel_turnout
from persistence_service.schema.scalars import to_timestamp
from tests.support.records import specification
from tests.unit.persistence_service.runs.form.test_steps import fold, moment


def test_each_persona_is_asked_answered_or_gave_up_with_cause_and_time() -> None:
    steps = fold(
        ("step.completed", "review_architect"),  # carried over
        ("step.started", "review_critic"),
        ("step.started", "review_optimist"),
        ("step.failed", "review_critic"),
        ("step.completed", "review_optimist"),
    )
    steps["review_critic"].failure.reason = errors_pb2.ERROR_REASON_LLM_TIMEOUT

    turnout = panel_turnout(specification().personas, steps.values())

    counts = (turnout.expected_count, turnout.launched_count, turnout.returned_count, turnout.failed_count)
    assert counts == (5, 2, 2, 1)
    weights = {each.persona_id: each.weight for each in turnout.personas}
    assert turnout.returned_weight == round(weights["architect"] + weights["optimist"], 4)
    architect, critic, optimist, guardian, _ = turnout.personas
    assert not architect.HasField("launch_time")
    assert architect.return_time == to_timestamp(moment(1))
    assert (critic.launch_time, critic.fail_time) == (to_timestamp(moment(2)), to_timestamp(moment(4)))
    assert critic.reason == errors_pb2.ERROR_REASON_LLM_TIMEOUT
    assert optimist.return_time == to_timestamp(moment(5))
    assert guardian == run_pb2.PersonaTurnout(persona_id="security_guardian", weight=guardian.weight)
