"""The commands that end: bringing the schema to head, starting over, making a key, listing the settings."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, ProgrammingError

from consensus_contract.webhooks import new_secret
from consensus_rpc.process.place import Place
from consensus_rpc.telemetry.log import configure_logging, get_logger
from persistence_service.audit.checkpoints import new_signing_key
from persistence_service.config import PersistenceSettings
from persistence_service.content.key_file import new_line
from persistence_service.database import Database, StartRefused
from persistence_service.database.faults import first_line
from persistence_service.database.migrating import head_revision, newer_revision, upgrade
from persistence_service.database.reset import reset
from persistence_service.database.roles import grant_rights
from persistence_service.database.session import set_for_role
from persistence_service.tables import REMOVED, RIGHTS

REFUSED = 1

commands = typer.Typer()


@commands.command()
def migrate(
    service_role: Annotated[
        str, typer.Option(metavar="ROLE", help="Grant this role what the running service does.")
    ] = "",
    writer_role: Annotated[
        str, typer.Option(metavar="ROLE", help="The one that serves all tenants: DB_WRITER_ROLE.")
    ] = "",
) -> None:
    """Bring the database's schema to the newest revision.

    One that a later release has brought further, and on which this one may serve, is left as it is.

    On PostgreSQL, with both roles, also grants them what the service needs, as the owner of the tables. With
    DB_POOLER_MODE=transaction the role that serves is given what a session needs.
    """
    if bool(service_role) != bool(writer_role):
        end_with("--service-role and --writer-role go together", code=2)
    with maintained(load_settings(), as_owner=True) as database, database.maintenance() as engine:
        if service_role and database.backend == "sqlite":
            end_with("SQLite has no roles: leave --service-role and --writer-role out", code=2)
        if newer := newer_revision(engine):
            typer.echo(
                f"{database.options.name}: schema at revision {newer}, of a later release; left as it is"
            )
            return
        upgrade(engine)
        if service_role:
            _grant(engine, service_role, writer_role)
        if database.options.shares_sessions:
            _set_for_role(engine, service_role, database.options.statement_timeout)
    typer.echo(f"{database.options.name}: schema at revision {head_revision()}")


def _grant(engine: Engine, service_role: str, writer_role: str) -> None:
    try:
        grant_rights(engine, service_role, writer_role, RIGHTS, REMOVED)
    except ValueError as error:
        end_with(f"the roles were not granted what they need: {error}")


def _set_for_role(engine: Engine, role: str, statement_timeout: float) -> None:
    """For whoever serves through a pooler; an empty role is the one that migrates."""
    try:
        name = set_for_role(engine, role, statement_timeout)
    except ProgrammingError as error:
        end_with(
            f"{role} was not given what a session needs ({first_line(error)}): GRANT it to who migrates, as "
            "deploy/postgresql/roles.sql does, and run this again"
        )
    typer.echo(
        f"{name}: sessions begin with what the service needs; have the pooler open its connections anew"
    )


@commands.command("db-reset")
def db_reset(
    confirm: Annotated[
        str, typer.Option(metavar="NAME", help="The database's name; of SQLite the file's, without .db.")
    ],
) -> None:
    """Drop all that the database holds, and migrate it anew.

    Lists the tables that stand then. Nothing can bring the data back, so the database's own name has to be
    given.
    """
    with maintained(load_settings(), as_owner=True) as database:
        if confirm != database.options.name:
            end_with(
                f"the database is {database.options.name!r}, not {confirm!r}: nothing was changed", code=2
            )
        with database.maintenance(wait_for_file=0) as engine:
            tables = reset(engine, database.options)
    typer.echo("\n".join((f"{database.options.name}: reset", *(f"  {table}" for table in tables))))


@commands.command("audit-key")
def audit_key() -> None:
    """Make a key for AUDIT_SIGNING_KEY and print it."""
    typer.echo(new_signing_key())


@commands.command("content-key")
def content_key() -> None:
    """Make a key for CONTENT_KEYS_FILE and print its line."""
    typer.echo(new_line(datetime.now(UTC).date()))


@commands.command("webhook-secret")
def webhook_secret() -> None:
    """Make a secret for WEBHOOK_SECRET and print it."""
    typer.echo(new_secret())


@commands.command("settings")
def list_settings() -> None:
    """List the settings, with what each allows."""
    for each in PersistenceSettings.describe():
        typer.echo(
            f"{each.name}  ({each.allowed}; default: {each.default or 'none'})\n    {each.description}"
        )


def load_settings(**overrides: str | int) -> PersistenceSettings:
    """The settings, with the log set up as they say; ends the process when they cannot be used."""
    settings = PersistenceSettings.load_or_exit(**overrides)
    place = Place.current()
    configure_logging(
        "persistence_service",
        level=settings.log_level,
        log_format=settings.log_format,
        worker=place.index if place else None,
    )
    return settings


@contextmanager
def maintained(settings: PersistenceSettings, *, as_owner: bool = False) -> Iterator[Database]:
    """The database of the settings, for a command that ends; who changes the schema does it `as_owner`."""
    options = replace(settings.database_options(), read_url=None)
    with refusals_shown():
        try:
            yield Database(replace(options, writer_role="") if as_owner else options)
        except DBAPIError as error:
            end_with(f"the database cannot be used: {first_line(error)}")


@contextmanager
def refusals_shown() -> Iterator[None]:
    """A database that must not be used ends the process with its reason, not with a traceback."""
    try:
        yield
    except StartRefused as refusal:
        get_logger().critical("start_refused", reason=str(refusal))
        end_with(str(refusal))


def end_with(message: str, *, code: int = REFUSED) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise SystemExit(code)
