"""Commands that only read: show, runs, attempts, personas, info."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from consensus.v1 import attempt_pb2, decision_pb2, panel_pb2, review_service_pb2, run_pb2
from consensus_cli import text
from consensus_cli.commands import inputs, options
from consensus_cli.commands.following import say_blocks
from consensus_cli.commands.session import Session, complain, say, say_json
from consensus_cli.view.outcome import label_word
from consensus_cli.view.progress import label, reason
from consensus_cli.view.run import model, run_blocks, state
from consensus_cli.view.tables import pairs, table
from consensus_client.client import ReviewClient
from consensus_client.requests import RunQuery

_IDEA_CHARACTERS = 40


class State(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Type(StrEnum):
    """What a run works on."""

    INITIAL = "initial"
    REVISION = "revision"


class Label(StrEnum):
    """A decision."""

    APPROVE = "approve"
    REVISE = "revise"
    REJECT = "reject"


def show(
    run_id: options.RunId,
    deleted: options.Deleted = False,
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Show a run as it stands, from its idea to its decision."""
    session = Session(server)

    async def read(client: ReviewClient) -> None:
        run = await client.get_run(run_id, show_deleted=deleted)
        if json:
            say_json(run)
        else:
            say_blocks(Console(highlight=False, markup=False, emoji=False), [*run_blocks(run)])

    session.run(read)


