"""Runs read whole, run by run."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Connection, select

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_pb2
from persistence_service.paging.tokens import Signer
from persistence_service.runs.form.portions import answerable
from persistence_service.runs.form.run_message import whole_run
from persistence_service.runs.form.tables import RUNS
from persistence_service.runs.read import repository
from persistence_service.runs.read.listing import newest_first
from persistence_service.runs.read.reader import RunReader
from persistence_service.schema.scalars import microseconds
from persistence_service.schema.visibility import both

RUNS_PER_READ = 20
BYTES_PER_READ = 1_048_576
"""What is read in one transaction, and held while the reader takes it: so many runs, and no other once these
have so many bytes. A reader who takes nothing holds no more than that and one run.
"""

_POSITION = both(select(RUNS.c.create_time, RUNS.c.run_id))


async def export_runs(
    reader: RunReader, signer: Signer, request: persistence_service_pb2.ExportRunsRequest
) -> AsyncIterator[persistence_service_pb2.ExportRunsResponse]:
    """The tenant's runs, whole, newest first. Nothing is held open while the reader takes its time.

    Raises:
        InvalidPageToken: of another tenant or filter, or none of ours.
    """
    tenant = request.scope.tenant
    shown = request.show_deleted
    name = "export_all" if shown else "export"
    binding = [name, tenant, request.filter.SerializeToString(deterministic=True).hex()]
    position = signer.position(binding, request.page_token) if request.page_token else None

    def whole(connection: Connection, run_id: str) -> run_pb2.Run:
        rows = repository.find_run(connection, tenant, run_id, show_deleted=shown)
        return answerable(whole_run(rows, reader.options.retention))

    while True:
        statement = newest_first(_POSITION.shown(shown), tenant, request.filter, position, RUNS_PER_READ)

        def find(
            connection: Connection, statement: Any = statement
        ) -> tuple[deque[tuple[list[Any], run_pb2.Run]], bool]:
            rows, found, size = connection.execute(statement).all(), deque[tuple[list[Any], run_pb2.Run]](), 0
            for row in rows:
                run = whole(connection, row.run_id)
                found.append(([microseconds(row.create_time), row.run_id], run))
                size += run.ByteSize()
                if size >= BYTES_PER_READ:
                    break
            return found, len(found) < len(rows) or len(rows) == RUNS_PER_READ

        found, may_have_more = await reader.read(tenant, find, "runs", may_be_stale=True)
        while found:
            position, run = found.popleft()
            yield persistence_service_pb2.ExportRunsResponse(
                run=run, page_token=signer.token(binding, position)
            )
        if not may_have_more:
            return
