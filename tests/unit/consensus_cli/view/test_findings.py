"""What speaks against a proposal, as a terminal is told it: the few that matter most."""

from consensus.v1 import panel_pb2, run_pb2
from consensus_cli.view.findings import findings_blocks


def review(name: str, score: float, *blocking: str, critical: bool = False) -> panel_pb2.PersonaReview:
    found = panel_pb2.PersonaReview(persona_id=name.lower(), persona_name=name, confidence_score=score)
    for words in blocking:
        found.blocking_issues.add(text=words, security_critical=critical)
    return found


def lines(*reviews: panel_pb2.PersonaReview) -> list[str]:
    return [each.text for each in findings_blocks(run_pb2.Run(persona_reviews=reviews), "consensus show r1")]


def test_what_is_not_in_the_text_blocks_nothing() -> None:
    said = review("Critic", 0.2, "It quotes what is not there.")
    said.blocking_issues[0].unsupported = True
    assert lines(said) == []


def test_where_nothing_blocks_the_concerns_of_most_come_first() -> None:
    calm, worried = review("Optimist", 0.7), review("Critic", 0.3)
    calm.concerns.add(text="The costs are unknown.")
    worried.concerns.add(text="It may be late.")
    worried.concerns.add(text="The costs are unknown")
    assert lines(calm, worried) == [
        "What speaks against it most",
        "- The costs are unknown (Critic, Optimist)",
        "- It may be late. (Critic)",
    ]


def test_of_many_the_first_five_are_told_and_where_the_others_are() -> None:
    words = ("apples", "pears", "plums", "figs", "dates", "limes", "kiwis")
    assert lines(review("Critic", 0.1, *words))[-1] == "and 2 more: consensus show r1"
