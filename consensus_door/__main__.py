"""Runs the door: builds every object, hands it in, serves until told to stop."""

import asyncio
import logging
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from consensus_door.app import door_app
from consensus_door.config import DoorSettings
from consensus_door.metrics import DoorMetrics
from consensus_door.services.services import Services
from consensus_door.serving.server import serve as serve_http
from consensus_rpc.process.descriptors import raise_soft_limit
from consensus_rpc.security.material import BadMaterial
from consensus_rpc.server.admission import Admission
from consensus_rpc.server.listener import CannotListenError
from consensus_rpc.server.metrics_page import open_metrics_page
from consensus_rpc.server.server import run
from consensus_rpc.telemetry.log import configure_logging, get_logger
from consensus_rpc.telemetry.tracing import configure_tracing

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=False, pretty_exceptions_enable=False
)

PortFile = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Write the bound host:port there once the door listens.")
]
Listen = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Where to listen; wins over DOOR_LISTEN.")
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Let plain text leave this machine, as ALLOW_INSECURE=true does.")
]


async def main(settings: DoorSettings, port_file: Path | None) -> None:
    """Serves until SIGTERM, SIGINT or SIGHUP, then drains.

    Raises:
        CannotListenError: the address is taken, or a file of the settings cannot be used.
    """
    stop_tracing = configure_tracing("consensus_door")
    get_logger().info("capacity", open_files=raise_soft_limit())
    get_logger().info("settings", **settings.masked())
    admission, metrics = Admission(settings.door_max_calls), DoorMetrics()
    try:
        services = Services.open(settings, admission.draining, metrics)
    except BadMaterial as error:
        raise CannotListenError(str(error)) from error
    listen = settings.door_metrics_listen
    try:
        with closing(open_metrics_page(listen)) if listen else nullcontext():
            app = door_app(settings, services, admission, metrics)
            await serve_http(app, settings, admission, metrics, port_file)
    finally:
        await services.close()
        await asyncio.to_thread(stop_tracing)


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context, port_file: PortFile = None, listen: Listen = None, insecure: Insecure = False
) -> None:
    """The door: both services over HTTP, for curl and browsers.

    Settings come from the environment and from .env; `settings` lists them.
    """
    if context.invoked_subcommand is None:
        serve(port_file, listen, insecure)


@app.command()
def serve(port_file: PortFile = None, listen: Listen = None, insecure: Insecure = False) -> None:
    """Serve until SIGTERM or SIGINT, then drain (also what happens without a command)."""
    given = {"door_listen": listen or None, "allow_insecure": insecure or None}
    settings = DoorSettings.load_or_exit(
        **{name: value for name, value in given.items() if value is not None}
    )
    configure_logging("consensus_door", level=settings.log_level, log_format=settings.log_format)
    # What strangers send is counted by nobody as an event of ours.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    run(main(settings, port_file))


@app.command("settings")
def list_settings() -> None:
    """List the settings: name, what is allowed, default, meaning."""
    for each in DoorSettings.describe():
        typer.echo(
            f"{each.name}  ({each.allowed}; default: {each.default or 'none'})\n    {each.description}"
        )


if __name__ == "__main__":
    app()
