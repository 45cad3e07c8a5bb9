"""The persistence service, put together: builds every object, hands it in, serves until told to stop."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from consensus.internal.v1 import persistence_service_pb2_grpc
from consensus_rpc.access.building import guard_of
from consensus_rpc.access.denials import Denials
from consensus_rpc.process.descriptors import raise_soft_limit
from consensus_rpc.process.place import Place
from consensus_rpc.server.background import in_background
from consensus_rpc.server.server import Server, ServerOptions
from consensus_rpc.telemetry.log import get_logger
from consensus_rpc.telemetry.tracing import configure_tracing
from persistence_service.access.denied import enter_denials
from persistence_service.access.directory import StoredKeys
from persistence_service.access.internal import AccessForServices
from persistence_service.audit.checkpoints import Checkpointer, CheckpointFile, signing_key
from persistence_service.config import PersistenceSettings
from persistence_service.content.keyring import Keyring
from persistence_service.database import Database
from persistence_service.drafts.access import DraftAccess, DraftOptions
from persistence_service.drafts.audited import AuditedDraftServicer
from persistence_service.drafts.servicer import DraftServicer
from persistence_service.drafts.submitting import submitted_text
from persistence_service.housekeeping.partitions import make_ahead_for_ever
from persistence_service.housekeeping.purging import PURGE_SECONDS, Retention, purge_for_ever
from persistence_service.housekeeping.retentions import retentions
from persistence_service.housekeeping.user_data import UserData
from persistence_service.idempotency.once import OncePerKey
from persistence_service.paging.tokens import Signing
from persistence_service.panels.access import find_panel
from persistence_service.policies.access import find_policy
from persistence_service.readiness import follow_database
from persistence_service.runs.access import RunAccess
from persistence_service.runs.audited import AuditedRunServicer
from persistence_service.runs.caps_file import load_caps
from persistence_service.runs.elsewhere import Elsewhere
from persistence_service.runs.form.options import RunOptions
from persistence_service.runs.read.open_runs import show_open_runs
from persistence_service.runs.servicer import RunServicer
from persistence_service.servicers import SERVICES, Shared, register
from persistence_service.tables import RIGHTS
from persistence_service.webhooks.dispatcher import MAX_IN_FLIGHT, Dispatcher, DispatchOptions
from persistence_service.webhooks.receiver import Receiver

INTERNAL_SERVICES = ("consensus.internal.v1.PersistenceService",)


async def serve_until_stopped(
    settings: PersistenceSettings, port_file: Path | None, place: Place | None = None
) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    Raises:
        StartRefused: the service must not run on this database.
    """
    stop_tracing = configure_tracing("persistence_service")
    _tell(settings)
    database = Database(settings.database_options(), RIGHTS)
    keyring = Keyring(database, settings.content_keys_file)
    signing = Signing(database)
    once = OncePerKey(database, timedelta(seconds=settings.idempotency_key_ttl_seconds))
    run_access = RunAccess.of(database, _run_options(settings))
    keys = StoredKeys(database)
    runs = _run_servicer(
        settings, database, run_access, signing, _elsewhere(database, UserData(once, database.now), keys)
    )
    draft_access = DraftAccess(database, once, _draft_options(settings))
    draft_servicer = AuditedDraftServicer if settings.audit_reads else DraftServicer
    drafts = draft_servicer(database, draft_access, signing)
    checkpointer = _checkpointer(settings, database, place)
    webhooks = _webhooks(settings, database)
    denials = Denials(partial(enter_denials, database))
    server = Server(
        ServerOptions.from_settings(
            settings,
            listen=settings.persistence_listen,
            tls=settings.callers_tls(),
            port_file=port_file,
            place=place,
        ),
        service_names=SERVICES,
        guard=guard_of(settings, keys, denials),
    )
    internal = server.listen_too(
        settings.persistence_internal_listen, INTERNAL_SERVICES, settings.internal_tls()
    )
    persistence_service_pb2_grpc.add_PersistenceServiceServicer_to_server(runs, internal.grpc)
    shared = Shared(database, signing, once, keyring, run_access, checkpointer)
    register(server.grpc, settings, shared, drafts)

    async def report(serving: bool) -> None:
        for name in (*INTERNAL_SERVICES, *SERVICES):
            await server.set_serving(name, serving)
        server.announce()  # not before: a database that must not be used is to be said by one worker alone

    async def drain() -> None:
        runs.drain()
        drafts.drain()
        for each in webhooks:
            each.drain()

    await server.start()
    run_access.start()
    draft_access.start()
    readiness = asyncio.create_task(follow_database(database, report, once_there=keyring.open_file))
    readiness.add_done_callback(lambda _: server.request_stop())
    work = [keyring.follow(), denials.run(), *_work(settings, database, checkpointer)]
    background = [in_background(each) for each in work]
    for each in webhooks:
        each.start()
    try:
        await server.serve(on_drain=drain, on_stop=lambda: asyncio.to_thread(stop_tracing))
    finally:
        for each in webhooks:
            await each.close()
        for task in (readiness, *background):
            task.cancel()
        outcome = await asyncio.gather(readiness, *background, return_exceptions=True)
        await denials.flush()
        await keys.close()
        await run_access.close()  # what was handed in is written
        await draft_access.close()
        await asyncio.to_thread(database.close)
    if isinstance(outcome[0], Exception):
        raise outcome[0]


