"""Where a run stands, from the events so far: a pure fold."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from consensus.v1 import decision_pb2, panel_pb2, proposal_pb2, run_event_pb2, run_pb2, suspicion_pb2
from consensus_cli.view.panel_view import PanelView
from consensus_contract.fallback import fell_back
from consensus_contract.steps import AGGREGATE, EXPAND, persona_of_step, review_step
from consensus_decision.sections import FIELDS, mark_stale
from consensus_decision.supported import supported
from consensus_decision.suspicion import distinct
from consensus_report import text
from consensus_report.labels import reason
from consensus_report.quotations import UNSUPPORTED, UNSUPPORTED_MARK
from consensus_report.sections import stale_words
from consensus_report.suspicion import suspicions_of


class Phase(Enum):
    """Where one line stands."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    GAVE_UP = "gave up"
    SKIPPED = "skipped"


class Objection(Enum):
    """How strongly a persona objects, whatever its score."""

    NONE = ""
    BLOCKS = "blocks"
    VETOES = "vetoes"


@dataclass(slots=True)
class Line:
    """One step as it is shown. `attempt_count` counts the calls begun; `seconds` is set once it ended.

    `most_attempts` is 0 where nobody knows; `again` says when the next call begins, `again_seconds` how long
    that is after the one that failed.
    """

    step: str
    label: str
    phase: Phase = Phase.WAITING
    attempt_count: int = 0
    score: float | None = None
    note: str = ""
    started: datetime | None = None
    seconds: float | None = None
    most_attempts: int = 0
    again: datetime | None = None
    again_seconds: float = 0.0
    objection: Objection = Objection.NONE

    def attempt_words(self) -> str:
        """`attempt 2 of 4` while it works, `2 attempts` afterwards; empty where the first was enough."""
        if self.attempt_count < 2:
            return ""
        if self.phase is not Phase.WORKING:
            return text.count(self.attempt_count, "attempt")
        return self.attempt_of(self.attempt_count)

    def attempt_of(self, number: int) -> str:
        """`attempt 2 of 4`; of a run that was resumed there may be more than its settings name."""
        return f"attempt {number}" + (f" of {self.most_attempts}" if number <= self.most_attempts else "")

    def note_at(self, now: datetime) -> str:
        """The note, with what is left of the wait for the next call."""
        left = 0.0 if self.again is None else (self.again - now).total_seconds()
        if left <= 0:
            return self.note
        return f"{self.note}, again in {text.duration(min(left, self.again_seconds))}"


