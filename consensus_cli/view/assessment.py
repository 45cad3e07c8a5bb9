"""How sure a decision is, in sentences: pure."""

from collections.abc import Iterator

from consensus.v1 import decision_pb2
from consensus_report import text


def label_word(label: decision_pb2.DecisionLabel.ValueType) -> str:
    """`approve`, `revise`, `reject`; a dash for none."""
    return text.word(decision_pb2.DecisionLabel, label, "DECISION_LABEL_") if label else "-"


def assessment_sentences(assessment: decision_pb2.DecisionAssessment) -> list[str]:
    """What the decision is worth, what would change it, and why it is not to be relied on."""
    return [text.sentence(each) for each in _sentences(assessment)]


def _sentences(assessment: decision_pb2.DecisionAssessment) -> Iterator[str]:
    for each in assessment.labels:
        label, cost = label_word(each.label), each.expected_loss
        yield f"That {label} is right has a probability of {each.posterior}; to decide it costs {cost}."
    origin = "from outcomes" if assessment.rho_fitted else "as configured"
    rho = f"rho {assessment.rho}, {origin}"
    yield f"The panel is worth {assessment.effective_votes} independent votes ({rho})."
    if assessment.one_model:
        yield f"All were asked from {assessment.one_model}: personas on one model are about one vote."
    if assessment.HasField("flip"):
        flip = assessment.flip
        scores = f"{text.score(flip.to_score)} instead of {text.score(flip.from_score)}"
        change = f"with {text.persona_name(flip.persona_id)} at {scores}"
        yield f"It would be {label_word(flip.label)} {change}."
    else:
        yield "No score of a single persona changes it."
    if assessment.uncalibrated:
        yield assessment.uncalibrated
    if assessment.HasField("stands_alone"):
        yield (
            "It may stand alone."
            if assessment.stands_alone
            else "It does not stand alone: a person should look."
        )
