"""Commands that change something or ask the model once: cancel, annotate, expand."""

from typing import Annotated

import typer

from consensus_cli.arguments import inputs, options
from consensus_cli.execution import run_names
from consensus_cli.execution.printing import complain, say, say_blocks, say_json
from consensus_cli.execution.session import CommandSession
from consensus_cli.view.outcome import decision_blocks
from consensus_cli.view.run import proposal_blocks, state
from consensus_client import ReviewClient
from consensus_report import text


def cancel(
    run_id: run_names.RunId,
    idempotency_key: options.Key = None,
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """End a run that has not ended. Cancelling it twice changes nothing."""

    async def end(client: ReviewClient) -> None:
        run = await client.cancel_run(run_id, idempotency_key=idempotency_key)
        if json:
            say_json(run)
        else:
            say(f"run {run.run_id} {state(run)}")

    CommandSession(server).run(end)


def annotate(
    run_id: run_names.RunId,
    note: Annotated[
        str | None,
        typer.Argument(metavar="[NOTE|@FILE|-]", help="What to note about the decision.", show_default=False),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the note.")] = False,
    idempotency_key: options.Key = None,
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Set or remove the note about a run's decision."""
    if remove == (note is not None):
        raise typer.BadParameter("give either a note or --remove")
    words = "" if note is None else inputs.idea_text(note)

    async def change(client: ReviewClient) -> None:
        run = await client.annotate_decision(run_id, words, idempotency_key=idempotency_key)
        if json:
            say_json(run)
        else:
            say_blocks(decision_blocks(run.decision, run.turnout))

    CommandSession(server).run(change)


def expand(
    idea: options.Idea,
    context: options.Context = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="The model to ask.", show_default=False)] = "",
    temperature: Annotated[
        float | None,
        typer.Option(min=0, max=2, metavar="0..2", help="In hundredths.", show_default=False),
    ] = None,
    no_temperature: options.NoTemperature = False,
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Expand an idea into a proposal, without reviewing it."""
    inputs.refuse_together([("--no-temperature", no_temperature), ("--temperature", temperature is not None)])
    session = CommandSession(server)
    words, more = inputs.idea_text(idea), inputs.context_value(context)
    warmth = inputs.hundredths("--temperature", temperature)

    async def ask(client: ReviewClient) -> None:
        answer = await client.expand_idea(
            words, context=more, model=model, temperature=warmth, omit_temperature=no_temperature
        )
        if json:
            say_json(answer)
            return
        say_blocks([*proposal_blocks(answer.proposal)][1:])
        complain(f"what it took: {session.command('attempts', text.clean(answer.expansion_id))}")

    session.run(ask)


def register(app: typer.Typer) -> None:
    for command in (cancel, annotate, expand):
        app.command()(command)
