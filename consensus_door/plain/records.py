"""Runs that are there, health, and metrics: each one call of the contract."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from consensus.internal.v1 import diagnostics_service_pb2
from consensus.v1 import metric_service_pb2, review_service_pb2
from consensus_door.plain.answering import json_response, message_of
from consensus_door.plain.requests import idempotency_key, list_request, show_deleted
from consensus_door.services.addresses import Where
from consensus_door.services.calling import Credential
from consensus_door.services.services import Services

_SERVING = "SERVING"


@dataclass(frozen=True, slots=True)
class Records:
    """Reads and stores in the caller's name; each handler raises ConsensusError where that fails."""

    services: Services

    async def list_runs(self, request: Request) -> Response:
        """A page of runs."""
        answer = await self.services.ask(list_request(request.query_params), Credential.of(request.headers))
        return await json_response(answer)

    async def get_run(self, request: Request) -> Response:
        """A run, whole."""
        answer = await self.services.ask(
            review_service_pb2.GetRunRequest(
                run_id=request.path_params["run_id"], show_deleted=show_deleted(request.query_params)
            ),
            Credential.of(request.headers),
        )
        return await json_response(answer.run)

    async def health(self, _request: Request) -> Response:
        """What the services say of themselves; 503 unless both serve. Nobody needs a credential for it."""
        told = {where.value: await self.services.health(where) for where in Where}
        is_well = all(each == _SERVING for each in told.values())
        return JSONResponse({"status": "ok" if is_well else "unavailable", **told}, 200 if is_well else 503)

    async def pool(self, request: Request) -> Response:
        """The connections of a persistence process to its database."""
        answer = await self.services.ask(
            diagnostics_service_pb2.GetDatabaseStatusRequest(), Credential.of(request.headers)
        )
        return await json_response(answer.pool)

    async def store_metrics(self, request: Request) -> Response:
        """Stores metrics, all of them or none."""
        wanted = await message_of(request, metric_service_pb2.StoreMetricsRequest)
        wanted.idempotency_key = idempotency_key(request.headers) or wanted.idempotency_key
        answer = await self.services.ask(wanted, Credential.of(request.headers))
        return await json_response(answer)
