"""Commands that follow a run: review, watch, resume."""

from enum import StrEnum
from typing import Annotated

import typer

from consensus.v1 import review_service_pb2
from consensus_cli.arguments import inputs, options, subjects
from consensus_cli.arguments.panels import panel_choice
from consensus_cli.execution import run_names
from consensus_cli.execution.following import follow, say_started
from consensus_cli.execution.printing import complain
from consensus_cli.execution.session import CommandSession
from consensus_client import ReviewClient
from consensus_client.requests import ReviewOptions


class OnDisconnect(StrEnum):
    """What becomes of the run when this command ends early."""

    CONTINUE = "continue"
    CANCEL = "cancel"


_ON_DISCONNECT = {
    OnDisconnect.CONTINUE: review_service_pb2.ON_DISCONNECT_CONTINUE,
    OnDisconnect.CANCEL: review_service_pb2.ON_DISCONNECT_CANCEL,
}
_Model = Annotated[
    str, typer.Option("--model", metavar="NAME", help="The model for both steps.", show_default=False)
]
_ReviewModel = Annotated[
    str, typer.Option(metavar="NAME", help="The model that reviews.", show_default=False)
]
_ReviewTemperature = Annotated[
    float | None,
    typer.Option(
        min=0, max=2, metavar="0..2", help="Temperature of reviewing, in hundredths.", show_default=False
    ),
]
_MaxRetries = Annotated[
    int | None,
    typer.Option(min=1, max=10, metavar="1..10", help="Calls after each step's first.", show_default=False),
]
_MinPersonas = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Decide when at least N answered.", show_default=False),
]
_Require = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PERSONA",
        help="No approval without this one; may be repeated. The personas that hold a veto always are.",
        show_default=False,
    ),
]
_Detach = Annotated[bool, typer.Option("--detach", help="Start the run, print its id, and do not wait.")]
_User = Annotated[
    str, typer.Option(metavar="ID", help="The person you act for; kept with the run.", show_default=False)
]


def review(
    idea: options.SubjectText = None,
    document: Annotated[
        bool, typer.Option("--document", help="Review it as a document, however short it is.")
    ] = False,
    as_idea: Annotated[
        bool, typer.Option("--idea", help="Review it as an idea, even a file that is too long for one.")
    ] = False,
    summarise: Annotated[
        bool,
        typer.Option(
            "--summarise", help="Have a proposal made from the document, for the panel to read too."
        ),
    ] = False,
    proposal: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Review this proposal (JSON, as show --json prints one) without expanding anything.",
            show_default=False,
        ),
    ] = "",
    attach: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Show this text to the panel as evidence; may be repeated, up to 20 times.",
            show_default=False,
        ),
    ] = None,
    context: options.Context = None,
    idempotency_key: options.Key = None,
    detach: _Detach = False,
    json: options.JsonEvents = False,
    gate: options.Gate = False,
    on_disconnect: Annotated[
        OnDisconnect, typer.Option(help="What becomes of the run when this command ends early.")
    ] = OnDisconnect.CONTINUE,
    timeout: options.Timeout = None,
    model: _Model = "",
    expand_model: options.ExpandModel = "",
    review_model: _ReviewModel = "",
    expand_temperature: options.ExpandTemperature = None,
    review_temperature: _ReviewTemperature = None,
    no_temperature: options.NoTemperature = False,
    max_retries: _MaxRetries = None,
    min_personas: _MinPersonas = None,
    require: _Require = None,
    panel: options.Panel = "",
    policy: options.Policy = "",
    user: _User = "",
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Review an idea or a document, and show each step of it.

    A file or standard input that is longer than an idea may be is reviewed as a
    document: the panel reads its text in numbered sections and quotes them.

    On a terminal every persona has a line of its own; elsewhere each step is a
    line as it ends. A lost connection is taken up again where it broke.
    """
    inputs.refuse_together([("--detach", detach), ("--gate", gate)])
    inputs.refuse_together(
        [("--detach", detach), ("--on-disconnect cancel", on_disconnect is OnDisconnect.CANCEL)]
    )
    for name, temperature in (
        ("--expand-temperature", expand_temperature),
        ("--review-temperature", review_temperature),
    ):
        inputs.refuse_together([("--no-temperature", no_temperature), (name, temperature is not None)])
    chosen = ReviewOptions(
        expand_model=expand_model or model,
        review_model=review_model or model,
        expand_temperature=inputs.hundredths("--expand-temperature", expand_temperature),
        review_temperature=inputs.hundredths("--review-temperature", review_temperature),
        omit_temperature=no_temperature,
        max_retries=max_retries,
        min_personas=min_personas,
        required_personas=require or (),
        panel=panel_choice(panel),
        policy=policy,
    )
    session = CommandSession(server)
    more = inputs.context_value(context)
    given = subjects.review_subject(
        idea, proposal, as_idea=as_idea, as_document=document, summarise=summarise
    )
    evidence = subjects.attachments(attach or ())
    if given.remark:
        complain(given.remark)

    async def start(client: ReviewClient) -> None:
        run = await client.start_review(
            given.subject,
            context=more,
            attachments=evidence,
            summarise=summarise,
            user=user,
            options=chosen,
            idempotency_key=idempotency_key,
        )
        say_started(session, run, as_json=json)

    async def stream(client: ReviewClient) -> int:
        events = client.review(
            given.subject,
            context=more,
            attachments=evidence,
            summarise=summarise,
            user=user,
            options=chosen,
            idempotency_key=idempotency_key,
            on_disconnect=_ON_DISCONNECT[on_disconnect],
            timeout=timeout,
        )
        return await follow(session, client, events, as_json=json, gate=gate)

    if on_disconnect is OnDisconnect.CANCEL:
        session.run_goes_on = False
    session.run(start if detach else stream)


def watch(
    run_id: run_names.RunId,
    after: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Only the events after this sequence.")
    ] = 0,
    json: options.JsonEvents = False,
    gate: options.Gate = False,
    timeout: options.Timeout = None,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Follow a run until it ends.

    First the events that are recorded, then those to come.
    """
    session = CommandSession(server)
    session.run_view.run_id = run_id
    session.run_view.last_sequence = after
    session.run_view.is_partial = after > 0

    async def stream(client: ReviewClient) -> int:
        events = client.watch_run(run_id, after_sequence=after, timeout=timeout)
        return await follow(session, client, events, as_json=json, gate=gate)

    session.run(stream)


def resume(
    run_id: run_names.RunId,
    idempotency_key: options.Key = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")] = False,
    json: options.JsonEvents = False,
    gate: options.Gate = False,
    timeout: options.Timeout = None,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Go on with a failed run: ask only what is missing."""
    inputs.refuse_together([("--detach", detach), ("--gate", gate)])
    session = CommandSession(server)
    session.run_view.run_id = run_id

    async def go_on(client: ReviewClient) -> int | None:
        run = await client.resume_run(run_id, idempotency_key=idempotency_key)
        if detach:
            say_started(session, run, as_json=json)
            return None
        events = client.watch_run(run_id, timeout=timeout)
        return await follow(session, client, events, as_json=json, gate=gate)

    session.run(go_on)


def register(app: typer.Typer) -> None:
    for command in (review, watch, resume):
        app.command()(command)
