"""Runs the persistence service: builds every object, hands it in, serves until told to stop."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from sqlalchemy.exc import OperationalError

from consensus.v1 import (
    audit_service_pb2_grpc,
    diagnostics_service_pb2_grpc,
    draft_service_pb2_grpc,
    event_service_pb2_grpc,
    idempotency_service_pb2_grpc,
    metric_service_pb2_grpc,
    persistence_service_pb2_grpc,
)
from consensus_rpc.process.place import Place
from consensus_rpc.process.workers import supervise
from consensus_rpc.server.server import Server, ServerOptions, run
from consensus_rpc.telemetry.log import configure_logging, get_logger
from consensus_rpc.telemetry.tracing import configure_tracing
from persistence_service.audit.checkpoints import (
    Checkpointer,
    CheckpointFile,
    new_signing_key,
    signing_key,
)
from persistence_service.audit.servicer import AuditServicer
from persistence_service.config import PersistenceSettings
from persistence_service.database import Database, StartRefused
from persistence_service.database.migrating import head_revision, upgrade
from persistence_service.database.reset import reset
from persistence_service.diagnostics.servicer import DiagnosticsServicer
from persistence_service.drafts.audited import AuditedDraftServicer
from persistence_service.drafts.records import DraftOptions, DraftRecords
from persistence_service.drafts.servicer import DraftServicer
from persistence_service.events.servicer import EventServicer
from persistence_service.housekeeping.purging import PURGE_SECONDS, Retention, purge_for_ever
from persistence_service.housekeeping.retentions import retentions
from persistence_service.idempotency.servicer import IdempotencyServicer
from persistence_service.metrics.servicer import MetricServicer
from persistence_service.paging.tokens import Signing
from persistence_service.readiness import follow_database
from persistence_service.runs.audited import AuditedRunServicer
from persistence_service.runs.records import RunOptions, RunRecords
from persistence_service.runs.servicer import RunServicer

SERVICES = (
    "consensus.v1.PersistenceService",
    "consensus.v1.IdempotencyService",
    "consensus.v1.AuditService",
    "consensus.v1.DraftService",
    "consensus.v1.EventService",
    "consensus.v1.MetricService",
    "consensus.v1.DiagnosticsService",
)

REFUSED = 1


async def main(settings: PersistenceSettings, port_file: Path | None, place: Place | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    Raises:
        StartRefused: the service must not run on this database.
    """
    stop_tracing = configure_tracing("persistence_service")
    get_logger().info("settings", **settings.masked())
    get_logger().info("database", address=settings.url().render_as_string(hide_password=True))
    database = Database(settings.database_options())
    records = RunRecords(database, _run_options(settings))
    signing = Signing(database)
    runs = (
        AuditedRunServicer(records, signing, database)
        if settings.audit_reads
        else RunServicer(records, signing)
    )
    draft_records = DraftRecords(database, _draft_options(settings))
    draft_servicer = AuditedDraftServicer if settings.audit_reads else DraftServicer
    drafts = draft_servicer(database, draft_records, signing)
    checkpointer = _checkpointer(settings, database, place)
    server = Server(
        ServerOptions.from_settings(
            settings, listen=settings.persistence_listen, port_file=port_file, place=place
        ),
        service_names=SERVICES,
    )
    persistence_service_pb2_grpc.add_PersistenceServiceServicer_to_server(runs, server.grpc)
    idempotency_service_pb2_grpc.add_IdempotencyServiceServicer_to_server(
        IdempotencyServicer(database), server.grpc
    )
    audit_service_pb2_grpc.add_AuditServiceServicer_to_server(
        AuditServicer(database, signing, checkpointer), server.grpc
    )
    diagnostics_service_pb2_grpc.add_DiagnosticsServiceServicer_to_server(
        DiagnosticsServicer(database), server.grpc
    )
    key_ttl = timedelta(seconds=settings.idempotency_key_ttl_seconds)
    event_service_pb2_grpc.add_EventServiceServicer_to_server(
        EventServicer(database, signing, key_ttl), server.grpc
    )
    metric_service_pb2_grpc.add_MetricServiceServicer_to_server(
        MetricServicer(database, signing, key_ttl), server.grpc
    )
    draft_service_pb2_grpc.add_DraftServiceServicer_to_server(drafts, server.grpc)

    async def report(serving: bool) -> None:
        for name in SERVICES:
            await server.set_serving(name, serving)
        server.announce()  # not before: a database that must not be used is to be said by one worker alone

    async def drain() -> None:
        runs.drain()
        drafts.drain()

    await server.start()
    records.start()
    draft_records.start()
    readiness = asyncio.create_task(follow_database(database, report))
    readiness.add_done_callback(lambda _: server.request_stop())
    purging = purge_for_ever(database, _retentions(settings, database), PURGE_SECONDS)
    background = [asyncio.create_task(purging)]
    if checkpointer:
        background.append(asyncio.create_task(checkpointer.run()))
    try:
        await server.serve(on_drain=drain, on_stop=lambda: asyncio.to_thread(stop_tracing))
    finally:
        for task in (readiness, *background):
            task.cancel()
        outcome = await asyncio.gather(readiness, *background, return_exceptions=True)
        await records.close()  # what was handed in is written
        await draft_records.close()
        await asyncio.to_thread(database.close)
    if isinstance(outcome[0], Exception):
        raise outcome[0]


