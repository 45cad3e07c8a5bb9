"""What `audit verify` says of a trail after a restore."""

from consensus_cli.view.verdict import verdict_message
from consensus_journal import Fault, StreamFinding, Verdict
from consensus_report.verdict import verdict_lines


def test_what_is_cut_off_is_named_to_its_end_and_what_is_not_named_is_counted() -> None:
    findings = (
        StreamFinding("runs/a", 12, Fault.CUT_OFF, 24),
        StreamFinding("runs/b", 7, Fault.CUT_OFF, 7),
        StreamFinding("runs/c", 3, Fault.ALTERED),
    )
    verdict = Verdict(9, 80, 2, findings, finding_count=5)
    assert verdict_lines(verdict_message(verdict), None) == [
        "runs/a entries 12 to 24: cut off",
        "runs/b entry 7: cut off",
        "runs/c entry 3: altered",
        "and 2 more that are not named",
        "NOT whole: 9 streams, 80 entries, 2 checkpoints",
    ]


def test_a_checkpoint_that_does_not_hold_is_named_with_what_its_copy_may_lack() -> None:
    verdict = Verdict(2, 26, 1, (StreamFinding("", 2, Fault.CHECKPOINT),), finding_count=1)
    assert verdict_lines(verdict_message(verdict), None)[0] == (
        "checkpoint 2: its signature, or its link to the one before, does not hold "
        "(all from the first on are needed)"
    )
