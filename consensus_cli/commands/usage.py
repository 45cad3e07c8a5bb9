"""`consensus usage`: what calls to the models came to, in tokens and money."""

from enum import StrEnum
from typing import Annotated

import typer

from consensus.v1 import usage_service_pb2
from consensus_cli.arguments import options
from consensus_cli.execution import run_names
from consensus_cli.execution.printing import say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view.usage import usage_lines
from consensus_client import UsageClient


class GroupChoice(StrEnum):
    """What sums are made by."""

    DAY = "day"
    CALLER = "caller"
    USER = "user"
    RUN = "run"
    STEP = "step"


def usage(
    by: Annotated[
        list[GroupChoice] | None,
        typer.Option(metavar="WORD", help="day, caller, user, run or step; repeat it.", show_default=False),
    ] = None,
    first_day: Annotated[
        str, typer.Option("--from", metavar="DAY", help="First day, in UTC: 2026-11-27.", show_default=False)
    ] = "",
    last_day: Annotated[
        str, typer.Option("--to", metavar="DAY", help="Last day; today otherwise.", show_default=False)
    ] = "",
    run_id: Annotated[
        str,
        typer.Option(
            "--run", metavar="RUN", callback=run_names.resolve, help="Of a run.", show_default=False
        ),
    ] = "",
    caller: Annotated[str, typer.Option(metavar="NAME", help="Of a caller.", show_default=False)] = "",
    user: Annotated[str, typer.Option(metavar="ID", help="Of a person.", show_default=False)] = "",
    persona: Annotated[str, typer.Option(metavar="ID", help="Of a persona.", show_default=False)] = "",
    json: Annotated[bool, typer.Option("--json", help="Print each as a line of protobuf JSON.")] = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Sum calls, tokens and money, by day unless told otherwise."""
    wanted = usage_service_pb2.UsageFilter(
        first_day=first_day, last_day=last_day, caller=caller, user=user, run_id=run_id, persona_id=persona
    )
    words = list(dict.fromkeys(by or [GroupChoice.DAY]))
    groups = [usage_service_pb2.UsageGrouping.Value(f"USAGE_GROUPING_{each.upper()}") for each in words]

    async def read(client: UsageClient) -> None:
        found = [each async for each in client.get(wanted, groups)]
        if json:
            for each in found:
                say_json(each)
        else:
            say(*usage_lines(found, words) if found else ["no calls"])

    CommandSession(persistence, PERSISTENCE).run_with(UsageClient, read)


def register(parent: typer.Typer) -> None:
    parent.command()(usage)
