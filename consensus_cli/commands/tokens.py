"""`consensus token`: access keys of callers, and who one is."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from consensus_cli.arguments import options
from consensus_cli.execution.printing import complain, say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view import access as view
from consensus_client import AccessClient, IdentityClient

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id.", show_default=False)]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write the key there, for its owner alone."),
]
Days = Annotated[
    float | None,
    typer.Option(min=0.0001, max=3650, metavar="DAYS", help="How long it is valid.", show_default=False),
]


@app.command()
def create(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="The caller that it stands for.")],
    role: Annotated[list[str], typer.Option(metavar="NAME", help="A role, such as submitter; repeatable.")],
    user: Annotated[str, typer.Option(metavar="ID", help="The one user for whom it may act.")] = "",
    user_prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="How the ids of users begin for whom it may act.")
    ] = "",
    days: Days = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    output: Output = None,
    idempotency_key: options.Key = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Make an access key and show it, this once."""
    if user and user_prefix:
        raise typer.BadParameter("one of them at most", param_hint="--user, --user-prefix")

    async def make(client: AccessClient) -> None:
        answer = await client.create(
            subject,
            role,
            user=user,
            user_prefix=user_prefix,
            ttl=None if days is None else timedelta(days=days),
            note=note,
            idempotency_key=idempotency_key,
        )
        _show(answer.secret, output)

    CommandSession(persistence, PERSISTENCE).run_with(AccessClient, make)


@app.command("list")
def list_keys(
    page_size: Annotated[int, typer.Option(min=1, max=100, metavar="1..100", help="Rows per page.")] = 30,
    page_token: Annotated[
        str, typer.Option(metavar="TOKEN", help="Where the page before ended.", show_default=False)
    ] = "",
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List the tenant's keys, newest first."""

    async def read(client: AccessClient) -> None:
        page = await client.list_page(page_size=page_size, page_token=page_token)
        if json:
            say_json(page)
            return
        say(*view.key_lines(page.keys) if page.keys else ["no keys"])
        if page.next_page_token:
            complain(f"more: the same command with --page-token {page.next_page_token}")

    CommandSession(persistence, PERSISTENCE).run_with(AccessClient, read)


@app.command()
def rotate(
    key_id: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=2160, metavar="HOURS", help="How long the old key stays valid.")
    ] = 24,
    days: Days = None,
    output: Output = None,
    idempotency_key: options.Key = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Make a key like another, which stays valid for a while."""

    async def replace(client: AccessClient) -> None:
        answer = await client.rotate(
            key_id,
            overlap=timedelta(hours=overlap_hours),
            ttl=None if days is None else timedelta(days=days),
            idempotency_key=idempotency_key,
        )
        _show(answer.secret, output)
        complain(f"{key_id} is valid {view.state(answer.replaced_key)}")

    CommandSession(persistence, PERSISTENCE).run_with(AccessClient, replace)


@app.command()
def revoke(
    key_id: KeyId,
    idempotency_key: options.Key = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """End a key for good: within 15 s it is refused, within 30 s its streams end."""

    async def end(client: AccessClient) -> None:
        await client.revoke(key_id, idempotency_key=idempotency_key)
        say(f"revoked {key_id}")

    CommandSession(persistence, PERSISTENCE).run_with(AccessClient, end)


@app.command()
def whoami(
    json: options.Json = False,
    server: options.Server = options.DEFAULT_SERVER,
) -> None:
    """Say who one is to the service, and what one may."""

    async def ask(client: IdentityClient) -> None:
        who = await client.who_am_i()
        if json:
            say_json(who)
        else:
            say(*view.identity_lines(who))

    CommandSession(server).run_with(IdentityClient, ask)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="token", help="Make, list and end access keys; say who one is.")


def _show(key: str, output: Path | None) -> None:
    if not key:
        complain("the key was made before and shown then; revoke it if that was lost")
    elif output is None:
        say(key)
    else:
        try:
            output.touch(mode=0o600, exist_ok=True)
            output.chmod(0o600)
            output.write_text(f"{key}\n", encoding="utf-8")
        except OSError as error:
            say(key)  # it can be shown at no other time
            raise typer.BadParameter(f"cannot write {str(output)!r}: {error.strerror}") from error
        complain(f"wrote {output}")
