"""DiagnosticsService: what ops ask."""

import grpc

from consensus.v1 import diagnostics_service_pb2 as pb
from consensus.v1 import diagnostics_service_pb2_grpc as pb_grpc
from persistence_service.database import Connection, Database, PoolState
from persistence_service.database.migrating import current_revision, head_revision
from persistence_service.diagnostics import repository


class DiagnosticsServicer(pb_grpc.DiagnosticsServiceServicer):
    """Answers for the database and for this process's connections to it."""

    def __init__(self, database: Database) -> None:
        """Reads through the pool that it reports on."""
        self._database = database

    async def GetDatabaseStatus(  # noqa: N802 - the contract's name
        self,
        request: pb.GetDatabaseStatusRequest,  # noqa: ARG002 - has no fields
        context: grpc.aio.ServicerContext[pb.GetDatabaseStatusRequest, pb.GetDatabaseStatusResponse],  # noqa: ARG002
    ) -> pb.GetDatabaseStatusResponse:
        """The database, its schema, and this process's connections."""
        # Taken before the question takes a connection of its own.
        pool = self._database.pool_state()
        status = await self._database.run(self._read, read_only=True, resource="database status")
        status.pool.CopyFrom(_pool_status(pool))
        return status

    def _read(self, connection: Connection) -> pb.GetDatabaseStatusResponse:
        status = pb.GetDatabaseStatusResponse(
            backend=self._database.backend,
            server_version=repository.server_version(connection),
            schema_revision=current_revision(connection) or "",
            schema_head=head_revision(),
            size_bytes=repository.size_bytes(connection),
            tables=[
                pb.TableStatus(table=table.name, row_count=table.row_count, is_estimate=table.is_estimate)
                for table in repository.table_sizes(connection)
            ],
        )
        if (oldest := repository.oldest_queued_run_time(connection)) is not None:
            status.oldest_queued_run_time.FromDatetime(oldest)
        return status


def _pool_status(pool: PoolState) -> pb.PoolStatus:
    return pb.PoolStatus(
        size=pool.size,
        checked_out_count=pool.checked_out,
        overflow_count=pool.overflow,
        waiting_count=pool.waiting,
    )
