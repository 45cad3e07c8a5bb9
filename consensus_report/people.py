"""What people say of a run beside its panel, in words: pure."""

from consensus.v1 import human_review_pb2, run_pb2
from consensus_report import text
from consensus_report.entries import blocking_line, concern_line

NOT_COUNTED = "People's reviews are shown, and do not count by the run's policy."


def person(review: human_review_pb2.HumanReview) -> str:
    """Who reviewed."""
    return text.clean(review.user or review.caller)


def human_sections(review: human_review_pb2.HumanReview) -> list[tuple[str, list[str]]]:
    """Name and lines of each section that has any, the blocking issues first."""
    sections = [
        ("Blocking", [blocking_line(each) for each in review.blocking_issues]),
        ("Concerns", [concern_line(each) for each in review.concerns]),
        ("Strengths", [text.clean(each) for each in review.strengths]),
        ("Recommendations", [text.clean(each) for each in review.recommendations]),
    ]
    return [(name, lines) for name, lines in sections if lines]


def together_words(run: run_pb2.Run) -> str:
    """What the decision with people rests on."""
    people = [each for each in run.decision_with_humans.contributions if each.persona_id.startswith("human:")]
    names = {f"human:{each.review_id}": person(each) for each in run.human_reviews}
    told = ", ".join(names.get(each.persona_id, each.persona_id) for each in people)
    weight = f", weight {text.score(people[0].weight)} each" if people else ""
    return f"the panel and {told}{weight}"
