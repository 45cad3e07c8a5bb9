"""What speaks against a proposal most, merged where personas say the same: pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from consensus.v1 import decision_pb2, panel_pb2, run_pb2
from consensus_client.effective import effective_label
from consensus_decision.supported import supported
from consensus_report import text

_ALIKE = 0.6  # shared words over all words
MOST_FINDINGS = 5
"""As many as are told where there is little room."""


@dataclass(slots=True)
class Finding:
    """One thing in the words of the first who said it, and the names of all who did."""

    words: str
    names: list[str] = field(default_factory=list)
    is_security_critical: bool = False
    _key: frozenset[str] = frozenset()

    def is_alike(self, key: frozenset[str]) -> bool:
        """Whether it says about the same."""
        return self._key == key or len(self._key & key) >= _ALIKE * max(1, len(self._key | key))

    def line(self) -> str:
        """`the words (Critic, SecurityGuardian; security-critical)`."""
        mark = "; security-critical" if self.is_security_critical else ""
        return f"{self.words} ({', '.join(self.names)}{mark})"


def blocking_findings(reviews: Iterable[panel_pb2.PersonaReview]) -> list[Finding]:
    """What blocks, the security-critical first, then what most personas name."""
    return _ranked(
        (review, issue.text, issue.security_critical)
        for review in reviews
        for issue in supported(review.blocking_issues)
    )


def worries(reviews: Iterable[panel_pb2.PersonaReview]) -> list[Finding]:
    """Concerns that several personas share first, then those of the least content."""
    least_content_first = sorted(reviews, key=lambda review: review.confidence_score)
    return _ranked(
        (review, concern.text, False)
        for review in least_content_first
        for concern in supported(review.concerns)
    )


@dataclass(frozen=True, slots=True)
class Findings:
    """What speaks against a proposal most, and what that is."""

    heading: str
    all: list[Finding]


def findings(run: run_pb2.Run) -> Findings | None:
    """What blocks it, whatever was decided; else, unless it is approved, the concerns. None without any."""
    if found := blocking_findings(run.persona_reviews):
        return Findings("What blocks it", found)
    is_approved = effective_label(run) == decision_pb2.DECISION_LABEL_APPROVE
    found = [] if is_approved else worries(run.persona_reviews)[:MOST_FINDINGS]
    return Findings("What speaks against it most", found) if found else None


def _ranked(said: Iterable[tuple[panel_pb2.PersonaReview, str, bool]]) -> list[Finding]:
    found: list[Finding] = []
    for review, words, is_critical in said:
        key = frozenset(text.same_words(words).split())
        same = next((each for each in found if each.is_alike(key)), None)
        if same is None:
            found.append(same := Finding(text.clean(words), _key=key))
        name = text.clean(review.persona_name) or text.persona_name(review.persona_id)
        if name not in same.names:
            same.names.append(name)
        same.is_security_critical |= is_critical
    return sorted(found, key=lambda each: (not each.is_security_critical, -len(each.names)))
