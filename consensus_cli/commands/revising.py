"""Commands about revisions: revise, diff."""

from typing import Annotated

import typer

from consensus.v1 import proposal_pb2
from consensus_cli.arguments import inputs, options, subjects
from consensus_cli.arguments.panels import panel_choice
from consensus_cli.execution import editing, run_names
from consensus_cli.execution.following import follow, say_started
from consensus_cli.execution.printing import complain, say_blocks, say_json
from consensus_cli.execution.session import CommandSession
from consensus_cli.view.diff import diff_blocks
from consensus_client import ReviewClient
from consensus_client.requests import ReviewOptions


def revise(
    run_id: run_names.RunId,
    notes: Annotated[
        str, typer.Option(metavar="TEXT|@FILE|-", help="What to change, in words.", show_default=False)
    ] = "",
    edited: Annotated[
        str,
        typer.Option(
            metavar="@FILE",
            help="The proposal as you want it, as JSON: what show --json prints as its proposal.",
            show_default=False,
        ),
    ] = "",
    document: Annotated[
        str,
        typer.Option(
            metavar="FILE|-",
            help="The document as you want it, whole, for a run over a document.",
            show_default=False,
        ),
    ] = "",
    editor: Annotated[
        bool, typer.Option("--editor", help="Edit the proposal, or the document, in $VISUAL or $EDITOR.")
    ] = False,
    attach: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Show this text to the panel as evidence; may be repeated. The parent's are not taken over.",
            show_default=False,
        ),
    ] = None,
    persona: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PERSONA",
            help="Ask this one again; may be repeated. Without it: who scored below 0.70, blocked, may veto.",
            show_default=False,
        ),
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Ask every persona again.")] = False,
    idempotency_key: options.Key = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Start the run, print its id, and do not wait.")
    ] = False,
    json: options.JsonEvents = False,
    gate: options.Gate = False,
    timeout: options.Timeout = None,
    expand_model: options.ExpandModel = "",
    review_model: Annotated[
        str, typer.Option(metavar="NAME", help="The model that reviews.", show_default=False)
    ] = "",
    panel: options.Panel = "",
    policy: options.Policy = "",
    user: Annotated[
        str, typer.Option(metavar="ID", help="The person you act for; kept with the run.", show_default=False)
    ] = "",
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Revise a completed run: fold edits in, review anew.

    The personas that were not content and those that hold a veto are asked
    again, all where these weigh too little; the others' reviews are carried over.
    Without --panel the parent's panel reviews, as it was then.
    """
    if not notes and not edited and not document and not editor:
        raise typer.BadParameter("give --notes, --edited, or both; of a run over a document --document")
    given = [("--edited", bool(edited)), ("--document", bool(document)), ("--editor", editor)]
    inputs.refuse_together(given)
    inputs.refuse_together([("--persona", bool(persona)), ("--all", everyone)])
    inputs.refuse_together([("--detach", detach), ("--gate", gate)])
    session = CommandSession(server)
    words = inputs.idea_text(notes)
    proposal = _edited_proposal(edited) if edited else None
    text = subjects.edited_document(document) if document else None
    evidence = subjects.attachments(attach or ())
    chosen = panel_choice(panel)
    if editor:
        proposal, text = editing.edited_in_editor(session, run_id)

    async def work(client: ReviewClient) -> int | None:
        run = await client.revise_run(
            run_id,
            edit_notes=words,
            edited_proposal=proposal,
            edited_document=text,
            attachments=evidence,
            personas=persona or (),
            all_personas=everyone,
            user=user,
            options=ReviewOptions(
                expand_model=expand_model, review_model=review_model, panel=chosen, policy=policy
            ),
            idempotency_key=idempotency_key,
        )
        session.run_view.run_id = run.run_id
        if detach:
            say_started(session, run, as_json=json)
            return None
        events = client.watch_run(run.run_id, timeout=timeout)
        code = await follow(session, client, events, as_json=json, gate=gate)
        complain(f"what changed: {session.command('diff', run_id, run.run_id)}")
        return code

    session.run(work)


def diff(
    run_id_a: Annotated[
        str,
        typer.Argument(metavar="A", callback=run_names.resolve, help="The run before.", show_default=False),
    ],
    run_id_b: Annotated[
        str,
        typer.Argument(metavar="B", callback=run_names.resolve, help="The run after.", show_default=False),
    ],
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Compare two runs: decisions, personas, proposals."""

    async def read(client: ReviewClient) -> None:
        found = await client.diff_runs(run_id_a, run_id_b)
        if json:
            say_json(found)
        else:
            say_blocks(diff_blocks(run_id_a, run_id_b, found))

    CommandSession(server).run(read)


def register(app: typer.Typer) -> None:
    for command in (revise, diff):
        app.command()(command)


def _edited_proposal(given: str) -> proposal_pb2.Proposal:
    """The proposal in a file.

    Raises:
        typer.BadParameter: when it cannot be read, or is no proposal in protobuf JSON.
    """
    if not given.startswith("@"):
        raise typer.BadParameter("--edited takes @ and the name of a file that holds the proposal as JSON")
    return subjects.given_proposal(given)
