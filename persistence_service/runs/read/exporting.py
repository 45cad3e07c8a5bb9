"""Runs and reviews read whole: exports run by run, and the reviews of one run page by page."""

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Connection, select

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_pb2
from persistence_service.paging.keyset import fitting
from persistence_service.paging.sizes import page_size
from persistence_service.paging.tokens import Signer
from persistence_service.runs.form.run_message import whole_run
from persistence_service.runs.form.tables import RUNS
from persistence_service.runs.read import repository
from persistence_service.runs.read.listing import newest_first
from persistence_service.runs.read.reader import RunReader
from persistence_service.schema.scalars import microseconds
from persistence_service.schema.visibility import both

RUNS_PER_READ = 20
"""Runs that are read in one transaction, and held while the reader takes them."""

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
        return whole_run(rows, reader.options.retention)

    while True:
        statement = newest_first(_POSITION.shown(shown), tenant, request.filter, position, RUNS_PER_READ)

        def find(connection: Connection, statement: Any = statement) -> list[tuple[list[Any], run_pb2.Run]]:
            return [
                ([microseconds(row.create_time), row.run_id], whole(connection, row.run_id))
                for row in connection.execute(statement).all()
            ]

        found = await reader.read(find, "runs")
        for position, run in found:
            yield persistence_service_pb2.ExportRunsResponse(
                run=run, page_token=signer.token(binding, position)
            )
        if len(found) < RUNS_PER_READ:
            return


async def list_persona_reviews(
    reader: RunReader,
    signer: Signer,
    request: persistence_service_pb2.ListPersonaReviewsRequest,
) -> persistence_service_pb2.ListPersonaReviewsResponse:
    """A page of the reviews of a run, in persona order; a review that comes in between pages is not repeated.

    Raises:
        InvalidPageToken: of another run, or none of ours.
        RunNotFound: the tenant has no such run.
    """
    tenant, run_id, size = request.scope.tenant, request.run_id, page_size(request.page_size)
    binding = ["persona_reviews", tenant, run_id]
    after = signer.position(binding, request.page_token)[0] if request.page_token else ""

    run = await reader.whole_run((tenant, run_id), show_deleted=request.show_deleted)
    place = {persona.persona_id: index for index, persona in enumerate(run.specification.personas)}
    behind = place.get(after, -1)
    left = [each for each in run.persona_reviews if place[each.persona_id] > behind]
    page = fitting(left, size)
    response = persistence_service_pb2.ListPersonaReviewsResponse(persona_reviews=page)
    if len(page) < len(left):
        response.next_page_token = signer.token(binding, [page[-1].persona_id])
    return response