def runs(
    state: Annotated[State | None, typer.Option(help="In this state.", show_default=False)] = None,
    decision: Annotated[Label | None, typer.Option(help="With this decision.", show_default=False)] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="0..1", help="With at least this confidence.", show_default=False),
    ] = None,
    type_: Annotated[Type | None, typer.Option("--type", help="Of this type.", show_default=False)] = None,
    parent: Annotated[
        str, typer.Option(metavar="RUN", help="Revisions of this run.", show_default=False)
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
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List runs, newest first; all conditions must hold."""
    paging = [("--all", everything), ("--page-token", bool(page_token)), ("--export", export)]
    inputs.refuse_together(paging)
    inputs.refuse_together([("--export", export), ("--deleted", deleted)])
    query = RunQuery(
        state=run_pb2.RunState.Value(f"RUN_STATE_{(state or 'unspecified').upper()}"),
        type=run_pb2.RunType.Value(f"RUN_TYPE_{(type_ or 'unspecified').upper()}"),
        decision=decision_pb2.DecisionLabel.Value(f"DECISION_LABEL_{(decision or 'unspecified').upper()}"),
        min_confidence=min_confidence,
        parent_run_id=parent,
        user=user,
        created_from=inputs.instant(created_from, is_end=False),
        created_to=inputs.instant(created_to, is_end=True),
    )
    session = Session(server)

    async def stream(client: ReviewClient) -> None:
        async for run in client.export_runs(query):
            say_json(run)

    async def read(client: ReviewClient) -> None:
        if everything:
            found = [run async for run in client.runs(query, page_size=100, show_deleted=deleted)]
            more = ""
        else:
            page = await client.list_runs(
                query, page_size=page_size, page_token=page_token, show_deleted=deleted
            )
            found, more = list(page.runs), page.next_page_token
        if json:
            for run in found:
                say_json(run)
        else:
            say(*_run_lines(found) if found else ["no runs"])
        if more:
            complain(f"more: the same command with --page-token {more}")

    session.run(stream if export else read)


def attempts(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="The id of a run or of an expansion.", show_default=False)
    ],
    raw: Annotated[bool, typer.Option("--raw", help="Print invalid answers as they came, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each call as a line of protobuf JSON.")] = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """List a run's calls to the model.

    Each with what it took and how it ended; the last line has the sums.
    """
    session = Session(server)

    async def read(client: ReviewClient) -> None:
        found = [attempt async for attempt in client.attempts(run_id, page_size=100)]
        if json:
            for attempt in found:
                say_json(attempt)
            return
        say(*_attempt_lines(found) if found else ["no calls yet"])
        for attempt in found:
            if raw and attempt.raw_output:
                say("", f"{label(attempt.step)}, attempt {attempt.attempt_number}, answered:")
                say(text.without_controls(attempt.raw_output))

    session.run(read)


def personas(json: options.Json = False, server: options.Server = options.DEFAULT_SERVER) -> None:
    """List the personas of the panel."""

    async def read(client: ReviewClient) -> None:
        found = await client.list_personas()
        if json:
            say_json(review_service_pb2.ListPersonasResponse(personas=found))
        else:
            say(*_persona_lines(found))

    Session(server).run(read)


def info(json: options.Json = False, server: options.Server = options.DEFAULT_SERVER) -> None:
    """Show the service's versions, models and limits."""

    async def read(client: ReviewClient) -> None:
        found = await client.get_service_info()
        if json:
            say_json(found)
        else:
            say(*_info_lines(found))

    Session(server).run(read)


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (show, runs, attempts, personas, info):
        app.command()(command)


def _run_lines(found: list[run_pb2.Run]) -> list[str]:
    rows = [
        [
            run.run_id,
            text.instant(run.create_time).removesuffix(" UTC"),
            f"{state(run)}, deleted" if run.HasField("delete_time") else state(run),
            label_word(run.decision.label) if run.HasField("decision") else "",
            text.score(run.decision.overall_weighted_confidence) if run.HasField("decision") else "",
            text.shorten(run.specification.idea, _IDEA_CHARACTERS),
        ]
        for run in found
    ]
    return table(("run", "created (UTC)", "state", "decision", "score", "idea"), rows, right=frozenset({4}))


def _attempt_lines(found: list[attempt_pb2.Attempt]) -> list[str]:
    rows = [
        [
            label(attempt.step),
            str(attempt.attempt_number),
            text.word(attempt_pb2.AttemptState, attempt.state, "ATTEMPT_STATE_"),
            reason(attempt.reason) if attempt.reason else "",
            f"{text.seconds(attempt.latency):.2f} s" if attempt.HasField("latency") else "",
            str(attempt.usage.input_tokens or ""),
            str(attempt.usage.output_tokens or ""),
            text.clean(attempt.answered_model or attempt.requested_model),
            text.clean(attempt.message),
        ]
        for attempt in found
    ]
    header = ("step", "n", "state", "reason", "latency", "tokens in", "out", "model", "")
    total_in = sum(attempt.usage.input_tokens for attempt in found)
    total_out = sum(attempt.usage.output_tokens for attempt in found)
    rows.append(["total", str(len(found)), "", "", "", str(total_in), str(total_out), "", ""])
    return table(header, rows, right=frozenset({1, 4, 5, 6}))


def _persona_lines(found: list[panel_pb2.Persona]) -> list[str]:
    rows = [
        [
            persona.persona_id,
            text.clean(persona.display_name),
            text.score(persona.weight),
            "veto" if persona.holds_veto else "",
            text.clean(persona.focus),
        ]
        for persona in found
    ]
    return table(("persona", "name", "weight", "", "looks at"), rows, right=frozenset({2}))


def _info_lines(found: review_service_pb2.GetServiceInfoResponse) -> list[str]:
    route, limits, retries = found.model_route, found.limits, found.retry_policy
    expand = route.expand_temperature if route.HasField("expand_temperature") else None
    review = route.review_temperature if route.HasField("review_temperature") else None
    return pairs(
        [
            ("version", found.version),
            ("persona templates", found.persona_template_version),
            ("decision policy", found.policy_version),
            ("personas", ", ".join(text.clean(persona.display_name) for persona in found.personas)),
            ("model's address", text.clean(route.base_url) or "the provider's own"),
            ("expanded by", model(route.expand_model, expand)),
            ("reviewed by", model(route.review_model, review)),
            ("key", "present" if route.has_api_key else "missing"),
            ("calls after the first", str(retries.max_retries)),
            (
                "idea",
                f"at most {limits.max_idea_characters} characters, {limits.max_idea_sentences} sentences",
            ),
            ("context", f"at most {limits.max_context_characters} characters"),
            ("a run may take", f"{text.seconds(limits.run_timeout):g} s"),
            ("runs in flight", f"at most {limits.max_runs_in_flight} per process"),
            ("message", f"at most {text.size(limits.max_message_bytes)}"),
        ]
    )
