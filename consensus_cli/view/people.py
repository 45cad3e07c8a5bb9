"""What people say of a run beside its panel, as blocks and lists of text: pure."""

from collections.abc import Iterable, Iterator, Sequence

from consensus.v1 import human_review_pb2, run_pb2
from consensus_cli.view.outcome import COLOURS, Block
from consensus_cli.view.tables import table
from consensus_report import text
from consensus_report.labels import label_word
from consensus_report.people import NOT_COUNTED, human_sections, person, together_words


def people_blocks(run: run_pb2.Run) -> Iterator[Block]:
    """Each person's review."""
    for review in run.human_reviews:
        yield Block(0, "")
        yield Block(0, f"{person(review)}, a person  {text.score(review.confidence_score)}", "bold")
        for name, lines in human_sections(review):
            yield Block(2, name, "underline")
            yield from (Block(4, f"- {line}") for line in lines)


def together_line(run: run_pb2.Run) -> str:
    """The label with people counted in, and its confidence."""
    decision = run.decision_with_humans
    confidence = text.score(decision.overall_weighted_confidence)
    return f"{label_word(decision.label)} with people  confidence {confidence}"


def together_blocks(run: run_pb2.Run) -> Iterator[Block]:
    """The decision with people counted in, and why; or that they do not count. Nothing without any."""
    decision = run.decision_with_humans
    if not run.HasField("decision_with_humans"):
        if run.human_reviews:
            yield Block(0, NOT_COUNTED, "dim")
        return
    yield Block(0, together_line(run), f"bold {COLOURS.get(decision.label, 'bold')}")
    yield Block(2, together_words(run))
    yield from (Block(2, f"- {text.sentence(rule.explanation)}") for rule in decision.fired_rules)


def human_review_lines(reviews: Sequence[human_review_pb2.HumanReview]) -> list[str]:
    """A list of people's reviews; those that others replaced are marked."""
    live = set(_newest(reviews))
    rows = [
        (
            text.instant(each.create_time), each.run_id, person(each),
            text.score(each.confidence_score), str(len(each.blocking_issues) or ""),
            "" if each.review_id in live else "replaced",
        )
        for each in reviews
    ]  # fmt: skip
    return table(("submitted", "run", "by", "score", "blocking", ""), rows, right=frozenset({3, 4}))


def _newest(reviews: Iterable[human_review_pb2.HumanReview]) -> Iterator[str]:
    """Ids of the newest review of each person and run; they come newest first."""
    seen = set()
    for each in reviews:
        who = (each.run_id, each.user, "" if each.user else each.caller)
        if who not in seen:
            seen.add(who)
            yield each.review_id
