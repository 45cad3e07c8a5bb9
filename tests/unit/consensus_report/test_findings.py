"""What speaks against a proposal, merged where personas say the same."""

from consensus.v1 import panel_pb2
from consensus_report.findings import blocking_findings


def review(name: str, score: float, *blocking: str, critical: bool = False) -> panel_pb2.PersonaReview:
    found = panel_pb2.PersonaReview(persona_id=name.lower(), persona_name=name, confidence_score=score)
    for words in blocking:
        found.blocking_issues.add(text=words, security_critical=critical)
    return found


def test_what_several_say_stands_once_with_all_their_names() -> None:
    found = blocking_findings(
        [
            review("Critic", 0.2, "Passwords are stored in plain text.", "Nobody asked for it."),
            review("Guardian", 0.1, "passwords are stored as plain text", critical=True),
        ]
    )
    assert [each.line() for each in found] == [
        "Passwords are stored in plain text. (Critic, Guardian; security-critical)",
        "Nobody asked for it. (Critic)",
    ]
