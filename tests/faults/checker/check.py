"""All rules applied to what a case left, and the table that says what was found."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults.checker import payment_rules, rules
from tests.faults.checker.evidence import Evidence

Rule = Callable[[Evidence], Iterator[str]]

RULES: tuple[Rule, ...] = (
    rules.acked_is_stored,
    rules.streams_have_no_gap,
    rules.sequences_are_gapless,
    rules.each_change_has_one_entry,
    rules.states_follow_the_journal,
    rules.at_most_one_decision,
    rules.decisions_recompute,
    rules.every_run_ends,
    rules.no_lease_is_overdue,
    rules.chains_verify,
    rules.one_run_per_key,
    rules.no_canary_gets_out,
    payment_rules.calls_are_recorded_first,
    payment_rules.results_have_one_good_attempt,
    payment_rules.finished_steps_are_paid_once,
    payment_rules.no_attempt_is_left_open,
)


def violations(evidence: Evidence) -> list[str]:
    """What breaks a rule, a sentence each, with the rule's name."""
    return [f"{rule.__name__}: {found}" for rule in RULES for found in rule(evidence)]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a case came to, in numbers."""

    runs: int
    events: int
    take_overs: int
    model_calls: int
    double_paid_attempts: int
    outcomes: Mapping[str, int]
    violations: int


def figures(evidence: Evidence) -> Figures:
    """Counts over the evidence."""
    snapshot = evidence.snapshot
    states = [run["state"] for run in snapshot.runs.values()]
    return Figures(
        runs=len(snapshot.runs),
        events=sum(map(len, snapshot.entries.values())),
        take_overs=sum(run["take_over_count"] for run in snapshot.runs.values()),
        model_calls=sum(call.started for call in evidence.calls),
        double_paid_attempts=payment_rules.double_paid(evidence),
        outcomes={state: states.count(state) for state in sorted(set(states))},
        violations=len(violations(evidence)),
    )
