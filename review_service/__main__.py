"""Runs the review service: builds every object, hands it in, serves until told to stop."""

import asyncio
import os
import socket
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from uuid_utils.compat import uuid7

from consensus.internal.v1 import persistence_service_pb2_grpc
from consensus.v1 import identity_service_pb2_grpc, review_service_pb2_grpc
from consensus_rpc.access.building import guard_of
from consensus_rpc.access.denials import Denials
from consensus_rpc.access.who_am_i import IDENTITY_SERVICE, IdentityServicer
from consensus_rpc.channel.channels import ChannelOptions, open_channel
from consensus_rpc.process.descriptors import raise_soft_limit
from consensus_rpc.process.place import Place
from consensus_rpc.process.workers import supervise
from consensus_rpc.server.background import in_background
from consensus_rpc.server.server import Server, ServerOptions, run
from consensus_rpc.telemetry.certificates import CertificateTelemetry
from consensus_rpc.telemetry.log import configure_logging, get_logger
from consensus_rpc.telemetry.tracing import configure_tracing
from review_service.api.health import (
    MODEL_HEALTH,
    PERSISTENCE_SERVICE,
    follow_health,
    follow_model,
    shard_health,
)
from review_service.api.model_routes import ModelRoutes
from review_service.api.servicer import ReviewServicer
from review_service.api.streams import Streams
from review_service.config import ReviewSettings
from review_service.follow.follower import RunFollower
from review_service.intake.intake import character_limits
from review_service.model.client import ModelClient, ModelOptions
from review_service.model.route_file import RouteFileError, load_routes
from review_service.model.routes import Routes
from review_service.personas.panel import load_panel
from review_service.record.access import KeysOfPersistence, enter_denials
from review_service.record.gateway import PersistenceGateway
from review_service.record.ledger import Ledger
from review_service.record.shards import Shard, Shards, follow_map, follow_shards
from review_service.runs.pace import Pace
from review_service.runs.run import ModelSteps
from review_service.runs.worker import Worker
from review_service.steps.expander import Expander
from review_service.steps.reviewer import Reviewer
from review_service.steps.runner import StepRunner

REVIEW_SERVICE = "consensus.v1.ReviewService"
SERVICES = (REVIEW_SERVICE, IDENTITY_SERVICE)

# Runs are given back this long before the grace ends, so that their streams can say so.
_RELEASE_SECONDS = 1.0
_RETRY_READS = {
    PERSISTENCE_SERVICE: (
        "GetRun",
        "ListRuns",
        "ListAttempts",
        "ListPersonaReviews",
        "GetDraftText",
        "GetPanel",
        "GetPolicy",
        "AuthenticateKey",
    )
}


async def main(
    settings: ReviewSettings, routes: Routes, port_file: Path | None, place: Place | None = None
) -> None:
    """Serves until SIGTERM or SIGINT, then drains."""
    stop_tracing = configure_tracing("review_service")
    get_logger().info("settings", **settings.masked())
    panel = load_panel()
    settings = _fitted(settings, len(panel.members))
    model = ModelClient(_model_options(settings, routes))
    runner = StepRunner(model, known=model)
    steps = ModelSteps(
        Expander(runner), Reviewer(runner, panel), explains_in_traces=settings.trace_explanations
    )

    shards = Shards(settings.shard_map(), partial(_open_shard, settings))
    gateway = PersistenceGateway(shards, settings.persistence_bearer())
    denials = Denials(partial(enter_denials, gateway))
    pace = Pace(settings.max_runs_in_flight)
    ledger = Ledger(
        gateway, _lease_owner(), clock=asyncio.get_running_loop().time, acknowledged=pace.acknowledged
    )
    worker = Worker(
        ledger,
        steps,
        pace,
        max_runs=settings.max_runs_in_flight,
        claim_interval_seconds=settings.claim_interval_seconds,
    )
    server = Server(
        ServerOptions.from_settings(
            settings,
            listen=settings.review_listen,
            tls=settings.listen_tls(),
            port_file=port_file,
            place=place,
            character_limits=character_limits(settings),
        ),
        service_names=SERVICES,
        guard=guard_of(settings, KeysOfPersistence(gateway), denials),
    )
    server.answer_health_of(MODEL_HEALTH)
    shard_names = set[str]()

    def know(shard: Shard) -> str:
        name = shard_health(shard.address)
        if name not in shard_names:
            shard_names.add(name)
            server.answer_health_of(name)
        return name

    for each in shards.all():
        know(each)
    streams = Streams(
        gateway,
        worker,
        RunFollower(gateway, server.draining),
        slow_seconds=settings.slow_consumer_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
    )
    servicer = ReviewServicer(settings, panel, steps, gateway, worker, streams, ModelRoutes(settings, model))
    identity_service_pb2_grpc.add_IdentityServiceServicer_to_server(IdentityServicer(), server.grpc)
    review_service_pb2_grpc.add_ReviewServiceServicer_to_server(servicer, server.grpc)

    async def report(shard: Shard | None, serving: bool) -> None:
        for name in SERVICES if shard is None else (know(shard),):
            await server.set_serving(name, serving)

    async def drain() -> None:
        await worker.drain(max(0.0, settings.drain_grace_seconds - _RELEASE_SECONDS))

    changed = asyncio.Event()
    health = in_background(follow_shards(shards, changed, follow_health, report))
    leading = in_background(follow_map(shards, settings.shard_map, changed.set))
    model_health = in_background(follow_model(model.is_answering, partial(server.set_serving, MODEL_HEALTH)))
    telling = in_background(denials.run())
    try:
        await server.start()
        server.announce()
        worker.start_claiming()
        await server.serve(on_drain=drain, on_stop=lambda: asyncio.to_thread(stop_tracing))
    finally:
        followers = (health, leading, model_health, telling)
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        await worker.stop()
        await denials.flush()
        await shards.close()
        await model.aclose()


