"""Who must have answered for a decision, and for an approval. Pure."""

from collections.abc import Collection, Sequence

from consensus.v1 import panel_pb2, run_pb2
from consensus_contract.errors import FieldViolation
from consensus_decision.policies import policy_of

_FIELD = "review.options.quorum"


def has_quorum(specification: run_pb2.RunSpecification, present_ids: Collection[str]) -> bool:
    """Whether enough personas of the panel answered for a decision: as many as the run and its policy ask
    for.

    Raises:
        UnknownPolicyError: this release does not know the policy that the specification names.
    """
    ids = [persona.persona_id for persona in specification.personas]
    if sum(each in present_ids for each in ids) < policy_of(specification).quorum.min_personas:
        return False
    wanted = specification.quorum.min_personas
    if wanted:
        return sum(each in present_ids for each in ids) >= wanted
    return all(each.persona_id in present_ids for each in specification.personas if not each.optional)


def missing_required(specification: run_pb2.RunSpecification, absent_ids: Collection[str]) -> list[str]:
    """The required personas among those that are absent, in persona order; who holds a veto is required."""
    required = set(specification.quorum.required_personas)
    return [
        persona.persona_id
        for persona in specification.personas
        if persona.persona_id in absent_ids and (persona.holds_veto or persona.persona_id in required)
    ]


def check_quorum(
    quorum: run_pb2.Quorum, personas: Sequence[panel_pb2.Persona]
) -> tuple[run_pb2.Quorum, list[FieldViolation]]:
    """A request's quorum, made complete for the panel, and the rules that it breaks."""
    violations = []
    if quorum.min_personas > len(personas):
        description = f"at most {len(personas)}, the size of the panel; {quorum.min_personas} was sent"
        violations.append(FieldViolation(f"{_FIELD}.min_personas", description))
    known = {persona.persona_id for persona in personas}
    for index, persona_id in enumerate(quorum.required_personas):
        if persona_id not in known:
            description = f"must be one of {', '.join(sorted(known))}"
            violations.append(FieldViolation(f"{_FIELD}.required_personas[{index}]", description))
    required = [p.persona_id for p in personas if p.holds_veto or p.persona_id in quorum.required_personas]
    # With optional personas "all that are needed" is no number: it is left open.
    everybody = 0 if any(persona.optional for persona in personas) else len(personas)
    return run_pb2.Quorum(
        min_personas=quorum.min_personas or everybody, required_personas=required
    ), violations
