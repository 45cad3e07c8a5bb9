"""Commands that delete, and that take a deletion back."""

from typing import Annotated

import typer

from consensus_cli.arguments import options
from consensus_cli.execution import run_names
from consensus_cli.execution.printing import complain, say, say_json
from consensus_cli.execution.session import CommandSession
from consensus_client import ReviewClient
from consensus_report import text


def delete(
    run_id: run_names.RunId,
    idempotency_key: options.Key = None,
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Delete a run that has ended. Deleting it twice changes nothing."""
    session = CommandSession(server)

    async def change(client: ReviewClient) -> None:
        run = await client.delete_run(run_id, idempotency_key=idempotency_key)
        if json:
            say_json(run)
            return
        until = f" until {text.instant(run.purge_time)}" if run.HasField("purge_time") else ""
        say(f"run {run.run_id} deleted")
        complain(f"it can be restored{until}: {session.command('undelete', text.clean(run.run_id))}")

    session.run(change)


def undelete(
    run_id: run_names.OptionalRunId = None,
    deletion: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Restore all that went with this deletion, instead.", show_default=False
        ),
    ] = None,
    idempotency_key: options.Key = None,
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Restore a deleted run, or a person's data."""
    if (run_id is None) == (deletion is None):
        raise typer.BadParameter("give either a run or --deletion")

    async def restore_run(client: ReviewClient) -> None:
        run = await client.undelete_run(run_id or "", idempotency_key=idempotency_key)
        if json:
            say_json(run)
        else:
            say(f"run {run.run_id} stands")

    async def restore_data(client: ReviewClient) -> None:
        answer = await client.undelete_user_data(deletion or "", idempotency_key=idempotency_key)
        if json:
            say_json(answer)
        else:
            say(f"restored: {_counts(answer.run_count, answer.draft_count, answer.metric_count)}")

    CommandSession(server).run(restore_run if deletion is None else restore_data)


def delete_user_data(
    user: Annotated[str, typer.Argument(metavar="USER", help="The person's id.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    idempotency_key: options.Key = None,
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Delete a person's runs, drafts and metrics.

    All as one deletion, or nothing while one of the runs has not ended. What the person wrote in others'
    drafts stays.
    """
    session = CommandSession(server)
    if not yes:
        question = f"Delete all runs, drafts and metrics of {text.clean(user)!r}?"
        typer.confirm(question, abort=True, err=True)

    async def change(client: ReviewClient) -> None:
        answer = await client.delete_user_data(user, idempotency_key=idempotency_key)
        if json:
            say_json(answer)
            return
        say(f"deleted: {_counts(answer.run_count, answer.draft_count, answer.metric_count)}")
        if answer.deletion_id:
            complain(f"to restore: {session.command('undelete', '--deletion', answer.deletion_id)}")

    session.run(change)


def register(app: typer.Typer) -> None:
    for command in (delete, undelete, delete_user_data):
        app.command()(command)


def _counts(runs: int, drafts: int, metrics: int) -> str:
    return ", ".join([text.count(runs, "run"), text.count(drafts, "draft"), text.count(metrics, "metric")])
