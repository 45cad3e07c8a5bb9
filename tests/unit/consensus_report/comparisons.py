"""A comparison of two runs, and a run that revises another."""

from consensus.v1 import decision_pb2, proposal_pb2, review_service_pb2, run_pb2
from tests.unit.consensus_client import samples
from tests.unit.consensus_client.samples import EVIL

ScoreDiff = review_service_pb2.ScoreDiff


def score(before: int | None, after: int | None) -> ScoreDiff:
    """From ten-thousandths, as the service computes it: exactly, then one division."""
    delta = None if before is None or after is None else after - before
    return ScoreDiff(
        **{
            name: each / 10_000
            for name, each in (("before", before), ("after", after), ("delta", delta))
            if each is not None
        }
    )


def rule(kind: decision_pb2.DecisionRule.ValueType, words: str) -> decision_pb2.FiredRule:
    return decision_pb2.FiredRule(rule=kind, explanation=words)


def comparison() -> review_service_pb2.DiffRunsResponse:
    return review_service_pb2.DiffRunsResponse(
        relationship=review_service_pb2.RUN_RELATIONSHIP_A_PARENT_OF_B,
        sections=[
            review_service_pb2.ProposalSectionDiff(
                section="summary",
                change=review_service_pb2.DIFF_CHANGE_MODIFIED,
                unified_diff_lines=["--- a/summary", "+++ b/summary", "@@ -1 +1 @@", "-Old", f"+{EVIL}"],
            ),
            review_service_pb2.ProposalSectionDiff(
                section="assumptions", change=review_service_pb2.DIFF_CHANGE_UNCHANGED
            ),
        ],
        personas=[
            review_service_pb2.PersonaDiff(
                persona_id="architect",
                change=review_service_pb2.DIFF_CHANGE_MODIFIED,
                score=score(6500, 9500),
                contribution=score(1625, 2375),
                blocking_before=True,
                blocking_after=False,
                security_critical_before=True,
                security_critical_after=True,
            ),
            review_service_pb2.PersonaDiff(
                persona_id="critic",
                change=review_service_pb2.DIFF_CHANGE_UNCHANGED,
                score=score(0, 0),
                contribution=score(0, 0),
                reused_from_run_id="r1",
                stale_sections=["summary", "proposed_solution"],
            ),
            review_service_pb2.PersonaDiff(
                persona_id="optimist",
                change=review_service_pb2.DIFF_CHANGE_ADDED,
                score=score(None, 8000),
            ),
        ],
        decision=review_service_pb2.DecisionDiff(
            change=review_service_pb2.DIFF_CHANGE_MODIFIED,
            label_before=decision_pb2.DECISION_LABEL_REVISE,
            label_after=decision_pb2.DECISION_LABEL_APPROVE,
            confidence=score(7625, 8375),
            rules_before=[rule(decision_pb2.DECISION_RULE_SECURITY_VETO, "the guardian's veto")],
            rules_after=[rule(decision_pb2.DECISION_RULE_BLOCKING_WEIGHT, "half of the weight blocks")],
        ),
    )


def revision() -> run_pb2.Run:
    run = samples.completed_run()
    run.parent_run_id = "r1"
    run.specification.revision.CopyFrom(
        run_pb2.RevisionSpecification(
            parent_run_id="r1", edit_notes=f"Notes {EVIL}", parent_proposal=proposal_pb2.Proposal()
        )
    )
    return run
