"""Who must have answered for a decision, and what a request may ask of that."""

import pytest

from consensus.v1 import run_pb2
from consensus_decision.quorum import check_quorum, has_quorum
from tests.support.engine import PANEL, specification


def test_a_quorum_is_completed_with_the_guardian_in_persona_order() -> None:
    quorum, found = check_quorum(
        run_pb2.Quorum(min_personas=3, required_personas=["user_advocate"]), PANEL.personas
    )

    assert quorum == run_pb2.Quorum(min_personas=3, required_personas=["security_guardian", "user_advocate"])
    assert found == []


def test_everybody_who_holds_a_veto_is_required() -> None:
    personas = specification().personas
    for persona in personas:
        persona.holds_veto = persona.persona_id in ("critic", "architect")

    quorum, _ = check_quorum(run_pb2.Quorum(required_personas=["optimist"]), personas)

    assert list(quorum.required_personas) == ["architect", "critic", "optimist"]


def test_no_quorum_means_all() -> None:
    quorum, _ = check_quorum(run_pb2.Quorum(), PANEL.personas)

    assert quorum == run_pb2.Quorum(min_personas=5, required_personas=["security_guardian"])


def test_a_quorum_that_the_panel_cannot_meet_is_refused() -> None:
    _, found = check_quorum(run_pb2.Quorum(min_personas=6, required_personas=["stranger"]), PANEL.personas)

    assert [each.field for each in found] == [
        "review.options.quorum.min_personas",
        "review.options.quorum.required_personas[0]",
    ]
    assert "6 was sent" in found[0].description


@pytest.mark.parametrize(
    ("min_personas", "present", "holds"),
    [(4, 3, False), (4, 4, True), (0, 4, False), (0, 5, True)],
    ids=["too few", "as many as asked for", "of all one is missing", "all"],
)
def test_a_decision_needs_as_many_as_the_quorum_says_and_without_one_all(
    min_personas: int, present: int, *, holds: bool
) -> None:
    spec = specification(min_personas=min_personas)

    assert has_quorum(spec, PANEL.ids[:present]) is holds


def test_a_review_of_a_stranger_does_not_count() -> None:
    assert not has_quorum(specification(min_personas=4), [*PANEL.ids[:3], "stranger"])
