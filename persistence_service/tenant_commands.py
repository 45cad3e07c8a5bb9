"""`tenant`: the steps by which a tenant is moved to another database, at the database itself."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from persistence_service.audit.checkpoints import CheckpointFile
from persistence_service.commands import end_with, load_settings, maintained
from persistence_service.content.key_file import KeyFileError
from persistence_service.content.keyring import Keyring
from persistence_service.database import Database
from persistence_service.database.faults import first_line
from persistence_service.moving import standing
from persistence_service.moving.deleting import delete_tenant
from persistence_service.moving.exporting import export
from persistence_service.moving.importing import import_tenant
from persistence_service.moving.lines import MAX_LINE_BYTES, BadExport
from persistence_service.moving.standing import MoveRefused
from persistence_service.moving.stored_rows import TableSum

app = typer.Typer(no_args_is_help=True)

Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="Whose rows are moved.")]


@dataclass(frozen=True, slots=True)
class _Opened:
    database: Database
    engine: Engine
    keyring: Keyring


@app.command("freeze")
def freeze(tenant: Tenant) -> None:
    """Where it is: let nobody change the tenant, until it is thawed or elsewhere. Reads go on."""
    with _opened() as opened, standing.changing(opened.engine) as connection:
        move = standing.freeze(connection, tenant, opened.database.now)
    typer.echo(f"{tenant}: frozen since {move.freeze_time.isoformat()}, move {move.move_id}")


@app.command("thaw")
def thaw(tenant: Tenant) -> None:
    """Where it is: serve a frozen tenant again. What was exported can then never be opened."""
    with _opened() as opened, standing.changing(opened.engine) as connection:
        standing.thaw(connection, tenant, opened.database.now)
    typer.echo(f"{tenant}: served here")


@app.command("export")
def export_(tenant: Tenant) -> None:
    """Where it is: write all rows of a frozen tenant to the standard output, as lines of JSON."""
    with _opened() as opened:
        sums = export(opened.engine, tenant, _write, opened.database.now)
        sys.stdout.flush()
    typer.echo(f"{tenant}: exported {_told(sums)}", err=True)


@app.command("import")
def import_(
    checkpoints: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="AUDIT_CHECKPOINT_FILE of where it was: verified against it too."),
    ] = None,
) -> None:
    """Where it is to be: read an export from the standard input, whole or not at all, and keep it closed."""
    taken = [] if checkpoints is None else list(CheckpointFile(checkpoints).read())
    with _opened() as opened:
        arrival = import_tenant(
            opened.engine, _lines(), opened.database.now, opened.keyring, checkpoints=taken
        )
    how = f"{_told(arrival.sums)}, the journal verifies" if arrival.sums else "is here already"
    typer.echo(f"{arrival.tenant}: {how}", err=True)
    typer.echo(arrival.digest.hex())


@app.command("leave")
def leave(
    tenant: Tenant,
    arrived: Annotated[str, typer.Argument(metavar="DIGEST", help="What `import` printed.")],
) -> None:
    """Where it was: give the tenant away for good, and print the code that opens it where it arrived."""
    with _opened() as opened, standing.changing(opened.engine) as connection:
        move = standing.leave(connection, tenant, _bytes(arrived, "DIGEST"), opened.database.now)
    assert move.release_code is not None
    typer.echo(f"{tenant}: no longer served here", err=True)
    typer.echo(move.release_code.hex())


@app.command("open")
def open_(
    tenant: Tenant, code: Annotated[str, typer.Argument(metavar="CODE", help="What `leave` printed.")]
) -> None:
    """Where it is now: serve the tenant."""
    with _opened() as opened, standing.changing(opened.engine) as connection:
        standing.open_arrived(connection, tenant, _bytes(code, "CODE"), opened.database.now)
    typer.echo(f"{tenant}: served here")


@app.command("delete")
def delete(
    tenant: Tenant,
    confirm: Annotated[str, typer.Option(metavar="TENANT", help="Its name once more.")],
) -> None:
    """Delete the rows of a tenant that was moved away, or has arrived and was never opened."""
    if confirm != tenant:
        end_with(f"--confirm names another than {tenant}: nothing was deleted", code=2)
    with _opened() as opened:
        for table, count in delete_tenant(opened.engine, tenant):
            if count:
                typer.echo(f"{table}: {count:,} rows deleted")
    typer.echo(f"{tenant}: nothing of it is here")


@app.command("list")
def list_() -> None:
    """List the tenants that are moved or were: state, since when, and by which move."""
    with _opened() as opened, opened.engine.connect() as connection:
        for move in standing.all_moves(connection):
            typer.echo(f"{move.tenant}  {move.state}  {move.change_time.isoformat()}  {move.move_id}")


@contextmanager
def _opened() -> Iterator[_Opened]:
    """The database beside its service, as the owner of the tables; ends the process where it cannot go on."""
    settings = load_settings(log_level="WARNING")
    if settings.db_distributed:
        end_with("DB_DISTRIBUTED: a distributed database moves its tenants by itself", code=2)
    with maintained(settings, as_owner=True) as database:
        keyring = Keyring(database, settings.content_keys_file)
        try:
            with database.beside() as engine:
                yield _Opened(database, engine, keyring)
        except (MoveRefused, BadExport, KeyFileError) as refusal:
            end_with(str(refusal))
        except DBAPIError as error:
            end_with(f"the database refuses it: {first_line(error)}")


def _write(text: str) -> None:
    try:
        sys.stdout.write(f"{text}\n")
    except BrokenPipeError:
        sys.stdout = None  # else it would be flushed at the end once more
        end_with("whoever read it has gone: see what `import` says, and export it again")


def _lines() -> Iterator[bytes]:
    """The standard input's lines, of which none is read that is longer than a row can be."""
    while raw := sys.stdin.buffer.readline(MAX_LINE_BYTES):
        if not raw.endswith(b"\n"):
            raise BadExport(f"a line is cut off, or longer than {MAX_LINE_BYTES:,} bytes")
        yield raw


def _bytes(text: str, name: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        end_with(f"{name} is not hexadecimal", code=2)


def _told(sums: Mapping[str, TableSum]) -> str:
    rows = sum(each.count for each in sums.values())
    return f"{rows:,} rows of {sum(1 for each in sums.values() if each.count)} tables"
