"""`backup` and `restore`: copies of a SQLite database."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from persistence_service.commands import end_with, load_settings, maintained, refusals_shown
from persistence_service.config import PersistenceSettings
from persistence_service.database import DatabaseOptions
from persistence_service.database.file_copy import (
    Progress,
    copy_database,
    holds_data,
    put_in_place,
    verify_copy,
)

commands = typer.Typer()

_TOLD_EVERY_SECONDS = 2.0
_OTHER_WAY = "PostgreSQL has commands of its own for it: docs/backup.md"


@commands.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to write; one file.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Copy the SQLite database to FILE while the service goes on.

    FILE has what was committed when it began, is checked from end to end, and has its name once its disk has
    it.
    """
    source = _of_sqlite(load_settings()).sqlite_path
    if file.resolve() == source:
        end_with(f"{file} is the database itself", code=2)
    if not holds_data(source):
        end_with(f"there is no database at {source}")
    with refusals_shown():
        size = copy_database(source, file, overwrite=force, progress=_progress())
        revision = verify_copy(file)
    typer.echo(f"{file}: {size:,} bytes, schema at revision {revision}")


@commands.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the database that is there; it is lost.")
    ] = False,
) -> None:
    """Make FILE the SQLite database, with the service stopped.

    What was acknowledged after the backup is not in it: docs/backup.md says how to see what that is.
    """
    settings = load_settings()
    path = _of_sqlite(settings).sqlite_path
    if file.resolve() == path:
        end_with(f"{file} is the database itself", code=2)
    if not file.is_file():
        end_with(f"there is no file {file}")
    with refusals_shown():
        revision = verify_copy(file)
    with maintained(settings) as database, database.maintenance(wait_for_file=0):
        if holds_data(path) and not force:
            end_with(f"{path} is there already; --force replaces it, and what it holds is lost")
        size = put_in_place(file, path, progress=_progress())
    typer.echo(f"{path}: {size:,} bytes, schema at revision {revision}")


def _of_sqlite(settings: PersistenceSettings) -> DatabaseOptions:
    options = settings.database_options()
    if options.backend != "sqlite":
        end_with(_OTHER_WAY, code=2)
    return options


def _progress() -> Progress:
    """Says on the standard error how far the copy is, now and then."""
    told = time.monotonic()

    def tell(left: int, count: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TOLD_EVERY_SECONDS:
            told = time.monotonic()
            sys.stderr.write(f"{count - left:,} of {count:,} pages\n")

    return tell
