"""The example that recomputes decisions without any of the project's code comes to the same."""

import json
from decimal import localcontext
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from consensus.v1 import panel_pb2, run_pb2, suspicion_pb2
from consensus_decision.decision import decide
from consensus_decision.labels import label_name
from consensus_decision.policies import policy_message
from tests.support.engine import specification
from tests.support.policies import POLICIES
from tests.unit.consensus_decision.test_decision_properties import panels

SCRIPT = Path(__file__).parents[3] / "examples" / "recompute" / "recompute.py"


def recompute() -> Any:
    spec = spec_from_file_location("recompute", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECOMPUTE = recompute()


@pytest.mark.parametrize("name", POLICIES)
@given(
    panel=panels(),
    stale=st.sets(st.integers(0, 4)),
    version=st.sampled_from(["1.0.0", "1.1.0", "1.2.0"]),
    is_suspected=st.booleans(),
)
def test_every_strategy_comes_to_the_same_label(
    name: str, panel: list[panel_pb2.PersonaReview], stale: set[int], version: str, is_suspected: bool
) -> None:
    run = run_pb2.Run(run_id="r1", specification=specification(policy_version=version))
    if name != "default":
        run.specification.policy.CopyFrom(policy_message("p", POLICIES[name]))
    for index, review in enumerate(panel):
        if index in stale:
            review.stale_sections.append("summary")
    run.persona_reviews.extend(panel)
    if is_suspected:
        run.suspicions.add(text="proposal", kind=suspicion_pb2.SUSPICION_KIND_CANARY)
    run.decision.CopyFrom(decide(run.specification, run.persona_reviews, suspicions=run.suspicions))
    exported = json.loads(json_format.MessageToJson(run, always_print_fields_with_no_presence=True))

    with localcontext(prec=34):
        assert RECOMPUTE.decide(exported) == label_name(run.decision.label)
