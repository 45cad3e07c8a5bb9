"""What people say of a run, as fragments."""

from consensus.v1 import human_review_pb2, run_pb2
from consensus_report import text
from consensus_report.html.markup import Child, Markup, element
from consensus_report.html.parts import aside, badge
from consensus_report.labels import label_word
from consensus_report.people import NOT_COUNTED, human_sections, person, together_words


def together(run: run_pb2.Run) -> Child:
    """The decision with people counted in, or that they do not count; nothing without any."""
    if not run.HasField("decision_with_humans"):
        return element("p", NOT_COUNTED, class_="kind") if run.human_reviews else None
    decision = run.decision_with_humans
    confidence = text.score(decision.overall_weighted_confidence)
    why = [element("li", text.sentence(rule.explanation)) for rule in decision.fired_rules]
    said = f" with people, confidence {confidence}: {together_words(run)}"
    return [element("p", badge(label_word(decision.label)), said), element("ul", why)]


def person_review(review: human_review_pb2.HumanReview) -> Markup:
    """One person's review."""
    return element(
        "article",
        element("h3", person(review), aside(text.score(review.confidence_score))),
        [
            [element("h4", name, class_=name.lower()), element("ul", [element("li", each) for each in lines])]
            for name, lines in human_sections(review)
        ],
    )
