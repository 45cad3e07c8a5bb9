"""Commands that only read: show, runs, attempts, personas, info."""

from enum import StrEnum
from typing import Annotated

import typer

from consensus.v1 import decision_pb2, review_service_pb2, run_pb2
from consensus_cli.arguments import inputs, options
from consensus_cli.execution import run_names
from consensus_cli.execution.printing import complain, plain_console, say, say_blocks, say_json, say_rows
from consensus_cli.execution.run_lists import RunList
from consensus_cli.execution.session import CommandSession
from consensus_cli.view.cost import cost_of
from consensus_cli.view.csv_rows import run_csv
from consensus_cli.view.lists import attempt_lines, info_lines, persona_lines, run_lines
from consensus_cli.view.progress import label
from consensus_cli.view.run import run_blocks
from consensus_cli.view.run_table import run_rows
from consensus_client import ReviewClient
from consensus_client.requests import RunQuery
from consensus_report import text


class RunStateChoice(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunTypeChoice(StrEnum):
    """What a run works on."""

    INITIAL = "initial"
    REVISION = "revision"


class DecisionChoice(StrEnum):
    APPROVE = "approve"
    REVISE = "revise"
    REJECT = "reject"


def show(
    run_id: run_names.RunId,
    deleted: options.Deleted = False,
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show a run as it stands, from its idea to its decision."""
    session = CommandSession(server)

    async def read(client: ReviewClient) -> None:
        run = await client.get_run(run_id, show_deleted=deleted)
        if json:
            say_json(run)
            return
        say_blocks(run_blocks(run))
        if not deleted and (attempts := [each async for each in client.attempts(run_id)]):
            say("", cost_of(attempts).sentence())

    session.run(read)


def runs(
    state: Annotated[RunStateChoice | None, typer.Option(help="In this state.", show_default=False)] = None,
    decision: Annotated[
        DecisionChoice | None, typer.Option(help="With this decision.", show_default=False)
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="0..1", help="With at least this confidence.", show_default=False),
    ] = None,
    type_: Annotated[
        RunTypeChoice | None, typer.Option("--type", help="Of this type.", show_default=False)
    ] = None,
    parent: Annotated[
        str,
        typer.Option(
            metavar="RUN", callback=run_names.resolve, help="Revisions of this run.", show_default=False
        ),
    ] = "",
    user: Annotated[
        str, typer.Option(metavar="ID", help="Started for this person.", show_default=False)
    ] = "",
    created_from: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Created then or later: ISO 8601, or a day.", show_default=False),
    ] = None,
    created_to: Annotated[
        str | None, typer.Option(metavar="TIME", help="Created then or earlier.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN", help="Created within it: 45m, 12h, 7d or 2w back from now.", show_default=False
        ),
    ] = None,
    search: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Whose idea, proposal or document's name has it; reads one page after another.",
            show_default=False,
        ),
    ] = "",
    deleted: options.Deleted = False,
    page_size: Annotated[int, typer.Option(min=1, max=100, metavar="1..100", help="Runs per page.")] = 30,
    page_token: Annotated[
        str, typer.Option(metavar="TOKEN", help="Where the page before ended.", show_default=False)
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Print all pages.")] = False,
    export: Annotated[
        bool,
        typer.Option("--export", help="Print all of them whole, each as a line of protobuf JSON."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each run as a line of protobuf JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print them as CSV, for a spreadsheet.")] = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List runs, newest first; all conditions must hold.

    A terminal gets lines that fit it, a pipe whole ids and times.
    """
    paging = [("--all", everything), ("--page-token", bool(page_token)), ("--export", export)]
    inputs.refuse_together(paging)
    inputs.refuse_together([("--export", export), ("--deleted", deleted)])
    inputs.refuse_together([("--export", export), ("--search", bool(search))])
    inputs.refuse_together([("--page-token", bool(page_token)), ("--search", bool(search))])
    inputs.refuse_together([("--export", export), ("--json", json), ("--csv", csv)])
    inputs.refuse_together([("--since", since is not None), ("--created-from", created_from is not None)])
    query = RunQuery(
        state=run_pb2.RunState.Value(f"RUN_STATE_{(state or 'unspecified').upper()}"),
        type=run_pb2.RunType.Value(f"RUN_TYPE_{(type_ or 'unspecified').upper()}"),
        decision=decision_pb2.DecisionLabel.Value(f"DECISION_LABEL_{(decision or 'unspecified').upper()}"),
        min_confidence=min_confidence,
        parent_run_id=parent,
        user=user,
        created_from=inputs.back_from_now(since) or inputs.instant(created_from, is_end=False),
        created_to=inputs.instant(created_to, is_end=True),
    )
    wanted = RunList(
        query=query,
        is_whole=everything,
        page_size=page_size,
        page_token=page_token,
        words=search,
        show_deleted=deleted,
    )
    session = CommandSession(server)

    async def stream(client: ReviewClient) -> None:
        async for run in client.export_runs(query):
            say_json(run)

    async def read(client: ReviewClient) -> None:
        found, more = await wanted.read(client)
        if json:
            for run in found:
                say_json(run)
        elif csv:
            say(*run_csv(found))
        elif found and (console := plain_console()).is_terminal:
            say_rows(run_rows(found, console.width))
        else:
            say(*run_lines(found) if found else ["no runs"])
        if more:
            complain(f"more: the same command with {more}")

    session.run(stream if export else read)


def attempts(
    run_id: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            callback=run_names.resolve,
            help="The id of a run (or its beginning, or last) or of an expansion.",
            show_default=False,
        ),
    ],
    raw: Annotated[bool, typer.Option("--raw", help="Print invalid answers as they came, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each call as a line of protobuf JSON.")] = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List a run's calls to the model.

    Each with what it took and how it ended; the last line has the sums.
    """
    session = CommandSession(server)

    async def read(client: ReviewClient) -> None:
        found = [attempt async for attempt in client.attempts(run_id, page_size=100)]
        if json:
            for attempt in found:
                say_json(attempt)
            return
        say(*attempt_lines(found) if found else ["no calls yet"])
        for attempt in found:
            if raw and attempt.raw_output:
                say("", f"{label(attempt.step)}, attempt {attempt.attempt_number}, answered:")
                say(text.visible_lines("\n".join(attempt.raw_output.splitlines())))

    session.run(read)


def personas(json: options.Json = False, server: options.Server = options.DEFAULT_SERVER) -> None:
    """List the personas of the panel."""

    async def read(client: ReviewClient) -> None:
        found = await client.list_personas()
        if json:
            say_json(review_service_pb2.ListPersonasResponse(personas=found))
        else:
            say(*persona_lines(found))

    CommandSession(server).run(read)


def info(json: options.Json = False, server: options.Server = options.DEFAULT_SERVER) -> None:
    """Show the service's versions, models and limits."""

    async def read(client: ReviewClient) -> None:
        found = await client.get_service_info()
        if json:
            say_json(found)
        else:
            say(*info_lines(found))

    CommandSession(server).run(read)


def register(app: typer.Typer) -> None:
    for command in (show, runs, attempts, personas, info):
        app.command()(command)