def _retentions(settings: PersistenceSettings, database: Database) -> list[Retention]:
    return retentions(
        database.now,
        deleted_days=settings.retention_days,
        run_days=settings.run_retention_days,
        event_days=settings.event_retention_days,
        metric_days=settings.metric_retention_days,
    )


def _checkpointer(
    settings: PersistenceSettings, database: Database, place: Place | None
) -> Checkpointer | None:
    key, path = settings.audit_signing_key, settings.audit_checkpoint_file
    if key is None or path is None:
        return None
    return Checkpointer(
        database,
        signing_key(key.get_secret_value()),
        CheckpointFile(place.own_file(path) if place else path),
        interval_seconds=settings.audit_checkpoint_seconds,
    )


def _run_options(settings: PersistenceSettings) -> RunOptions:
    return RunOptions(
        lease_seconds=settings.lease_seconds,
        max_take_overs=settings.max_take_overs,
        run_timeout_seconds=settings.run_timeout_seconds,
        idempotency_key_ttl_seconds=settings.idempotency_key_ttl_seconds,
        watch_poll_seconds=settings.watch_poll_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        slow_consumer_seconds=settings.slow_consumer_seconds,
        max_queued_runs_per_tenant=settings.max_queued_runs_per_tenant,
        retention_days=settings.retention_days,
    )


def _draft_options(settings: PersistenceSettings) -> DraftOptions:
    return DraftOptions(
        idempotency_key_ttl_seconds=settings.idempotency_key_ttl_seconds,
        watch_poll_seconds=settings.watch_poll_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        slow_consumer_seconds=settings.slow_consumer_seconds,
    )


app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=False, pretty_exceptions_enable=False
)

PortFile = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Write the bound host:port there once the server listens.")
]
Listen = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Where to listen; wins over PERSISTENCE_LISTEN.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Processes that share the port, one per core; wins over PERSISTENCE_WORKERS."
    ),
]


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context, port_file: PortFile = None, listen: Listen = None, workers: Workers = None
) -> None:
    """The persistence service: owns the database, and keeps runs and their journals, over gRPC.

    Settings come from the environment and from .env; `settings` lists them.
    """
    if context.invoked_subcommand is None:
        serve(port_file, listen, workers)


@app.command()
def serve(port_file: PortFile = None, listen: Listen = None, workers: Workers = None) -> None:
    """Serve until told to stop, then drain; the default."""
    given = {"persistence_listen": listen or None, "persistence_workers": workers}
    settings = _load(**{name: value for name, value in given.items() if value is not None})
    place = Place.current()
    if settings.persistence_workers > 1 and place is None:
        supervise(
            "persistence_service",
            settings,
            count=settings.persistence_workers,
            listen=settings.persistence_listen,
            port_file=port_file,
        )
    with _refusals_shown():
        run(main(settings, port_file, place))


@app.command()
def migrate() -> None:
    """Bring the database's schema to the newest revision."""
    with _maintained(_load()) as database, database.maintenance() as engine:
        upgrade(engine)
    typer.echo(f"{database.options.name}: schema at revision {head_revision()}")


@app.command("db-reset")
def db_reset(
    confirm: Annotated[
        str, typer.Option(metavar="NAME", help="The database's name; of SQLite the file's, without .db.")
    ],
) -> None:
    """Drop all that the database holds, and migrate it anew.

    Lists the tables that stand then. Nothing can bring the data back, so the database's own name has to be
    given.
    """
    with _maintained(_load()) as database:
        if confirm != database.options.name:
            _exit(f"the database is {database.options.name!r}, not {confirm!r}: nothing was changed", code=2)
        with database.maintenance(wait_for_file=0) as engine:
            tables = reset(engine, database.options)
    typer.echo("\n".join((f"{database.options.name}: reset", *(f"  {table}" for table in tables))))


@app.command("audit-key")
def audit_key() -> None:
    """Make a key for AUDIT_SIGNING_KEY and print it."""
    typer.echo(new_signing_key())


@app.command("settings")
def list_settings() -> None:
    """List the settings, with what each allows."""
    for each in PersistenceSettings.describe():
        typer.echo(
            f"{each.name}  ({each.allowed}; default: {each.default or 'none'})\n    {each.description}"
        )


def _load(**overrides: str | int) -> PersistenceSettings:
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
def _maintained(settings: PersistenceSettings) -> Iterator[Database]:
    """The database of the settings, for a command that ends."""
    with _refusals_shown():
        try:
            yield Database(settings.database_options())
        except OperationalError as error:
            _exit(f"the database cannot be used: {error.orig}")


@contextmanager
def _refusals_shown() -> Iterator[None]:
    """A database that must not be used ends the process with its reason, not with a traceback."""
    try:
        yield
    except StartRefused as refusal:
        get_logger().critical("start_refused", reason=str(refusal))
        _exit(str(refusal))


def _exit(message: str, *, code: int = REFUSED) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    app()
