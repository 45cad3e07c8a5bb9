"""The command of the persistence service: serving, and what an operator does beside it."""

from pathlib import Path
from typing import Annotated

import typer

from consensus_rpc.process.place import Place
from consensus_rpc.process.workers import supervise
from consensus_rpc.server.server import run
from persistence_service.commands import commands, load_settings, refusals_shown
from persistence_service.copy_commands import commands as copy_commands
from persistence_service.key_commands import app as key_commands
from persistence_service.partition_command import commands as partition_command
from persistence_service.serving import serve_until_stopped
from persistence_service.tenant_commands import app as tenant_commands

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=False, pretty_exceptions_enable=False
)
app.add_typer(commands)
app.add_typer(copy_commands)
app.add_typer(partition_command)
app.add_typer(key_commands, name="key", help="Make and end access keys of callers.")
app.add_typer(tenant_commands, name="tenant", help="Move a tenant to another database.")

PortFile = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Write what was bound there once the server listens: host:port for callers, then for review"
        " services.",
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Where to listen for callers; wins over PERSISTENCE_LISTEN."),
]
InternalListen = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Where to listen for review services; wins over PERSISTENCE_INTERNAL_LISTEN.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Processes that share the port, one per core; wins over PERSISTENCE_WORKERS."
    ),
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Let plain text leave this machine, as ALLOW_INSECURE=true does.")
]


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    port_file: PortFile = None,
    listen: Listen = None,
    internal_listen: InternalListen = None,
    workers: Workers = None,
    insecure: Insecure = False,
) -> None:
    """The persistence service: owns the database, and keeps runs and their journals, over gRPC.

    Settings come from the environment and from .env; `settings` lists them.
    """
    if context.invoked_subcommand is None:
        serve(port_file, listen, internal_listen, workers, insecure)


@app.command()
def serve(
    port_file: PortFile = None,
    listen: Listen = None,
    internal_listen: InternalListen = None,
    workers: Workers = None,
    insecure: Insecure = False,
) -> None:
    """Serve until told to stop, then drain; the default."""
    given = {
        "persistence_listen": listen or None,
        "persistence_internal_listen": internal_listen or None,
        "persistence_workers": workers,
        "allow_insecure": insecure or None,
    }
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    place = Place.current()
    if settings.persistence_workers > 1 and place is None:
        supervise(
            "persistence_service",
            settings,
            count=settings.persistence_workers,
            listens=(settings.persistence_listen, settings.persistence_internal_listen),
            port_file=port_file,
        )
    with refusals_shown():
        run(serve_until_stopped(settings, port_file, place))


if __name__ == "__main__":
    app()