@dataclass(slots=True)
class RunView:
    """A run as far as the events tell."""

    run_id: str = ""
    last_sequence: int = 0
    lines: dict[str, Line] = field(default_factory=dict)
    title: str = ""
    decision: decision_pb2.Decision | None = None
    failure: run_pb2.RunFailure | None = None
    is_over: bool = False
    is_partial: bool = False
    """Whether there are events that it was not shown."""
    panel: PanelView = field(default_factory=PanelView)
    carried: list[panel_pb2.PersonaReview] = field(default_factory=list)
    suspicions: list[suspicion_pb2.Suspicion] = field(default_factory=list)
    reviews: dict[str, panel_pb2.PersonaReview] = field(default_factory=dict)
    began: datetime | None = None
    latest: datetime | None = None
    most_attempts: int = 0
    _veto_holders: frozenset[str] = frozenset()

    def expect(self, run: run_pb2.Run) -> None:
        """Takes from the run as it is stored what no event tells: weights, most attempts, who may veto."""
        self.panel.expect(run.turnout)
        personas = run.specification.personas
        self._veto_holders = frozenset(each.persona_id for each in personas if each.holds_veto)
        if run.specification.retry_policy.max_retries:
            self.most_attempts = run.specification.retry_policy.max_retries + 1
        for line in self.lines.values():
            line.most_attempts = self.most_attempts
        for review in self.reviews.values():
            self._describe(review)

    def token_counts(self) -> tuple[int, int]:
        """Tokens in and out of the reviews so far."""
        usages = [each.provenance.usage for each in self.reviews.values() if not each.reused_from_run_id]
        return sum(each.input_tokens for each in usages), sum(each.output_tokens for each in usages)

    def elapsed_seconds(self, now: datetime | None = None) -> float | None:
        """How long the run has taken, by its events; `now` counts while it goes on. None before any."""
        if self.began is None or self.latest is None:
            return None
        end = self.latest if now is None or self.is_over else max(now, self.latest)
        return (end - self.began).total_seconds()

    def take(self, event: run_event_pb2.RunEvent) -> None:
        """Moves on by one event; kinds of a newer server change nothing but the sequence."""
        self.run_id = event.run_id
        self.is_partial = self.is_partial or event.sequence != self.last_sequence + 1
        self.last_sequence = event.sequence
        self.latest = text.moment(event.event_time)
        self.began = self.began or self.latest
        self.panel.take(event)
        self.suspicions = distinct([*self.suspicions, *suspicions_of(event)])
        match event.WhichOneof("payload"):
            case "step_started":
                self._begin(event.step_started.step, text.moment(event.event_time))
            case "step_completed":
                done = event.step_completed
                self._end(done.step, Phase.DONE, done.attempt_count, event)
            case "step_skipped":
                self._end(event.step_skipped.step, Phase.SKIPPED, 0, event)
            case "step_failed":
                failed = event.step_failed
                line = self._end(failed.step, Phase.GAVE_UP, failed.attempt_count, event)
                line.note = reason(failed.failure.reason)
            case "attempt_failed":
                self._attempt_failed(event.attempt_failed, text.moment(event.event_time))
            case _:
                self._take_result(event)

    def _take_result(self, event: run_event_pb2.RunEvent) -> None:
        match event.WhichOneof("payload"):
            case "proposal_ready":
                self.title = text.clean(event.proposal_ready.proposal.title)
                self._note_stale(event.proposal_ready.proposal)
            case "persona_review_ready":
                self._reviewed(event.persona_review_ready)
            case "decision_ready":
                self._decided(event.decision_ready.decision)
            case "run_resumed":
                self.is_over, self.failure = False, None
            case "run_completed" | "run_cancelled":
                self.is_over = True
            case "run_failed":
                self.is_over, self.failure = True, event.run_failed.failure

    def _line(self, step: str) -> Line:
        return self.lines.setdefault(step, Line(step, label(step), most_attempts=self.most_attempts))

    def _begin(self, step: str, when: datetime) -> None:
        line = self._line(step)
        line.phase, line.started, line.seconds, line.note = Phase.WORKING, when, None, ""
        line.again = None
        line.attempt_count = 0 if step == AGGREGATE else 1

    def _end(self, step: str, phase: Phase, attempt_count: int, event: run_event_pb2.RunEvent) -> Line:
        line = self._line(step)
        line.phase = phase
        line.attempt_count = attempt_count
        line.again = None
        if line.started is not None:
            line.seconds = (text.moment(event.event_time) - line.started).total_seconds()
        if line.score is None:
            line.note = ""
        return line

    def _attempt_failed(self, failed: run_event_pb2.AttemptFailed, at: datetime) -> None:
        line = self._line(failed.step)
        line.note = reason(failed.reason)
        line.again = None
        if failed.route:
            line.note += f" on route {text.clean(failed.route)}"
        if failed.fallback_route:
            line.attempt_count = failed.attempt_number + 1
            line.note += f", now on fallback route {text.clean(failed.fallback_route)}"
        elif failed.HasField("retry_delay"):
            line.attempt_count = failed.attempt_number + 1
            line.again_seconds = text.seconds(failed.retry_delay)
            line.again = at + timedelta(seconds=line.again_seconds)

    def _decided(self, decision: decision_pb2.Decision) -> None:
        """Takes the decision, which alone says for certain who used a veto."""
        self.decision = decision
        vetoed = [
            rule.data.get("persona_id", "")
            for rule in decision.fired_rules
            if rule.rule == decision_pb2.DECISION_RULE_SECURITY_VETO
        ]
        for persona_id in filter(None, vetoed):
            if review := self.reviews.get(persona_id):
                self._describe(review, is_veto=True)

    def _reviewed(self, ready: run_event_pb2.PersonaReviewReady) -> None:
        review = ready.persona_review
        self.reviews[review.persona_id] = review
        self._describe(review)
        if review.reused_from_run_id:
            self.carried.append(review)

    def _describe(self, review: panel_pb2.PersonaReview, *, is_veto: bool = False) -> None:
        """Says of a review what it comes to."""
        line = self._line(review_step(review.persona_id))
        line.label = text.clean(review.persona_name) or line.label
        line.score = review.confidence_score
        blocking = supported(review.blocking_issues)
        if is_veto or (review.security_critical_issues_present and review.persona_id in self._veto_holders):
            line.objection = Objection.VETOES
        elif blocking:
            line.objection = Objection.BLOCKS
        line.note = ", ".join(review_words(review, line.objection))

    def _note_stale(self, proposal: proposal_pb2.Proposal) -> None:
        """Says what the personas of carried-over reviews did not read, where the events tell it."""
        known = [review for review in self.carried if _has_read_a_proposal(review)]
        mark_stale(known, run_pb2.RunSpecification(), proposal)
        for review in known:
            self._describe(review)


def review_words(review: panel_pb2.PersonaReview, objection: Objection = Objection.NONE) -> Iterator[str]:
    """What it comes to beside its score, what decides first."""
    if objection is Objection.VETOES:
        yield objection.value
    if blocking := supported(review.blocking_issues):
        yield f"{len(blocking)} blocking"
    if review.security_critical_issues_present:
        yield "security-critical"
    if review.concerns:
        yield text.count(len(review.concerns), "concern")
    entries: list[panel_pb2.Concern | panel_pb2.BlockingIssue] = [*review.concerns, *review.blocking_issues]
    if quoted := sum(len(each.quotations) for each in entries):
        yield text.count(quoted, "quotation")
    if missed := sum(each.unsupported for each in entries):
        yield f"{UNSUPPORTED_MARK} {missed} {UNSUPPORTED}"
    if fell_back(review.provenance):
        yield f"fallback: {text.clean(review.provenance.answered_model)}"
    if review.reused_from_run_id:
        yield "carried over"
    if words := stale_words(review.stale_sections):
        yield words


def _has_read_a_proposal(review: panel_pb2.PersonaReview) -> bool:
    """Whether the events tell what the persona read, and that it was no document."""
    names = {each.section for each in review.section_digests}
    return bool(names) and names <= set(FIELDS)


def label(step: str) -> str:
    """A step's name for people."""
    persona_id = persona_of_step(step)
    if persona_id is not None:
        return text.persona_name(persona_id)
    return {EXPAND: "Expand the idea", AGGREGATE: "Decide"}.get(step, text.clean(step))
