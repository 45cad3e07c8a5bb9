"""Who of a panel was asked and what came of it, from the steps of a run. Pure: nothing of it is stored."""

from collections.abc import Iterable, Sequence

from consensus.v1 import panel_pb2, run_pb2
from consensus_contract.fallback import fell_back
from consensus_contract.steps import review_step
from consensus_decision.decimals import nearest_double
from consensus_decision.weights import panel_share


def panel_turnout(
    personas: Sequence[panel_pb2.Persona], steps: Iterable[run_pb2.Step]
) -> run_pb2.PanelTurnout:
    """The turnout; `steps` are the run's, folded from its journal."""
    by_name = {step.name: step for step in steps}
    found = [_persona(persona, by_name[review_step(persona.persona_id)]) for persona in personas]
    returned = {each.persona_id for each in found if each.HasField("return_time")}
    return run_pb2.PanelTurnout(
        expected_count=len(found),
        launched_count=sum(each.HasField("launch_time") for each in found),
        returned_count=len(returned),
        failed_count=sum(each.HasField("fail_time") for each in found),
        returned_weight=nearest_double(panel_share(personas, returned)),
        personas=found,
    )


def note_models(turnout: run_pb2.PanelTurnout, reviews: Iterable[panel_pb2.PersonaReview]) -> None:
    """Notes which model each persona was asked from and which answered, and whether it was one for all.

    A review that was carried over says nothing of this run.
    """
    by_persona = {each.persona_id: each.provenance for each in reviews}
    new = [
        each for each in turnout.personas if each.HasField("launch_time") and each.persona_id in by_persona
    ]
    for persona in new:
        provenance = by_persona[persona.persona_id]
        persona.requested_model = provenance.requested_model
        persona.answered_model = provenance.answered_model
    found = [by_persona[each.persona_id] for each in new]
    turnout.fell_onto_one_model = (
        len({each.requested_model for each in found}) > 1
        and len({(each.route, each.answered_model) for each in found}) == 1
        and any(map(fell_back, found))
    )


def _persona(persona: panel_pb2.Persona, step: run_pb2.Step) -> run_pb2.PersonaTurnout:
    turnout = run_pb2.PersonaTurnout(
        persona_id=persona.persona_id, weight=persona.weight, optional=persona.optional
    )
    if step.HasField("start_time"):
        turnout.launch_time.CopyFrom(step.start_time)
    if step.state == run_pb2.STEP_STATE_COMPLETED:
        turnout.return_time.CopyFrom(step.finish_time)
    if step.state == run_pb2.STEP_STATE_FAILED:
        turnout.fail_time.CopyFrom(step.finish_time)
        turnout.reason = step.failure.reason
    return turnout
