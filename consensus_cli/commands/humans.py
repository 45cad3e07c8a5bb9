"""`override` and `escalation`: what people say instead of a panel, and where one is asked for."""

from enum import StrEnum
from typing import Annotated

import typer

from consensus.v1 import decision_pb2, decision_service_pb2
from consensus_cli.arguments import options
from consensus_cli.commands.outcomes import LabelChoice
from consensus_cli.execution import run_names
from consensus_cli.execution.printing import say, say_blocks, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view import decisions as view
from consensus_cli.view.outcome import override_blocks
from consensus_client import DecisionClient

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
User = Annotated[str, typer.Option(metavar="ID", help="Who says so.", show_default=False)]


class StateChoice(StrEnum):
    """Which escalations."""

    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


def override(
    run_id: run_names.RunId,
    label: Annotated[LabelChoice, typer.Argument(metavar="LABEL", help="approve, revise or reject.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.", show_default=False)],
    user: User = "",
    idempotency_key: options.Key = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Let a label hold instead of a run's decision, which stays."""
    said = decision_pb2.DecisionOverride(run_id=run_id, label=_number(label), reason=reason, user=user)

    async def write(client: DecisionClient) -> None:
        recorded = await client.override(said, idempotency_key=idempotency_key)
        if json:
            say_json(recorded)
        else:
            say_blocks(override_blocks(recorded))

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, write)


@app.command("list")
def list_escalations(
    state: Annotated[
        StateChoice, typer.Option(metavar="STATE", help="open, resolved or all.")
    ] = StateChoice.OPEN,
    json: Annotated[bool, typer.Option("--json", help="Print each as a line of protobuf JSON.")] = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List runs that a person should look at, newest first."""
    wanted = decision_service_pb2.ESCALATION_STATE_UNSPECIFIED
    if state is not StateChoice.ALL:
        wanted = decision_service_pb2.EscalationState.Value(f"ESCALATION_STATE_{state.upper()}")

    async def read(client: DecisionClient) -> None:
        found = [escalation async for escalation in client.list_escalations(wanted)]
        if json:
            for each in found:
                say_json(each)
        else:
            say(*view.escalation_lines(found) if found else ["no escalations"])

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, read)


@app.command()
def resolve(
    run_id: run_names.RunId,
    resolution: Annotated[str, typer.Argument(metavar="TEXT", help="What came of it.", show_default=False)],
    override: Annotated[
        LabelChoice | None,
        typer.Option(metavar="LABEL", help="Let this label hold instead.", show_default=False),
    ] = None,
    user: User = "",
    idempotency_key: options.Key = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Say what came of a run's escalation."""
    said = decision_service_pb2.EscalationResolution(run_id=run_id, resolution=resolution, user=user)
    label = decision_pb2.DECISION_LABEL_UNSPECIFIED if override is None else _number(override)

    async def write(client: DecisionClient) -> None:
        answer = await client.resolve_escalation(said, label, idempotency_key=idempotency_key)
        if json:
            say_json(answer)
            return
        say(f"resolved {run_id}")
        if answer.HasField("override"):
            say_blocks(override_blocks(answer.override))

    CommandSession(persistence, PERSISTENCE).run_with(DecisionClient, write)


def _number(label: LabelChoice) -> decision_pb2.DecisionLabel.ValueType:
    return decision_pb2.DecisionLabel.Value(f"DECISION_LABEL_{label.upper()}")


def register(parent: typer.Typer) -> None:
    parent.command()(override)
    parent.add_typer(app, name="escalation", help="List and resolve what a person should look at.")
