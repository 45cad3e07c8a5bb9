"""`key create` and `key revoke`: access keys made and ended at the database itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from consensus_contract.errors import ConsensusError
from consensus_rpc.access.policy import load_policy
from consensus_rpc.server.guard import PolicyError
from consensus_rpc.server.identity import UserBound
from persistence_service.access.making import end_key, make_key
from persistence_service.commands import end_with, load_settings, maintained
from persistence_service.config import PersistenceSettings
from persistence_service.database import Database

app = typer.Typer(no_args_is_help=True)
_TENANT = r"[0-9A-Za-z._-]{1,64}"
_SUBJECT = r"[0-9A-Za-z._:/@-]{1,100}"

Tenant = Annotated[str, typer.Option(metavar="NAME", help="Whose rows it reaches.")]


@app.command("create")
def create(
    subject: Annotated[str, typer.Option(metavar="NAME", help="The caller that it stands for.")],
    role: Annotated[list[str], typer.Option(metavar="NAME", help="A role of the access policy; repeatable.")],
    tenant: Tenant = "default",
    user: Annotated[str, typer.Option(metavar="ID", help="The one user for whom it may act.")] = "",
    user_prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="How the ids of the users begin for whom it may act.")
    ] = "",
    ttl_days: Annotated[
        float | None, typer.Option(min=0.001, max=3653, metavar="DAYS", help="How long it is valid.")
    ] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write it there, for its owner alone."),
    ] = None,
) -> None:
    """Make an access key and print it; it is shown this once.

    A SQLite database belongs to the service while that runs: stop it first.
    """
    if user and user_prefix:
        raise typer.BadParameter("one of them at most", param_hint="--user, --user-prefix")
    for hint, pattern, value in (("--tenant", _TENANT, tenant), ("--subject", _SUBJECT, subject)):
        if re.fullmatch(pattern, value, re.ASCII) is None:
            raise typer.BadParameter(f"matches {pattern}", param_hint=hint)
    with _opened() as (settings, database):
        try:
            shown = make_key(
                database,
                load_policy(settings.access_policy),
                tenant=tenant,
                subject=subject,
                roles=role,
                users=UserBound(user=user, prefix=user_prefix),
                ttl=None if ttl_days is None else timedelta(days=ttl_days),
                note=note[:255],
            )
        except (ValueError, PolicyError) as error:
            end_with(str(error), code=2)
    if output is None:
        typer.echo(shown)
        return
    output.touch(mode=0o600, exist_ok=True)
    output.write_text(f"{shown}\n", encoding="utf-8")
    typer.echo(f"wrote {output}", err=True)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, between its underscores.")],
    tenant: Tenant = "default",
) -> None:
    """End an access key for good; running services refuse it within 15 s."""
    with _opened() as (_, database):
        end_key(database, tenant, key_id)
    typer.echo(f"revoked {key_id}")


@contextmanager
def _opened() -> Iterator[tuple[PersistenceSettings, Database]]:
    """The database, at its newest schema, for a change; ends the process where it cannot be used."""
    settings = load_settings(log_level="WARNING")
    with maintained(settings) as database:
        try:
            database.open(wait_for_file=0)
            yield settings, database
        except ConsensusError as error:
            end_with(error.message)
        finally:
            database.close()
