"""`outcome`, `explain` and `scorecard`: what was right, how decisions come about, and who was right."""

from enum import StrEnum
from typing import Annotated

import typer

from consensus.v1 import decision_pb2, decision_service_pb2
from consensus_cli.arguments import options, run_filter
from consensus_cli.arguments.fitting import fitting_needed
from consensus_cli.execution import run_names
from consensus_cli.execution.labelled_runs import kinds_of, labelled_runs, votes_of
from consensus_cli.execution.printing import say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view import decisions as view
from consensus_client import DecisionClient, ReviewClient
from consensus_decision.policy import DEFAULT

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


class LabelChoice(StrEnum):
    """What would have been right."""

    APPROVE = "approve"
    REVISE = "revise"
    REJECT = "reject"


@app.command()
def record(
    run_id: run_names.RunId,
    label: Annotated[LabelChoice, typer.Argument(metavar="LABEL", help="approve, revise or reject.")],
    source: Annotated[str, typer.Option(metavar="WORD", help="Where it is known from.")] = "person",
    reliability: Annotated[float, typer.Option(min=0, max=1, metavar="0..1", help="How sure it is.")] = 1.0,
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="What is to be said of it.", show_default=False)
    ] = "",
    user: Annotated[
        str, typer.Option(metavar="ID", help="For whom it is recorded.", show_default=False)
    ] = "",
    idempotency_key: options.Key = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Record what turned out to be right about a run."""
    outcome = decision_service_pb2.Outcome(
        run_id=run_id,
        label=decision_pb2.DecisionLabel.Value(f"DECISION_LABEL_{label.upper()}"),
        source=source,
        reliability=reliability,
        note=note,
        user=user,
    )

    async def write(client: DecisionClient) -> None:
        recorded = await client.record_outcome(outcome, idempotency_key=idempotency_key)
        if json:
            say_json(recorded)
        else:
            say(f"recorded {label} for {run_id}")

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, write)


@app.command("list")
def list_outcomes(
    run_id: Annotated[
        str, typer.Argument(metavar="[RUN]", callback=run_names.resolve, help="Of this run.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print each as a line of protobuf JSON.")] = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List outcomes, newest first."""

    async def read(client: DecisionClient) -> None:
        found = [outcome async for outcome in client.list_outcomes(run_id)]
        if json:
            for each in found:
                say_json(each)
        else:
            say(*view.outcome_lines(found) if found else ["no outcomes"])

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, read)


def explain(
    run_id: run_names.RunId,
    policy: Annotated[
        str, typer.Option(metavar="NAME[@REVISION]", help="Under this policy.", show_default=False)
    ] = "",
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Explain a decision step by step, with its numbers."""

    async def read(client: DecisionClient) -> None:
        answer = await client.explain(run_id, policy)
        if json:
            say_json(answer)
        else:
            say(*view.explanation_lines(answer))

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, read)


def scorecard(
    user: run_filter.User = "",
    created_from: run_filter.CreatedFrom = None,
    created_to: run_filter.CreatedTo = None,
    server: options.Server = options.DEFAULT_SERVER,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Say how each persona did against outcomes. Needs the extra [fit]."""
    fitting_needed()
    query = run_filter.query_of(user, created_from, created_to)

    async def read(client: DecisionClient) -> None:
        import numpy as np

        from consensus_fitting.from_runs import table_of
        from consensus_fitting.scorecard import scorecard as scores_of

        labelled = await labelled_runs(client, query.message())
        if not labelled:
            say("no run with a decision and an outcome")
            return
        async with ReviewClient(CommandSession(server).server) as reviews:
            texts = {run.run_id: run.specification async for run in reviews.export_runs(query)}
        votes = votes_of(labelled)
        table, _ = table_of(votes, DEFAULT)
        decided = {each.run.run_id: each.run.label for each in labelled}
        run_ids = [each.run_id for each in votes]
        labels = np.array([decided[run_id] for run_id in run_ids])
        say(*view.scorecard_lines(scores_of(table, labels, kinds_of(run_ids, texts))))

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, read)


def register(parent: typer.Typer) -> None:
    parent.command()(explain)
    parent.add_typer(app, name="outcome", help="Record and list what turned out to be right.")
    parent.command()(scorecard)
