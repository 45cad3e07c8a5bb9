"""Following a run: the events into one of three views, the decision into an exit code."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live

from consensus.v1 import decision_pb2, run_event_pb2, run_pb2
from consensus_cli.execution import exits
from consensus_cli.execution.printing import complain, plain_console, say, say_blocks, say_json
from consensus_cli.execution.session import CommandSession
from consensus_cli.view.live import LiveTable
from consensus_cli.view.outcome import Block, decision_blocks
from consensus_cli.view.plain import plain_lines
from consensus_client import ReviewClient

Events = AsyncGenerator[run_event_pb2.RunEvent]
_FRAMES_PER_SECOND = 10


async def follow(
    session: CommandSession, client: ReviewClient, events: Events, *, as_json: bool, gate: bool
) -> int:
    """Shows the events to the last, then how the run ended; the exit code.

    Raises:
        ConsensusError: when the run failed or the service stayed out of reach.
    """
    console = plain_console()
    is_live = console.is_terminal and not as_json
    show = say_json if as_json else _nothing if is_live else _plain(session)
    with _live(session, console) if is_live else nullcontext():
        async with aclosing(events) as stream:
            async for event in stream:
                session.run_view.take(event)
                show(event)
    decision = session.run_view.decision or await _stored_decision(session, client)
    if not as_json:
        say_blocks([*decision_blocks(decision), *_next_steps(session)])
    return exits.of_decision(decision.label, gate=gate)


def say_started(session: CommandSession, run: run_pb2.Run, *, as_json: bool) -> None:
    """Prints a run that nobody follows yet, and how to do so."""
    if as_json:
        say_json(run)
        return
    say(f"run {run.run_id}")
    complain(f"watch it: {session.command('watch', run.run_id)}")


def _nothing(_event: run_event_pb2.RunEvent) -> None:
    """The live view draws itself."""


def _plain(session: CommandSession) -> Callable[[run_event_pb2.RunEvent], None]:
    def show(event: run_event_pb2.RunEvent) -> None:
        say(*plain_lines(event, session.run_view))

    return show


def _live(session: CommandSession, console: Console) -> AbstractContextManager[object]:
    table = LiveTable(session.run_view, lambda: datetime.now(UTC))
    return Live(table, console=console, refresh_per_second=_FRAMES_PER_SECOND)


async def _stored_decision(session: CommandSession, client: ReviewClient) -> decision_pb2.Decision:
    """The decision of a run that was watched from after it."""
    run = await client.get_run(session.run_view.run_id)
    return run.decision


def _next_steps(session: CommandSession) -> list[Block]:
    run_id = session.run_view.run_id
    more = [session.command("show", run_id), session.command("report", run_id, "--format", "html")]
    return [Block(0, line, "dim") for line in more]
