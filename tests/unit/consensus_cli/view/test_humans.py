"""What people say instead of a panel, as it is shown."""

from consensus.v1 import decision_pb2, decision_service_pb2
from consensus_cli.view.decisions import escalation_lines
from consensus_cli.view.run import run_blocks
from tests.unit.consensus_client import samples

REJECT = decision_pb2.DECISION_LABEL_REJECT


def test_a_run_shows_the_label_that_holds_and_then_the_panels() -> None:
    run = samples.completed_run()
    before = [block.text for block in run_blocks(run)]
    run.effective_override.label, run.effective_override.caller = REJECT, "svc"
    run.effective_override.reason = "the law\n\x1b[2Jforbids it"

    shown = [block.text for block in run_blocks(run)]

    said = shown.index("REJECT")
    assert shown[said + 1].startswith("by svc instead of the panel's decision: the law")
    assert "\x1b" not in shown[said + 1]
    assert shown[:said] + shown[said + 4 :] == before
    assert "Decision of the panel" not in before


def test_escalations_say_why_and_what_came_of_them() -> None:
    opened = decision_service_pb2.Escalation(
        run_id="r1",
        cause=decision_service_pb2.ESCALATION_CAUSE_SECURITY_VETO,
        state=decision_service_pb2.ESCALATION_STATE_OPEN,
    )
    closed = decision_service_pb2.Escalation(
        run_id="r2",
        cause=decision_service_pb2.ESCALATION_CAUSE_RUN_FAILED,
        state=decision_service_pb2.ESCALATION_STATE_RESOLVED,
        resolution=decision_service_pb2.EscalationResolution(resolution="asked again"),
        effective_override=decision_pb2.DecisionOverride(label=REJECT),
    )

    _, first, second = escalation_lines([opened, closed])

    assert first.split()[-4:] == ["r1", "security", "veto", "open"]
    assert second.endswith("reject instead; asked again")
    assert "run failed" in second
