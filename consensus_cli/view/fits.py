"""How fitted policies, and comparisons of rules, are told in text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from consensus_cli.view.tables import pairs, table
from consensus_decision.labels import label_name
from consensus_decision.policy import LogOddsParameters

if TYPE_CHECKING:  # some need the extra [fit]
    from collections.abc import Sequence
    from decimal import Decimal

    from consensus_fitting.bench import RuleRow, SelectionRow
    from consensus_fitting.measures import Measures, Saving
    from consensus_fitting.report import FitReport
    from consensus_fitting.synthetic import ScenarioRow

_NUMBERS = frozenset(range(1, 12))


def report_lines(report: FitReport, rows: Sequence[str] = ()) -> list[str]:
    """A fit, told whole; `rows` names what was judged, where it has names."""
    policy, single = (
        report.policy,
        f"{report.best_single}, by itself right {_percent(report.best_single_accuracy)}",
    )
    lines = pairs(
        [
            ("strategy", str(policy.strategy)),
            ("labels", f"{report.labels}, approve was right for {_percent(report.base_rate)}"),
            ("errors alike", "nobody can tell" if report.rho is None else f"rho {report.rho:.3f}"),
            ("effective votes", f"{report.effective_votes:.2f}"),
            ("temperature", _temperature(report)),
            ("best single", single),
            (
                "constant answer",
                f"right {_percent(report.constant_accuracy)}, cost {report.constant_cost:.3f}",
            ),
            ("stands alone", "" if report.coverage is None else _alone(report)),
        ]
    )
    names = {
        "accuracy": "accuracy", "cost": "cost", "over_confidence": "over-confidence",
        "calibration_error": "calibration error", "brier": "Brier score", "log_loss": "log loss",
    }  # fmt: skip
    measured = [
        (shown, f"{getattr(report.measures, name):.3f}", "{:.3f} to {:.3f}".format(*report.intervals[name]))
        for name, shown in names.items()
    ]
    title = f"on rows not seen, {report.folds} folds"
    lines += ["", *table((title, "", "95 %"), measured, right=frozenset({1, 2}))]
    if report.worst:
        worst = [
            (
                rows[miss.row] if rows else f"row {miss.row + 1}",
                label_name(miss.decided),  # type: ignore[arg-type]
                label_name(miss.right),  # type: ignore[arg-type]
                f"{miss.confidence:.3f}",
            )
            for miss in report.worst
        ]
        lines += ["", *table(("worst misses", "decided", "right", "sure"), worst, right=frozenset({3}))]
    price = policy.loss.costs[0][2]
    return [*lines, "", *saving_lines(report.saving, price)]


def _temperature(report: FitReport) -> str:
    parameters = report.policy.parameters
    return str(parameters.temperature) if isinstance(parameters, LogOddsParameters) else ""


def _alone(report: FitReport) -> str:
    selection = report.policy.selection
    if selection is None or selection.least_posterior is None:
        return (
            f"no decision: these outcomes bear out no error of {selection and selection.target_error} at most"
        )
    return (
        f"{_percent(report.coverage or 0.0)} of decisions, those with a posterior of"
        f" {selection.least_posterior} or more, at an error of {selection.target_error} at most"
    )


def saving_lines(saving: Saving, price: Decimal) -> list[str]:
    """Whether it pays to approve at all."""
    told = f"Beside never approving it saves {saving.saved:+.3f} a decision"
    error = f"standard error {saving.standard_error:.3f}"
    if saving.is_shown:
        return [f"{told} ({error}), where a false approval costs {price}."]
    return [
        f"{told}, where a false approval costs {price}: with a {error} not shown to be more than nothing.",
        "This panel carries too little to approve on at that price; never approve, or collect more outcomes.",
    ]


def comparison_lines(rows: Sequence[RuleRow], price: Decimal) -> list[str]:
    """Every rule at one cost of a false approval."""
    header = (
        f"a false approval costs {price}", "accuracy", "Brier", "log loss", "over-conf.", "calib. error",
        "cost", "approved", "saves", "error of it",
    )  # fmt: skip
    lines = table(header, [(row.rule, *_cells(row.measures), *_saving(row)) for row in rows], right=_NUMBERS)
    best = max(rows, key=lambda row: row.saving.saved)
    shown = ", ".join(row.rule for row in rows if row.saving.is_shown)
    if shown:
        return [*lines, f"Shown to cost less than never approving: {shown}."]
    saving = f"{best.saving.saved:+.3f} with a standard error of {best.saving.standard_error:.3f}"
    notice = f"No rule is shown to cost less than never approving (the best, {best.rule}, saves {saving}):"
    return [*lines, notice, f"this panel carries too little to approve on at a price of {price}."]


def _saving(row: RuleRow) -> tuple[str, str]:
    return f"{row.saving.saved:+.3f}", f"{row.saving.standard_error:.3f}"


def _cells(measures: Measures) -> list[str]:
    return [
        _number(measures.accuracy), _number(measures.brier), _number(measures.log_loss),
        _number(measures.over_confidence, "+"), _number(measures.calibration_error), _number(measures.cost),
        _number(measures.approved),
    ]  # fmt: skip


def _number(value: float, sign: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:{sign}.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def selection_line(row: SelectionRow, labels: int, target: Decimal) -> str:
    """How decisions that stand alone did."""
    alone = f"{_percent(row.coverage)} of decisions stand alone, {_percent(row.error)} of them wrong"
    promise = f"the bound was broken in {_percent(row.broken)} of the trials"
    return f"selective, {labels} labels, error {target} at most: {alone}; {promise}"


def scenario_lines(rows: Sequence[ScenarioRow], labels: int, price: Decimal) -> list[str]:
    """Costs on synthetic panels beside the exact limit."""
    rules = list(rows[0].costs)
    header = (f"{labels} labels, price {price}", "limit", "never", *rules)
    body = [
        (
            row.scenario.name, f"{row.limit:.3f}", f"{row.never:.3f}",
            *(f"{row.costs[rule]:.3f}" for rule in rules),
        )
        for row in rows
    ]  # fmt: skip
    return table(header, body, right=_NUMBERS)
