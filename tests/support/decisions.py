"""The cases of the golden decisions. `python -m tests.support.decisions` writes their files anew.

A file that changes means that decisions change: it needs another policy version.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import json_format

from consensus.v1 import decision_pb2, errors_pb2, panel_pb2, run_pb2, suspicion_pb2
from consensus_contract.errors import Reason
from consensus_decision.decision import decide
from tests.support.engine import review, reviews, specification, stale

GOLDEN = Path(__file__).parents[1] / "unit" / "consensus_decision" / "golden"


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """The reviews of a run, and what the file of that name says of the decision over them."""

    name: str
    reviews: Sequence[panel_pb2.PersonaReview]
    min_personas: int = 5
    missing: dict[str, Reason] = field(default_factory=dict)
    policy_version: str = "1.0.0"
    suspicions: Sequence[suspicion_pb2.Suspicion] = ()
    """Of the run's texts."""

    def specification(self) -> run_pb2.RunSpecification:
        """The run's."""
        spec = specification(min_personas=self.min_personas, policy_version=self.policy_version)
        spec.suspicions.extend(self.suspicions)
        return spec

    def decide(self) -> decision_pb2.Decision:
        """The decision as the code makes it."""
        return decide(self.specification(), self.reviews, self.missing)


def _scores(*scores: float) -> dict[str, float]:
    ids = ("architect", "critic", "optimist", "security_guardian", "user_advocate")
    return dict(zip(ids, scores, strict=True))


SUSPECTED = (
    suspicion_pb2.Suspicion(text="idea", kind=suspicion_pb2.SUSPICION_KIND_OVERRIDE),
    suspicion_pb2.Suspicion(text="context", kind=suspicion_pb2.SUSPICION_KIND_INVISIBLE),
)
GOLDEN_CASES = (
    GoldenCase("approve_unanimous", reviews(**_scores(0.92, 0.85, 0.95, 0.88, 0.9))),
    GoldenCase("approve_at_exactly_0_80", reviews(**_scores(0.85, 0.75, 0.8, 0.8, 0.8))),
    GoldenCase("revise_just_below_0_80", reviews(**_scores(0.7997, 0.8, 0.8, 0.8, 0.8))),
    GoldenCase("revise_at_exactly_0_60", reviews(**_scores(0.55, 0.65, 0.6, 0.6, 0.6))),
    GoldenCase("reject", reviews(**_scores(0.4, 0.3, 0.7, 0.2, 0.5))),
    GoldenCase(
        "approve_with_minority_reports",
        [
            *reviews(architect=0.95, optimist=0.97, security_guardian=0.9),
            review(
                "critic",
                0.85,
                blocking=[("Übergabe: keine Frist", None), ("No owner", False)],
                recommendations=["Name an owner"],
                strengths=["Clear scope"],
                concerns=["Late feedback"],
            ),
            review("user_advocate", 0.55),
        ],
    ),
    GoldenCase(
        "revise_by_veto",
        [
            *reviews(architect=0.95, critic=0.9, optimist=0.97, user_advocate=0.9),
            review(
                "security_guardian",
                0.85,
                blocking=[("Tokens stand in the log", True), ("No retention", True), ("No contact", False)],
                recommendations=["Hash tokens"],
            ),
        ],
    ),
    GoldenCase(
        "revise_by_blocking_weight",
        [
            review("architect", 0.9, blocking=[("One shard", None)]),
            review("critic", 0.9, blocking=[("No way back", False)]),
            *reviews(optimist=0.95, security_guardian=0.9, user_advocate=0.9),
        ],
    ),
    GoldenCase(
        "revise_without_the_guardian",
        reviews(architect=0.95, critic=0.9, optimist=0.97, user_advocate=0.9),
        min_personas=4,
        missing={"security_guardian": errors_pb2.ERROR_REASON_LLM_TIMEOUT},
    ),
    GoldenCase(
        "reject_by_three_with_thirds",
        reviews(critic=0.3333, security_guardian=0.6667, user_advocate=0.5),
        min_personas=3,
        missing={
            "architect": errors_pb2.ERROR_REASON_LLM_REFUSED,
            "optimist": errors_pb2.ERROR_REASON_LLM_INVALID_OUTPUT,
        },
    ),
    GoldenCase("approve_unread_before_freshness", stale(*reviews(**_scores(0.95, 0.95, 0.97, 0.96, 0.97)))),
    GoldenCase(
        "revise_unread",
        stale(*reviews(**_scores(0.95, 0.95, 0.97, 0.96, 0.97))),
        policy_version="1.1.0",
    ),
    GoldenCase(
        "approve_read_by_enough",
        [
            *reviews(architect=0.9, security_guardian=0.95),
            *stale(*reviews(critic=0.9, optimist=0.95, user_advocate=0.9)),
        ],
        policy_version="1.1.0",
    ),
    GoldenCase(
        "approve_suspected_before_screening",
        reviews(**_scores(0.92, 0.85, 0.95, 0.88, 0.9)),
        policy_version="1.1.0",
        suspicions=SUSPECTED,
    ),
    GoldenCase(
        "approve_unsuspected", reviews(**_scores(0.92, 0.85, 0.95, 0.88, 0.9)), policy_version="1.2.0"
    ),
    GoldenCase(
        "revise_suspected",
        reviews(**_scores(0.92, 0.85, 0.95, 0.88, 0.9)),
        policy_version="1.2.0",
        suspicions=SUSPECTED,
    ),
)


def write() -> None:
    """Writes every case's file."""
    GOLDEN.mkdir(exist_ok=True)
    for case in GOLDEN_CASES:
        decision = case.decide()
        content = {
            "reviews": [
                json_format.MessageToDict(each, preserving_proto_field_name=True) for each in case.reviews
            ],
            "decision": json_format.MessageToDict(decision, preserving_proto_field_name=True),
            "serialised": decision.SerializeToString(deterministic=True).hex(),
        }
        text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)
        (GOLDEN / f"{case.name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
