"""`consensus draft`: write a text in turns, and have it reviewed."""

from contextlib import aclosing
from datetime import timedelta
from typing import Annotated

import typer

from consensus.v1 import draft_pb2
from consensus_cli.arguments import inputs, options
from consensus_cli.arguments.draft_options import (
    AsRole,
    Draft,
    PlatformChoice,
    RoleChoice,
    StateChoice,
    TextToWrite,
    User,
    role_number,
)
from consensus_cli.execution.following import follow, say_started
from consensus_cli.execution.printing import complain, say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession, program
from consensus_cli.view import drafts as view
from consensus_client import DraftClient, ReviewClient
from consensus_report import text as text_of

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@app.command()
def new(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The title.", show_default=False)],
    user: User,
    text: Annotated[
        str, typer.Option(metavar="TEXT|@FILE|-", help="The first segment.", show_default=False)
    ] = "",
    platform: Annotated[
        PlatformChoice | None, typer.Option(help="What it is written for.", show_default=False)
    ] = None,
    draft_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="The draft's id; else one is made.", show_default=False)
    ] = "",
    idempotency_key: options.Key = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Create a draft; you hold its ring."""
    first = inputs.idea_text(text) if text else ""
    kind = draft_pb2.DraftPlatform.Value(f"DRAFT_PLATFORM_{(platform or 'unspecified').upper()}")

    async def create(client: DraftClient) -> None:
        draft = await client.create(
            title,
            user=user,
            draft_id=draft_id,
            platform=kind,
            first_segment=first,
            idempotency_key=idempotency_key,
        )
        if json:
            say_json(draft)
        else:
            say(f"draft {draft.draft_id}")

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, create)


@app.command()
def show(
    draft_id: Draft,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Show a draft: what is written, who takes part, who holds the ring."""

    async def read(client: DraftClient) -> None:
        draft = await client.get(draft_id)
        if json:
            say_json(draft)
        else:
            say(*view.draft_lines(draft))

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, read)


