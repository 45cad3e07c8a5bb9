"""`consensus policy`: fit policies on outcomes, check them, and keep them in the service."""

import json as json_format
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from consensus_cli.arguments import options, run_filter
from consensus_cli.arguments.fitting import fitting_needed, price, share
from consensus_cli.execution import exits
from consensus_cli.execution.labelled_runs import LabelledRun, labelled_runs, votes_of
from consensus_cli.execution.printing import complain, say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view import decisions
from consensus_cli.view import fits as view
from consensus_client import DecisionClient, PolicyClient
from consensus_decision.policies import policy_message
from consensus_decision.policy import DEFAULT, LossMatrix, Policy, Strategy
from consensus_decision.policy_content import policy_content, policy_digest
from consensus_decision.policy_fields import PolicyRefusedError
from consensus_decision.policy_reading import content_of_json, policy_of_content, policy_of_json

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME[@REVISION]", help="A policy, perhaps in a revision.", show_default=False),
]
Id = Annotated[str, typer.Argument(metavar="NAME", help="The policy's id.", show_default=False)]

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


@app.command()
def put(
    name: Id,
    file: File,
    idempotency_key: options.Key = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Store the policy of a file under a name, as its current revision."""
    policy = policy_message(name, _policy(file))

    async def store(client: PolicyClient) -> None:
        answer = await client.put(policy, idempotency_key=idempotency_key)
        if json:
            say_json(answer)
        else:
            say(f"{'put' if answer.created else 'unchanged'} {name}@{answer.policy.revision}")

    CommandSession(persistence, PERSISTENCE).run_with(PolicyClient, store)


@app.command()
def show(
    name: Name,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write it as a file.", show_default=False),
    ] = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Show a policy as JSON."""
    policy_id, _, revision = name.partition("@")

    async def read(client: PolicyClient) -> None:
        policy = policy_of_json((await client.get(policy_id, revision)).content)
        if output is not None:
            _write(policy, output)
            say(f"wrote {output}")
        else:
            say(json_format.dumps(policy_content(policy), indent=2))

    CommandSession(persistence, PERSISTENCE).run_with(PolicyClient, read)


@app.command("list")
def list_policies(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="List this policy's revisions.")] = "",
    page_size: Annotated[int, typer.Option(min=1, max=100, metavar="1..100", help="Rows per page.")] = 30,
    page_token: Annotated[
        str, typer.Option(metavar="TOKEN", help="Where the page before ended.", show_default=False)
    ] = "",
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List policies by name, or the revisions of one, newest first."""

    async def read(client: PolicyClient) -> None:
        page = await client.list_page(name, page_size=page_size, page_token=page_token)
        if json:
            say_json(page)
            return
        say(*decisions.policy_lines(page.policies) if page.policies else ["no policies"])
        if page.next_page_token:
            complain(f"more: the same command with --page-token {page.next_page_token}")

    CommandSession(persistence, PERSISTENCE).run_with(PolicyClient, read)


@app.command("what-if")
def what_if(
    name: Name,
    user: run_filter.User = "",
    created_from: run_filter.CreatedFrom = None,
    created_to: run_filter.CreatedTo = None,
    json: Annotated[bool, typer.Option("--json", help="Print each run as a line of protobuf JSON.")] = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Decide stored runs again under a policy; no model is asked, and nothing is stored."""
    wanted = run_filter.filter_of(user, created_from, created_to)

    async def read(client: DecisionClient) -> None:
        if json:
            async for run in client.reaggregate(name, wanted):
                say_json(run)
            return
        runs = [run async for run in client.reaggregate(name, wanted)]
        right = {each.run.run_id: each.outcome.label for each in await labelled_runs(client, wanted)}
        say(*decisions.what_if_lines(runs, right) if runs else ["no decided run"])

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, read)


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
    from_runs: Annotated[
        bool, typer.Option("--from-runs", help="Fit on stored runs of which the outcome is known.")
    ] = False,
    user: run_filter.User = "",
    created_from: run_filter.CreatedFrom = None,
    created_to: run_filter.CreatedTo = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the policy there.", show_default=False),
    ] = None,
    put_as: Annotated[
        str, typer.Option("--put", metavar="NAME", help="Store it under this name.", show_default=False)
    ] = "",
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Fit a policy on outcomes, and say how good it is on outcomes that it has not seen.

    Refuses fewer than 30 outcomes. Needs the extra [fit].
    """
    fitting_needed()
    if (votes is None) != from_runs:
        raise typer.BadParameter(
            "name a table of votes, or take --from-runs: one of them", param_hint="--votes"
        )
    start = _policy(base) if base is not None else DEFAULT
    if cost is not None:
        start = replace(start, loss=LossMatrix.of_false_approval(cost))
    session = CommandSession(persistence, PERSISTENCE)
    if votes is not None:
        policy = _fitted_on_table(votes, strategy, start, target_error)
        _keep(policy, output)
        if put_as:
            session.run_with(PolicyClient, lambda client: _put(client, put_as, policy))
        return
    wanted = run_filter.filter_of(user, created_from, created_to)

    async def fit_runs(client: DecisionClient) -> None:
        policy = _fitted_on_runs(await labelled_runs(client, wanted), strategy, start, target_error)
        _keep(policy, output)
        if put_as:
            async with PolicyClient(session.server) as policies:
                await _put(policies, put_as, policy)

    session.run_with(DecisionClient, fit_runs)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="policy", help="Fit, lint, put and list policies of decision.")


def _fitted_on_table(file: Path, strategy: Strategy, base: Policy, target_error: Decimal | None) -> Policy:
    from consensus_fitting.fitting import TooFewLabelsError
    from consensus_fitting.report import fit_and_report
    from consensus_fitting.tables import TableError, read_table

    try:
        report = fit_and_report(strategy, read_table(file), base, target_error=target_error)
    except (TableError, TooFewLabelsError, PolicyRefusedError) as error:
        raise typer.BadParameter(str(error), param_hint="--votes") from error
    say(*view.report_lines(report))
    return report.policy


def _fitted_on_runs(
    labelled: Sequence[LabelledRun], strategy: Strategy, base: Policy, target_error: Decimal | None
) -> Policy:
    from consensus_fitting.fitting import TooFewLabelsError
    from consensus_fitting.from_runs import table_of
    from consensus_fitting.report import fit_and_report

    runs = votes_of(labelled)
    table, weights = table_of(runs, base)
    try:
        report = fit_and_report(strategy, table, base, weights, target_error)
    except (TooFewLabelsError, PolicyRefusedError) as error:
        raise typer.BadParameter(str(error), param_hint="--from-runs") from error
    say(*view.report_lines(report, [run.run_id for run in runs]))
    return report.policy


def _keep(policy: Policy, output: Path | None) -> None:
    if output is not None:
        _write(policy, output)
        complain(f"wrote {output}")


async def _put(client: PolicyClient, name: str, policy: Policy) -> None:
    answer = await client.put(policy_message(name, policy))
    say("", f"put {name}@{answer.policy.revision}")


def _policy(file: Path) -> Policy:
    try:
        return policy_of_content(_content(file))
    except PolicyRefusedError as refused:
        raise typer.BadParameter(f"{file.name}: {refused}") from refused


def _content(file: Path) -> object:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise typer.BadParameter(f"{file.name} has more than {_MAX_BYTES} bytes")
        return content_of_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file.name} is no JSON: {error}") from error


def _write(policy: Policy, file: Path) -> None:
    try:
        file.write_text(json_format.dumps(policy_content(policy), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"cannot write {str(file)!r}: {error.strerror or error}") from error
