"""`consensus up`: everything on this machine, in the foreground."""

from pathlib import Path
from typing import Annotated

import typer

from consensus_cli.execution import exits
from consensus_cli.execution.printing import complain
from consensus_cli.local.installed import NO_SERVERS, has_servers


def up(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where SQLite's file is kept; made where it is missing. By default"
            " consensus in this user's folder for state, $XDG_STATE_HOME on Linux.",
            show_default=False,
        ),
    ] = None,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take free ports where the usual ones are in use.")
    ] = False,
) -> None:
    """Start both services on this machine, until Ctrl-C.

    \b
    127.0.0.1:50051  the review service, where `consensus review` calls it
    127.0.0.1:50052  the persistence service; :50053 is for the review service
    127.0.0.1:8080   page and HTTP, with the extra consensus-engine[door]

    Without an OPENAI_API_KEY the offline model answers, by rules. Runs are kept in
    SQLite, unless DATABASE_URL or DB_HOST names a database. These and all other
    settings come from the environment, and from .env in this folder.
    """
    if not has_servers():
        complain(f"error: {NO_SERVERS}")
        raise typer.Exit(exits.WRONG_USAGE)
    from platformdirs import user_state_path  # the servers bring it

    from consensus_cli.local.up import run_up

    where = data or user_state_path("consensus", appauthor=False)
    raise typer.Exit(run_up(where, takes_free_ports=free_ports))


def register(app: typer.Typer) -> None:
    app.command()(up)
