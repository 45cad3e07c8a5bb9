"""Callers name only what the operator's settings allow; by default that is all."""

import pytest

from consensus.v1 import panel_pb2, run_pb2
from consensus_rpc.errors import InvalidField
from review_service.config import ReviewSettings
from review_service.intake.allowed import Allowed

BUILT_IN = [panel_pb2.Persona(persona_id="critic")]


def allowed(**given: object) -> Allowed:
    names = {"openai_model": "own", "max_retries_per_persona": 3}
    return Allowed.of(ReviewSettings(**(names | given)))  # type: ignore[arg-type]  # settings


def specified(
    model: str = "own", retries: int = 3, panel_id: str = "", focus: str = ""
) -> run_pb2.RunSpecification:
    return run_pb2.RunSpecification(
        expand_model="own",
        review_model=model,
        retry_policy=run_pb2.RetryPolicy(max_retries=retries),
        panel_id=panel_id,
        personas=[panel_pb2.Persona(persona_id="critic", focus=focus)],
    )


@pytest.mark.parametrize(
    ("given", "specification", "field"),
    [
        ({"allowed_models": "local:*"}, specified("gpt"), "options.review_model"),
        ({"allowed_models": "local:*"}, specified(model="own"), ""),
        ({"allowed_models": "local:*, gpt"}, specified("gpt"), ""),
        ({"allowed_models": "local:*"}, specified("local:llama3:8b"), ""),
        (
            {"allowed_models": "gpt", "allowed_panels": "*"},
            specified(panel_id="p", model="gpt"),
            "",
        ),
        ({"allowed_max_retries": 4}, specified(retries=5), "options.max_retries_per_persona"),
        ({"allowed_max_retries": 1}, specified(retries=3), ""),  # the operator's own
        ({"allowed_panels": "legal"}, specified(panel_id="other"), "options.panel"),
        ({"allowed_panels": "legal"}, specified(panel_id="legal"), ""),
        ({"allowed_panels": "legal"}, specified(), ""),  # the built-in one
        ({"allowed_panels": "legal"}, specified(focus="mine"), "options.panel"),
        ({"allowed_panels": "inline"}, specified(focus="mine"), ""),
        ({}, specified("any", 10, "any"), ""),
    ],
)
def test_what_is_not_allowed_is_named(
    given: dict[str, object], specification: run_pb2.RunSpecification, field: str
) -> None:
    if not field:
        allowed(**given).check(specification, BUILT_IN, "options.")
        return
    with pytest.raises(InvalidField) as refused:
        allowed(**given).check(specification, BUILT_IN, "options.")
    assert [each.field for each in refused.value.field_violations] == [field]


def test_a_personas_own_model_counts_too() -> None:
    specification = specified()
    specification.personas[0].model = "dear"
    with pytest.raises(InvalidField, match=r"panel\.personas\.critic\.model"):
        allowed(allowed_models="gpt").check(specification, list(specification.personas), "options.")
