"""`consensus bench decisions`: how good rules of decision are where the truth is known."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from consensus_cli.arguments.fitting import fitting_needed, price
from consensus_cli.execution.printing import say
from consensus_cli.view import fits as view

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
_TARGET = Decimal("0.15")
_SELECTION_LABELS = 300


@app.command()
def decisions(
    votes: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", exists=True, help="Tables of real votes: CSV files, or one.", show_default=False
        ),
    ] = None,
    labels: Annotated[
        int, typer.Option(min=30, max=100_000, help="Outcomes that rules are fitted on.")
    ] = 100,
    splits: Annotated[int, typer.Option(min=2, max=1000, help="How often they are drawn.")] = 40,
    cost: Annotated[
        list[Decimal] | None,
        typer.Option(
            parser=price,
            metavar="NUMBER",
            help="Of a false approval; may be given several times.  [default: 2, 5]",
            show_default=False,
        ),
    ] = None,
    by_item: Annotated[
        bool, typer.Option("--by-item", help="Rows of one item stay on one side: the stricter reading.")
    ] = False,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write plots there, as SVG.", show_default=False)
    ] = None,
) -> None:
    """Compare every rule with the constant answer, the best single reviewer and the exact limit.

    Without --votes on synthetic panels with known truth; with it on tables of real votes, beside which each
    rule is fitted on some rows and measured on the others. A missed approval costs 1. Needs the extra [fit].
    """
    fitting_needed()
    costs = cost or [Decimal(2), Decimal(5)]
    if votes is None:
        _synthetic(labels, splits, costs)
        return
    files = sorted(votes.glob("*.csv")) if votes.is_dir() else [votes]
    if not files:
        raise typer.BadParameter(f"no CSV files in {str(votes)!r}", param_hint="--votes")
    for file in files:
        _table(file, labels, splits, costs, by_item, plots)


def _synthetic(labels: int, splits: int, costs: list[Decimal]) -> None:
    from consensus_decision.policy import LossMatrix
    from consensus_fitting.synthetic import run_scenario, scenarios

    listed = list(scenarios())
    with _progress() as progress:
        task = progress.add_task("synthetic panels", total=len(listed) * splits * len(costs))
        for each_cost in costs:
            loss = LossMatrix.of_false_approval(each_cost)
            rows = [
                run_scenario(each, labels, splits, loss, lambda: progress.advance(task)) for each in listed
            ]
            say(*view.scenario_lines(rows, labels, each_cost), "")


def _table(
    file: Path, labels: int, splits: int, costs: list[Decimal], by_item: bool, plots: Path | None
) -> None:
    from consensus_fitting.bench import compare, select
    from consensus_fitting.correlation import effective_share
    from consensus_fitting.tables import TableError, read_table

    try:
        table = read_table(file)
    except TableError as error:
        raise typer.BadParameter(str(error), param_hint="--votes") from error
    if len(table) < 2 * labels:
        raise typer.BadParameter(
            f"{file.name} has {len(table)} rows; {labels} to fit on and as many to measure on are needed",
            param_hint="--labels",
        )
    effective = effective_share(table) * len(table.personas)
    say(
        f"{file.name}: {len(table)} rows, {len(table.personas)} reviewers, approve right for"
        f" {table.right_approvals.mean():.3f}, effective votes {effective:.2f};"
        f" {labels} labels, means over {splits} splits" + (" by item" if by_item else "")
    )
    with _progress() as progress:
        task = progress.add_task(file.name, total=splits)
        found = compare(
            table, labels, splits, costs, by_group=by_item, on_split=lambda _: progress.advance(task)
        )
    for each_cost, rows in found.items():
        say("", *view.comparison_lines(rows, each_cost))
    if len(table) >= 2 * _SELECTION_LABELS:
        with _progress() as progress:
            task = progress.add_task("selective", total=splits)
            row = select(table, _SELECTION_LABELS, splits, _TARGET, on_split=lambda _: progress.advance(task))
        say("", view.selection_line(row, _SELECTION_LABELS, _TARGET))
    say("")
    if plots is not None:
        _plots(file, splits, costs[0], plots)


def _plots(file: Path, splits: int, cost: Decimal, folder: Path) -> None:
    from consensus_decision.policy import Strategy
    from consensus_fitting.bench import compare
    from consensus_fitting.cross_validation import cross_validated
    from consensus_fitting.measures import reliability
    from consensus_fitting.plots import label_counts, plot_learning, plot_reliability
    from consensus_fitting.tables import read_table

    table = read_table(file)
    curves = {}
    for strategy in (Strategy.LOGISTIC_SCORES, Strategy.LOG_ODDS_TEMPERED):
        posteriors = cross_validated(strategy, table).posteriors
        if posteriors is not None:
            curves[str(strategy)] = reliability(posteriors[:, 0], table.right_approvals)
    plot_reliability(curves, file.stem, folder / f"{file.stem}.reliability.svg")
    learning: dict[str, list[tuple[int, float]]] = {}
    counts = label_counts(table)
    with _progress() as progress:
        task = progress.add_task("cost against labels", total=len(counts))
        for count in counts:
            for row in compare(table, count, max(2, splits // 4), [cost])[cost]:
                learning.setdefault(row.rule, []).append((count, row.measures.cost))
            progress.advance(task)
    plot_learning(learning, f"{file.stem}, a false approval costs {cost}", folder / f"{file.stem}.cost.svg")
    say(f"plots: {folder}")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="bench", help="Measure rules of decision where the truth is known.")
