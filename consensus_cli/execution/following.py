"""Following a run: the events into one of three views, the decision into an exit code."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live

from consensus.v1 import decision_pb2, run_event_pb2, run_pb2
from consensus_cli.execution import exits
from consensus_cli.execution.printing import complain, plain_console, say, say_blocks, say_json
from consensus_cli.execution.session import CommandSession
from consensus_cli.view.cost import cost_of
from consensus_cli.view.findings import findings_blocks
from consensus_cli.view.live import LiveTable
from consensus_cli.view.outcome import Block, Dissent
from consensus_cli.view.plain import plain_lines
from consensus_cli.view.run import verdict_blocks
from consensus_client import ReviewClient, effective_label
from consensus_contract.errors import ConsensusError, RunFailed
from consensus_report import text
from consensus_report.provenance import answering_models
from consensus_report.turnout import turnout_words

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
        say_blocks(
            [*_verdict(session, run, turnout), *await _paid(session, client, run), *_next_steps(session, run)]
        )
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
    """Learns what no event says, such as the panel's weights; without them only persons are counted."""
    with suppress(ConsensusError):
        run = await client.get_run(session.run_view.run_id)
        session.run_view.expect(run)
        return run
    return run_pb2.Run()


def say_started(session: CommandSession, run: run_pb2.Run, *, as_json: bool) -> None:
    """Prints a run that nobody follows yet, and how to do so."""
    if as_json:
        say_json(run)
        return
    say(f"run {run.run_id}")
    complain(f"watch it: {session.command('watch', run.run_id)}")
    if link := session.link(run.run_id):
        complain(f"see it: {link}")


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
    del run.persona_reviews[:]
    run.persona_reviews.extend(view.reviews.values())
    return run, view.panel.turnout()


def _verdict(session: CommandSession, run: run_pb2.Run, turnout: run_pb2.PanelTurnout) -> Iterator[Block]:
    """How it was decided; and what speaks against it."""
    yield from verdict_blocks(run, turnout, Dissent.WAY_OUT)
    yield from findings_blocks(run, session.command("show", run.run_id))


async def _paid(session: CommandSession, client: ReviewClient, run: run_pb2.Run) -> list[Block]:
    """How long the run took, who answered, and its calls to the model."""
    seconds = None if session.run_view.is_partial else session.run_view.elapsed_seconds()
    by = f", answered by {', '.join(models)}" if (models := answering_models(run)) else ""
    took = [] if seconds is None else [f"Took {text.duration(seconds)}{by}."]
    with suppress(ConsensusError):
        if attempts := [each async for each in client.attempts(session.run_view.run_id)]:
            took.append(cost_of(attempts).sentence())
    return [Block(0, " ".join(took), "dim")] if took else []


def _next_steps(session: CommandSession, run: run_pb2.Run) -> list[Block]:
    """Where the page shows the run; commands likely to be wanted next, that which changes something first."""
    run_id = session.run_view.run_id
    more = [session.command("show", run_id), session.command("report", run_id, "-o", "report.html")]
    if effective_label(run) != decision_pb2.DECISION_LABEL_APPROVE:
        edit = ("--document", "FILE") if run.specification.HasField("document") else ("--notes", "…")
        more.insert(0, session.command("revise", run_id, *edit))
    if link := session.link(run_id):
        more.insert(0, link)
    return [Block(0, line, "dim", is_command=True) for line in more]
