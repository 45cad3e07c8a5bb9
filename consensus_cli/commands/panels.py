"""`consensus panel`: write panels as folders, lint them, and keep them in the service."""

from pathlib import Path
from typing import Annotated

import typer

from consensus.v1 import panel_service_pb2
from consensus_cli.arguments import options
from consensus_cli.arguments.panels import is_folder, panel_folder
from consensus_cli.execution import exits
from consensus_cli.execution.printing import complain, say, say_json
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_cli.view import panels as view
from consensus_client import PanelClient
from consensus_panels import default_panel, is_refused, lint, normalised, write_folder

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Folder with panel.toml and a file per persona.")
]
Name = Annotated[
    str, typer.Argument(metavar="NAME[@REVISION]", help="A panel, perhaps in a revision.", show_default=False)
]


@app.command("init")
def init(folder: Folder) -> None:
    """Write the built-in panel as a folder, to be edited."""
    try:
        write_folder(default_panel(), folder)
    except OSError as error:
        raise typer.BadParameter(f"cannot write {str(folder)!r}: {error.strerror or error}") from error
    say(f"wrote {folder}: edit panel.toml and the personas' files, then `consensus panel put NAME {folder}`")


@app.command("lint")
def lint_(
    folder: Folder,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for warnings too.")] = False,
) -> None:
    """Say what is odd about the panel of a folder; exit 1 for errors. No server is needed."""
    findings = lint(panel_folder(folder))
    say(*view.finding_lines(findings) or ["nothing to say"])
    warnings = [each for each in findings if each.severity == panel_service_pb2.FINDING_SEVERITY_WARNING]
    raise typer.Exit(exits.FAILED if is_refused(findings) or (strict and warnings) else exits.OK)


@app.command()
def put(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The panel's id.", show_default=False)],
    folder: Folder,
    idempotency_key: options.Key = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Store the panel of a folder under a name, as its current revision."""
    panel = panel_folder(folder)
    panel.panel_id = name

    async def store(client: PanelClient) -> None:
        answer = await client.put(panel, idempotency_key=idempotency_key)
        if json:
            say_json(answer)
            return
        complain(*view.finding_lines(answer.findings))
        say(f"{'put' if answer.created else 'unchanged'} {name}@{answer.panel.revision}")

    CommandSession(persistence, PERSISTENCE).run_with(PanelClient, store)


@app.command()
def show(
    name: Name,
    folder: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="Write it as a folder.", show_default=False),
    ] = None,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Show a panel: its personas and their weights."""
    panel_id, _, revision = name.partition("@")

    async def read(client: PanelClient) -> None:
        panel = await client.get(panel_id, revision)
        if folder is not None:
            write_folder(panel, folder)
            say(f"wrote {folder}")
        elif json:
            say_json(panel)
        else:
            say(*view.panel_lines(panel))

    CommandSession(persistence, PERSISTENCE).run_with(PanelClient, read)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A folder, or NAME[@REVISION].")],
    after: Annotated[str, typer.Argument(metavar="B", help="A folder, or NAME[@REVISION].")],
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Show what differs between two panels, folders or revisions."""

    brought = {each: normalised(panel_folder(Path(each))) for each in (before, after) if is_folder(each)}

    async def compare(client: PanelClient) -> None:
        one, other = [brought.get(each) or await _stored(client, each) for each in (before, after)]
        say(*view.diff_lines(one, other) or ["no difference"])

    CommandSession(persistence, PERSISTENCE).run_with(PanelClient, compare)


@app.command("list")
def list_panels(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="List this panel's revisions.")] = "",
    page_size: Annotated[int, typer.Option(min=1, max=100, metavar="1..100", help="Rows per page.")] = 30,
    page_token: Annotated[
        str, typer.Option(metavar="TOKEN", help="Where the page before ended.", show_default=False)
    ] = "",
    show_deleted: Annotated[bool, typer.Option("--show-deleted", help="Deleted ones too.")] = False,
    json: options.Json = False,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """List panels by name, or the revisions of one, newest first."""

    async def read(client: PanelClient) -> None:
        page = await client.list_page(
            name, page_size=page_size, page_token=page_token, show_deleted=show_deleted
        )
        if json:
            say_json(page)
        else:
            say(*view.list_lines(page.panels) if page.panels else ["no panels"])
            if page.next_page_token:
                complain(f"more: the same command with --page-token {page.next_page_token}")

    CommandSession(persistence, PERSISTENCE).run_with(PanelClient, read)


@app.command()
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The panel's id.", show_default=False)],
    idempotency_key: options.Key = None,
    persistence: options.Persistence = options.DEFAULT_PERSISTENCE,
) -> None:
    """Delete a panel; runs that pinned it end as they began, and putting it again brings it back."""

    async def remove(client: PanelClient) -> None:
        await client.delete(name, idempotency_key=idempotency_key)
        say(f"deleted {name}")

    CommandSession(persistence, PERSISTENCE).run_with(PanelClient, remove)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="panel", help="Write, lint, put and list panels of personas.")


async def _stored(client: PanelClient, given: str) -> panel_service_pb2.Panel:
    panel_id, _, revision = given.partition("@")
    return await client.get(panel_id, revision)
