"""`consensus policy`: fit policies on outcomes, check them, and keep them in the service."""

import json as json_format
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from consensus_cli.arguments.fitting import fitting_needed, price, share
from consensus_cli.execution import exits
from consensus_cli.execution.printing import complain, say
from consensus_cli.view import fits as view
from consensus_decision.policy import DEFAULT, LossMatrix, Policy, Strategy
from consensus_decision.policy_content import policy_content, policy_digest
from consensus_decision.policy_reading import PolicyRefusedError, policy_of_content

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

_MAX_BYTES = 1_000_000
File = Annotated[Path, typer.Argument(metavar="FILE", help="A policy as JSON.", exists=True, dir_okay=False)]


@app.command("init")
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.", dir_okay=False)],
) -> None:
    """Write the built-in policy as a file, to be edited."""
    _write(DEFAULT, file)
    say(f"wrote {file}")


@app.command("lint")
def lint(file: File) -> None:
    """Say what is wrong with a policy; exit 1 if anything is. No server is needed."""
    try:
        policy = policy_of_content(_content(file))
    except PolicyRefusedError as refused:
        say(*(f"{each.field}: {each.description}" for each in refused.violations))
        raise typer.Exit(exits.FAILED) from refused
    say(f"{policy.strategy}, revision {policy_digest(policy)[:12]}: nothing to say")


@app.command("fit")
def fit(
    strategy: Annotated[
        Strategy, typer.Option(help="How scores become a label.")
    ] = Strategy.LOG_ODDS_TEMPERED,
    votes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="A table of votes, CSV.", show_default=False
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="The policy whose thresholds, vetoes and costs it keeps; the built-in one else.",
        ),
    ] = None,
    cost: Annotated[
        Decimal | None,
        typer.Option(
            parser=price,
            metavar="NUMBER",
            show_default=False,
            help="What a false approval costs, where every other wrong label costs 1.",
        ),
    ] = None,
    target_error: Annotated[
        Decimal | None,
        typer.Option(
            parser=share,
            metavar="SHARE",
            show_default=False,
            help="Find out which decisions may stand alone at this error.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the policy there.", show_default=False),
    ] = None,
) -> None:
    """Fit a policy on outcomes, and say how good it is on outcomes that it has not seen.

    Refuses fewer than 30 outcomes. Needs the extra [fit].
    """
    fitting_needed()
    from consensus_fitting.fitting import TooFewLabelsError
    from consensus_fitting.report import fit_and_report
    from consensus_fitting.tables import TableError, read_table

    start = _policy(base) if base is not None else DEFAULT
    if cost is not None:
        start = _priced(start, cost)
    if votes is None:
        raise typer.BadParameter("name a table of votes", param_hint="--votes")
    try:
        report = fit_and_report(strategy, read_table(votes), start, target_error=target_error)
    except (TableError, TooFewLabelsError) as error:
        raise typer.BadParameter(str(error), param_hint="--votes") from error
    say(*view.report_lines(report))
    if output is not None:
        _write(report.policy, output)
        complain(f"wrote {output}")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="policy", help="Fit, lint, put and list policies of decision.")


def _priced(policy: Policy, cost: Decimal) -> Policy:
    return replace(policy, loss=LossMatrix.of_false_approval(cost))


def _policy(file: Path) -> Policy:
    try:
        return policy_of_content(_content(file))
    except PolicyRefusedError as refused:
        raise typer.BadParameter(f"{file.name}: {refused}") from refused


def _content(file: Path) -> object:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise typer.BadParameter(f"{file.name} has more than {_MAX_BYTES} bytes")
        return json_format.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{file.name} is no JSON: {error}") from error


def _write(policy: Policy, file: Path) -> None:
    try:
        file.write_text(json_format.dumps(policy_content(policy), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"cannot write {str(file)!r}: {error.strerror or error}") from error
