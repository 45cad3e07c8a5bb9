"""What people say of a run, as parts of its HTML file."""

from consensus.v1 import human_review_pb2, run_pb2
from consensus_cli.report.markup import Child, Markup, element
from consensus_cli.view import text
from consensus_cli.view.outcome import label_word
from consensus_cli.view.people import NOT_COUNTED, human_sections, person, together_words


def together(run: run_pb2.Run) -> Child:
    """The decision with people counted in, or that they do not count; nothing without any."""
    if not run.HasField("decision_with_humans"):
        return element("p", NOT_COUNTED, class_="kind") if run.human_reviews else None
    decision = run.decision_with_humans
    word = label_word(decision.label)
    confidence = text.score(decision.overall_weighted_confidence)
    why = [element("li", text.sentence(rule.explanation)) for rule in decision.fired_rules]
    said = f" with people, confidence {confidence}: {together_words(run)}"
    return [element("p", element("span", word, class_=f"verdict {word.lower()}"), said), element("ul", why)]


def person_review(review: human_review_pb2.HumanReview) -> Markup:
    """One person's review."""
    score = element("span", text.score(review.confidence_score), class_="aside")
    return element(
        "article",
        element("h3", person(review), score),
        [
            [element("h4", name, class_=name.lower()), element("ul", [element("li", each) for each in lines])]
            for name, lines in human_sections(review)
        ],
    )
