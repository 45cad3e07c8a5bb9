"""DiagnosticsService: what ops ask."""
# ruff: noqa: N802 - names are those of the generated base

import asyncio

from consensus.internal.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc
from consensus_contract.errors import ContentKeysUnusable
from consensus_rpc.server.context import Context
from persistence_service.content.key_file import KeyFileError
from persistence_service.content.keyring import Keyring
from persistence_service.content.repository import StoredKey, read_keys
from persistence_service.database import EVERY_TENANT, Connection, Database, PoolState, shown_address
from persistence_service.database.migrating import current_revision, head_revision
from persistence_service.diagnostics import repository


class DiagnosticsServicer(diagnostics_service_pb2_grpc.DiagnosticsServiceServicer):
    """Answers for the database and for this process's connections to it."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def GetDatabaseStatus(
        self,
        request: diagnostics_service_pb2.GetDatabaseStatusRequest,  # noqa: ARG002 - has no fields
        context: Context,  # noqa: ARG002
    ) -> diagnostics_service_pb2.GetDatabaseStatusResponse:
        # Taken before the question takes a connection of its own.
        pool = self._database.pool_state()
        status = await self._database.run(
            self._read, tenant=EVERY_TENANT, read_only=True, resource="database status"
        )
        status.pool.CopyFrom(_pool_status(pool))
        return status

    async def ListContentKeys(
        self,
        request: diagnostics_service_pb2.ListContentKeysRequest,  # noqa: ARG002 - has no fields
        context: Context,  # noqa: ARG002
    ) -> diagnostics_service_pb2.ListContentKeysResponse:
        stored = await self._database.run(
            read_keys, tenant=EVERY_TENANT, read_only=True, resource="content keys"
        )
        return diagnostics_service_pb2.ListContentKeysResponse(
            content_keys=map(_content_key, stored), encrypting=self._keyring.seals
        )

    async def RotateContentKeys(
        self,
        request: diagnostics_service_pb2.RotateContentKeysRequest,  # noqa: ARG002 - has no fields
        context: Context,  # noqa: ARG002
    ) -> diagnostics_service_pb2.RotateContentKeysResponse:
        try:
            stored = await asyncio.to_thread(self._keyring.rotate)
        except KeyFileError as error:
            raise ContentKeysUnusable(cause=str(error)) from error
        return diagnostics_service_pb2.RotateContentKeysResponse(content_keys=map(_content_key, stored))

    def _read(self, connection: Connection) -> diagnostics_service_pb2.GetDatabaseStatusResponse:
        status = diagnostics_service_pb2.GetDatabaseStatusResponse(
            backend=self._database.backend,
            server_version=repository.server_version(connection),
            schema_revision=current_revision(connection) or "",
            schema_head=head_revision(),
            address=shown_address(self._database.options),
            size_bytes=repository.size_bytes(connection),
            tables=[
                diagnostics_service_pb2.TableStatus(
                    table=table.name, row_count=table.row_count, estimated=table.is_estimate
                )
                for table in repository.table_sizes(connection)
            ],
        )
        if (oldest := repository.oldest_queued_run_time(connection)) is not None:
            status.oldest_queued_run_time.FromDatetime(oldest)
        return status


def _content_key(key: StoredKey) -> diagnostics_service_pb2.ContentKey:
    message = diagnostics_service_pb2.ContentKey(key_id=key.key_id, wrapping_key_id=key.wrapping_key_id)
    message.create_time.FromDatetime(key.create_time)
    message.wrap_time.FromDatetime(key.wrap_time)
    return message


def _pool_status(pool: PoolState) -> diagnostics_service_pb2.PoolStatus:
    return diagnostics_service_pb2.PoolStatus(
        size=pool.size,
        checked_out_count=pool.checked_out,
        overflow_count=pool.overflow,
        waiting_count=pool.waiting,
    )
