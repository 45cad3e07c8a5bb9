"""Following a run: the events into one of three views, the decision into an exit code."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live

from consensus.v1 import run_event_pb2, run_pb2
from consensus_cli.execution import exits
from consensus_cli.execution.printing import complain, plain_console, say, say_blocks, say_json
from consensus_cli.execution.session import CommandSession
from consensus_cli.view.cost import cost_of
from consensus_cli.view.live import LiveTable
from consensus_cli.view.outcome import Block
from consensus_cli.view.plain import plain_lines
from consensus_cli.view.run import verdict_blocks
from consensus_cli.view.turnout import turnout_words
from consensus_client import ReviewClient
from consensus_contract.errors import ConsensusError, RunFailed

Events = AsyncGenerator[run_event_pb2.RunEvent]
_FRAMES_PER_SECOND = 10


async def follow(
    session: CommandSession, client: ReviewClient, events: Events, *, as_json: bool, gate: bool
) -> int:
    """Shows the events to the last, then how the run ended; the exit code.

    Raises:
        ConsensusError: when the run failed or the service stayed out of reach.
    """
    session.is_gate = gate
    console = plain_console()
    is_live = console.is_terminal and not console.is_dumb_terminal and not as_json
    show = say_json if as_json else _nothing if is_live else _plain(session)
    with _live(session, console) if is_live else nullcontext():
        try:
            known = await _take_all(session, client, events, show)
        except RunFailed:
            if not as_json:
                say(f"panel {turnout_words(session.run_view.panel.turnout())}")
            raise
    run, turnout = await _outcome(session, client, known, gate=gate)
    if not as_json:
        say_blocks([*verdict_blocks(run, turnout), *await _paid(session, client), *_next_steps(session)])
    return exits.of_run(run, gate=gate)


async def _take_all(
    session: CommandSession,
    client: ReviewClient,
    events: Events,
    show: Callable[[run_event_pb2.RunEvent], None],
) -> run_pb2.Run:
    """The run as it stood at the first event; empty where it could not be read."""
    known: run_pb2.Run | None = None
    async with aclosing(events) as stream:
        async for event in stream:
            session.run_view.take(event)
            show(event)
            if known is None:
                known = await _expect_panel(session, client)
    return known or run_pb2.Run()


async def _expect_panel(session: CommandSession, client: ReviewClient) -> run_pb2.Run:
    """Learns the panel's weights, which no event says; without them only persons are counted."""
    with suppress(ConsensusError):
        run = await client.get_run(session.run_view.run_id)
        session.run_view.panel.expect(run.turnout)
        return run
    return run_pb2.Run()


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


async def _outcome(
    session: CommandSession, client: ReviewClient, known: run_pb2.Run, *, gate: bool
) -> tuple[run_pb2.Run, run_pb2.PanelTurnout]:
    """As the events told it, and what people said before they came; as it is stored, where a run was watched
    from after some of them. No event tells what people say, so a gate reads it at the end.
    """
    view = session.run_view
    if view.decision is None or view.is_partial:
        run = await client.get_run(view.run_id)
        return run, run.turnout
    run = await client.get_run(view.run_id) if gate else known
    run.decision.CopyFrom(view.decision)
    return run, view.panel.turnout()


async def _paid(session: CommandSession, client: ReviewClient) -> list[Block]:
    """What the run cost so far, where any route has a price."""
    with suppress(ConsensusError):
        cost = cost_of([each async for each in client.attempts(session.run_view.run_id)])
        if cost.is_known:
            return [Block(0, cost.sentence(), "dim")]
    return []


def _next_steps(session: CommandSession) -> list[Block]:
    run_id = session.run_view.run_id
    more = [session.command("show", run_id), session.command("report", run_id, "--format", "html")]
    return [Block(0, line, "dim") for line in more]
