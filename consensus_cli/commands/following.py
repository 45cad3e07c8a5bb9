"""Following a run: the events into one of three views, the decision into an exit code."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from consensus.v1 import decision_pb2, event_pb2
from consensus_cli.commands import exits
from consensus_cli.commands.session import Session, say, say_json
from consensus_cli.view.live import LiveTable
from consensus_cli.view.outcome import Block, decision_blocks
from consensus_cli.view.plain import plain_lines
from consensus_client.client import ReviewClient

Events = AsyncGenerator[event_pb2.RunEvent, None]
_FRAMES_PER_SECOND = 10


async def follow(session: Session, client: ReviewClient, events: Events, *, as_json: bool, gate: bool) -> int:
    """Shows the events to the last, then how the run ended; the exit code.

    Raises:
        ConsensusError: when the run failed or the service stayed out of reach.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    is_live = console.is_terminal and not as_json
    show = say_json if as_json else nothing if is_live else _plain(session)
    with _live(session, console) if is_live else nullcontext():
        async with aclosing(events) as stream:
            async for event in stream:
                session.progress.take(event)
                show(event)
    decision = session.progress.decision or await _stored_decision(session, client)
    if not as_json:
        say_blocks(console, [*decision_blocks(decision), *_next_steps(session)])
    return exits.of_decision(decision.label, gate=gate)


def say_blocks(console: Console, blocks: list[Block]) -> None:
    """Prints blocks: wrapped, indented and coloured on a terminal, one per line elsewhere."""
    for block in blocks:
        if console.is_terminal:
            console.print(Padding(Text(block.text, style=block.style), (0, 0, 0, block.indent)))
        else:
            say(" " * block.indent + block.text)


def nothing(_event: event_pb2.RunEvent) -> None:
    """The live view draws itself."""


def _plain(session: Session) -> Callable[[event_pb2.RunEvent], None]:
    def show(event: event_pb2.RunEvent) -> None:
        say(*plain_lines(event, session.progress))

    return show


def _live(session: Session, console: Console) -> AbstractContextManager[object]:
    table = LiveTable(session.progress, lambda: datetime.now(UTC))
    return Live(table, console=console, refresh_per_second=_FRAMES_PER_SECOND)


async def _stored_decision(session: Session, client: ReviewClient) -> decision_pb2.Decision:
    """The decision of a run that was watched from after it."""
    run = await client.get_run(session.progress.run_id)
    return run.decision


def _next_steps(session: Session) -> list[Block]:
    run_id = session.progress.run_id
    more = [session.command("show", run_id), session.command("report", run_id, "--format", "html")]
    return [Block(0, line, "dim") for line in more]