def _work(
    settings: PersistenceSettings, database: Database, checkpointer: Checkpointer | None
) -> list[Coroutine[Any, Any, None]]:
    """What goes on for as long as the service serves."""
    work = [
        make_ahead_for_ever(database, PURGE_SECONDS),
        purge_for_ever(database, _retentions(settings, database), PURGE_SECONDS),
    ]
    if settings.metrics_listen:
        database.show_pool()
        work.append(show_open_runs(database))
    if checkpointer:
        work.append(checkpointer.run())
    return work


def _tell(settings: PersistenceSettings) -> None:
    """Says with what it begins."""
    log, options = get_logger(), settings.database_options()
    log.info("capacity", open_files=raise_soft_limit())
    log.info("settings", **settings.masked())
    log.info("database", address=options.url.render_as_string(hide_password=True))
    if options.read_url is not None:
        log.info("replica", address=options.read_url.render_as_string(hide_password=True))


def _elsewhere(database: Database, user_data: UserData, keys: StoredKeys) -> Elsewhere:
    return Elsewhere(
        submitted_text=submitted_text,
        user_data=user_data,
        find_panel=partial(find_panel, database),
        find_policy=partial(find_policy, database),
        access=AccessForServices(database, keys),
    )


def _run_servicer(
    settings: PersistenceSettings,
    database: Database,
    runs: RunAccess,
    signing: Signing,
    elsewhere: Elsewhere,
) -> RunServicer:
    if not settings.audit_reads:
        return RunServicer(runs, signing, elsewhere)
    return AuditedRunServicer(runs, signing, elsewhere, database)


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


def _webhooks(settings: PersistenceSettings, database: Database) -> Sequence[Dispatcher]:
    """Who tells of runs that end; none where no address is given."""
    url = settings.webhook_url
    if url is None:
        return ()
    receiver = Receiver(
        url.get_secret_value(),
        settings.webhook_secrets(),
        timeout_seconds=settings.webhook_timeout_seconds,
        max_connections=MAX_IN_FLIGHT,
    )
    options = DispatchOptions(
        timeout_seconds=settings.webhook_timeout_seconds,
        retry_for=timedelta(days=settings.webhook_retry_days),
        door_url=settings.webhook_door_url or "",
    )
    return (Dispatcher(database, receiver, options),)


def _run_options(settings: PersistenceSettings) -> RunOptions:
    return RunOptions(
        lease_seconds=settings.lease_seconds,
        max_take_overs=settings.max_take_overs,
        run_timeout_seconds=settings.run_timeout_seconds,
        idempotency_key_ttl_seconds=settings.idempotency_key_ttl_seconds,
        watch_poll_seconds=settings.watch_poll_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        slow_consumer_seconds=settings.slow_consumer_seconds,
        batch_timeout_seconds=settings.db_batch_timeout_seconds,
        max_queued_runs_per_tenant=settings.max_queued_runs_per_tenant,
        caps=load_caps(settings.spend_caps) if settings.spend_caps else None,
        retention_days=settings.retention_days,
        tells_ends=settings.webhook_url is not None,
    )


def _draft_options(settings: PersistenceSettings) -> DraftOptions:
    return DraftOptions(
        watch_poll_seconds=settings.watch_poll_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        slow_consumer_seconds=settings.slow_consumer_seconds,
    )