@app.command("list")
def list_drafts(
    user: User,
    page_size: Annotated[int, typer.Option(min=1, max=100, metavar="1..100", help="Drafts per page.")] = 30,
    page_token: Annotated[
        str, typer.Option(metavar="TOKEN", help="Where the page before ended.", show_default=False)
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print each as a line of protobuf JSON.")] = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List your drafts and those that you take part in, newest first."""

    async def read(client: DraftClient) -> None:
        page = await client.list_page(user, page_size=page_size, page_token=page_token)
        if json:
            for draft in page.drafts:
                say_json(draft)
        else:
            say(*view.list_lines(page.drafts) if page.drafts else ["no drafts"])
        if page.next_page_token:
            complain(f"more: the same command with --page-token {page.next_page_token}")

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, read)


@app.command()
def append(
    draft_id: Draft,
    text: TextToWrite,
    user: User,
    idempotency_key: options.Key = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Write at the end of a draft, while you hold its ring."""
    words = inputs.idea_text(text)

    async def write(client: DraftClient) -> None:
        segment = await client.append(draft_id, words, user=user, idempotency_key=idempotency_key)
        if json:
            say_json(segment)
        else:
            say(f"segment {segment.position} by {segment.author_display}")

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, write)


@app.command("pass")
def pass_ring(
    draft_id: Draft,
    recipient: Annotated[str, typer.Argument(metavar="USER", help="Who receives it.", show_default=False)],
    user: User,
    idempotency_key: options.Key = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Pass the ring on, to the creator or a collaborator who may write."""

    async def hand_over(client: DraftClient) -> None:
        ring = await client.pass_ring(draft_id, recipient, user=user, idempotency_key=idempotency_key)
        if json:
            say_json(ring)
        else:
            say(view.ring_line(ring))

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, hand_over)


@app.command()
def invite(
    draft_id: Draft,
    user: User,
    role: AsRole = RoleChoice.EDITOR,
    invitee: Annotated[
        str, typer.Option(metavar="USER", help="Only this user may accept.", show_default=False)
    ] = "",
    hours: Annotated[int, typer.Option(min=1, max=720, metavar="1..720", help="How long it stands.")] = 72,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Invite somebody; prints the token, which nobody can ask for again."""

    async def offer(client: DraftClient) -> None:
        answer = await client.invite(
            draft_id, role_number(role), user=user, invitee=invitee, ttl=timedelta(hours=hours)
        )
        if json:
            say_json(answer)
            return
        say(answer.token)
        complain(f"they accept with: {program()} draft accept {draft_id} TOKEN --user THEIR_ID")

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, offer)


@app.command()
def accept(
    draft_id: Draft,
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="The invitation's.", show_default=False)],
    user: User,
    idempotency_key: options.Key = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Accept an invitation."""

    async def join(client: DraftClient) -> None:
        joined = await client.accept(draft_id, token, user=user, idempotency_key=idempotency_key)
        say(view.collaborator_line(joined))

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, join)


@app.command()
def update(
    draft_id: Draft,
    user: User,
    title: Annotated[str, typer.Option(metavar="TITLE", help="The new title.", show_default=False)] = "",
    state: Annotated[StateChoice | None, typer.Option(help="The new state.", show_default=False)] = None,
    idempotency_key: options.Key = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Change the title or the state of a draft that you own."""
    if not title and state is None:
        raise typer.BadParameter("give --title, --state or both")
    number = draft_pb2.DraftState.Value(f"DRAFT_STATE_{(state or 'unspecified').upper()}")

    async def change(client: DraftClient) -> None:
        draft = await client.update(
            draft_id, user=user, title=title, state=number, idempotency_key=idempotency_key
        )
        say(*view.list_lines([draft]))

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, change)


@app.command()
def delete(
    draft_id: Draft,
    user: User,
    idempotency_key: options.Key = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Delete a draft that you own, so that it can be restored."""
    session = CommandSession(persistence, PERSISTENCE)

    async def change(client: DraftClient) -> None:
        draft = await client.delete(draft_id, user=user, idempotency_key=idempotency_key)
        say(f"draft {text_of.clean(draft.draft_id)} deleted")
        complain(f"restore it: {session.command('draft', 'undelete', draft.draft_id, '--user', user)}")

    session.run_with(DraftClient, change)


@app.command()
def undelete(
    draft_id: Draft,
    user: User,
    idempotency_key: options.Key = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Restore a draft that was deleted."""

    async def change(client: DraftClient) -> None:
        draft = await client.undelete(draft_id, user=user, idempotency_key=idempotency_key)
        say(*view.list_lines([draft]))

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, change)


@app.command()
def watch(
    draft_id: Draft,
    after: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Only what came after this sequence.")
    ] = 0,
    json: options.JsonEvents = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Follow a draft until it is deleted or you press Ctrl-C."""

    async def stream(client: DraftClient) -> None:
        async with aclosing(client.watch(draft_id, after_sequence=after)) as events:
            async for event in events:
                if json:
                    say_json(event)
                else:
                    say(view.event_line(event))

    CommandSession(persistence, PERSISTENCE).run_with(DraftClient, stream)


@app.command()
def submit(
    draft_id: Draft,
    user: User,
    context: options.Context = None,
    idempotency_key: options.Key = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Start the run, print its id, do not wait.")
    ] = False,
    json: options.JsonEvents = False,
    gate: options.Gate = False,
    timeout: options.Timeout = None,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Have a draft reviewed, and show each step until the decision."""
    inputs.refuse_together([("--detach", detach), ("--gate", gate)])
    session, more = CommandSession(server), inputs.context_value(context)

    async def start(client: ReviewClient) -> int | None:
        run = await client.submit_draft(draft_id, user=user, context=more, idempotency_key=idempotency_key)
        if detach:
            say_started(session, run, as_json=json)
            return None
        session.run_view.run_id = run.run_id
        events = client.watch_run(run.run_id, timeout=timeout)
        return await follow(session, client, events, as_json=json, gate=gate)

    session.run(start)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="draft", help="Write a text in turns, and have it reviewed.")