def _open_shard(settings: ReviewSettings, address: str) -> Shard:
    channel = open_channel(
        address,
        ChannelOptions(
            retry_reads=_RETRY_READS,
            connections=settings.persistence_connections,
            tls=settings.persistence_tls(),
            certificates=CertificateTelemetry(),
        ),
    )
    return Shard(address, channel, persistence_service_pb2_grpc.PersistenceServiceStub(channel))


def _fitted(settings: ReviewSettings, panel_size: int) -> ReviewSettings:
    """The settings, lowered to what files can be opened for; says in the log what that carries."""
    open_files = raise_soft_limit()
    fitted = settings.fitted(open_files, panel_size)
    tell = get_logger().info if fitted == settings else get_logger().warning
    tell(
        "capacity",
        open_files=open_files,
        model_calls=fitted.model_max_calls_in_flight,
        runs=fitted.max_runs_in_flight,
    )
    return fitted


def _routes_or_exit(settings: ReviewSettings) -> Routes:
    """All routes; a bad file ends the process with exit code 2 and one line, as a bad setting does."""
    if settings.model_routes is None:
        return Routes([settings.default_route])
    try:
        return load_routes(settings.model_routes, settings.default_route)
    except RouteFileError as error:
        typer.echo(f"bad settings: MODEL_ROUTES: {error}", err=True)
        raise typer.Exit(2) from None


def _model_options(settings: ReviewSettings, routes: Routes) -> ModelOptions:
    return ModelOptions(
        routes=routes,
        max_calls_in_flight=settings.model_max_calls_in_flight,
        max_answer_bytes=settings.model_max_answer_bytes,
    )


def _lease_owner() -> str:
    """A name that no other process has, and that says where it runs."""
    return f"{socket.gethostname()[:100]}:{os.getpid()}:{str(uuid7())[-12:]}"


app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=False, pretty_exceptions_enable=False
)

PortFile = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Write the bound host:port there once the server listens.")
]
Listen = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Where to listen; wins over REVIEW_LISTEN.")
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", help="Processes that share the port, one per core; wins over REVIEW_WORKERS."),
]
Persistence = Annotated[
    str | None,
    typer.Option(metavar="TARGET", help="Where PersistenceService is; wins over PERSISTENCE_ADDRESS."),
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Let plain text leave this machine, as ALLOW_INSECURE=true does.")
]


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    port_file: PortFile = None,
    listen: Listen = None,
    persistence_address: Persistence = None,
    workers: Workers = None,
    insecure: Insecure = False,
) -> None:
    """The review service: reviews ideas and documents with a panel of personas, over gRPC.

    Settings come from the environment and from .env; `settings` lists them.
    """
    if context.invoked_subcommand is None:
        serve(port_file, listen, persistence_address, workers, insecure)


@app.command()
def serve(
    port_file: PortFile = None,
    listen: Listen = None,
    persistence_address: Persistence = None,
    workers: Workers = None,
    insecure: Insecure = False,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain (also what happens without a command)."""
    given = {
        "review_listen": listen or None,
        "persistence_address": persistence_address or None,
        "review_workers": workers,
        "allow_insecure": insecure or None,
    }
    settings = ReviewSettings.load_or_exit(
        **{name: value for name, value in given.items() if value is not None}
    )
    routes = _routes_or_exit(settings)
    place = Place.current()
    configure_logging(
        "review_service",
        level=settings.log_level,
        log_format=settings.log_format,
        worker=place.index if place else None,
    )
    if settings.review_workers > 1 and place is None:
        supervise(
            "review_service",
            settings,
            count=settings.review_workers,
            listens=(settings.review_listen,),
            port_file=port_file,
        )
    run(main(settings, routes, port_file, place))


@app.command("settings")
def list_settings() -> None:
    """List the settings: name, what is allowed, default, meaning."""
    for each in ReviewSettings.describe():
        typer.echo(
            f"{each.name}  ({each.allowed}; default: {each.default or 'none'})\n    {each.description}"
        )


if __name__ == "__main__":
    app()
