"""MetricService: typed records of other backends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeVar

from google.protobuf.message import Message
from uuid_utils.compat import uuid7

from consensus.v1 import metric_service_pb2 as pb
from consensus.v1 import metric_service_pb2_grpc
from consensus_contract.errors import MetricNotFound
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.identity import Identity, identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from persistence_service.database import Connection, Database
from persistence_service.database.keyed_locks import Turns
from persistence_service.idempotency.answers import AnswerClaim, answered_once, request_fingerprint
from persistence_service.idempotency.claims import KeyScope
from persistence_service.journal.entries import Actor
from persistence_service.metrics import convert, deleting, repository, storing
from persistence_service.metrics.metric import MetricFilter, NewMetric, StoredMetric
from persistence_service.paging.keyset import fitting
from persistence_service.paging.sizes import MAX_PAGE_SIZE, page_size
from persistence_service.paging.tokens import Signing
from persistence_service.schema.scalars import EPOCH, MICROSECOND

STORE, DELETE, UNDELETE = "metric.store", "metric.delete", "metric.undelete"
"""The operations under which keys stand."""

MAX_COUNTS = 10_000
_AT_ONCE = 50
_RESOURCE = "metrics"

Result = TypeVar("Result")
Response = TypeVar("Response", bound=Message)


class MetricServicer(metric_service_pb2_grpc.MetricServiceServicer):
    """Stores and reads the metrics of the caller's tenant."""

    def __init__(self, database: Database, signing: Signing, key_ttl: timedelta) -> None:
        """`signing` is for page tokens; `key_ttl` says how long idempotency keys are remembered."""
        self._database = database
        self._signing = signing
        self._key_ttl = key_ttl
        # A tenant's batches all end in the same stream of the audit trail.
        self._turns = Turns()

    async def StoreMetrics(  # noqa: N802 - the contract's name
        self, request: pb.StoreMetricsRequest, context: Any
    ) -> pb.StoreMetricsResponse:
        """Stores metrics, new ones and in the place of those with the same ids."""
        identity = identity_of(context)
        if len(request.metrics) <= _AT_ONCE:
            metrics, claim = _prepared(request, identity)
        else:  # long enough for others to wait for the loop
            metrics, claim = await asyncio.to_thread(_prepared, request, identity)
        actor, clock = _actor(identity, request), self._database.now

        def store(connection: Connection) -> pb.StoreMetricsResponse:
            storing.store(clock, connection, identity.tenant, actor, metrics, clock(connection))
            ids = [metric.metric_id for metric in metrics]
            return pb.StoreMetricsResponse(stored_count=len(ids), metric_ids=ids)

        return await self._change(identity.tenant, claim, store, pb.StoreMetricsResponse)

    async def DeleteMetrics(  # noqa: N802 - the contract's name
        self, request: pb.DeleteMetricsRequest, context: Any
    ) -> pb.DeleteMetricsResponse:
        """Deletes metrics as one deletion."""
        identity, deletion_id = identity_of(context), str(uuid7())
        tenant, actor, ids = identity.tenant, _actor(identity, request), list(request.metric_ids)

        def delete(connection: Connection) -> pb.DeleteMetricsResponse:
            count = deleting.delete(connection, self._database.now, tenant, actor, ids, deletion_id)
            return pb.DeleteMetricsResponse(deletion_id=deletion_id if count else "", deleted_count=count)

        claim = _claim(identity, DELETE, "", request)
        return await self._change(tenant, claim, delete, pb.DeleteMetricsResponse)

    async def UndeleteMetrics(  # noqa: N802 - the contract's name
        self, request: pb.UndeleteMetricsRequest, context: Any
    ) -> pb.UndeleteMetricsResponse:
        """Restores the metrics that went with one deletion."""
        identity, deletion_id = identity_of(context), request.deletion_id
        tenant, actor = identity.tenant, _actor(identity, request)

        def undelete(connection: Connection) -> pb.UndeleteMetricsResponse:
            clock = self._database.now
            count = deleting.undelete_deletion(connection, clock, tenant, actor, deletion_id)
            return pb.UndeleteMetricsResponse(restored_count=count)

        claim = _claim(identity, UNDELETE, deletion_id, request)
        return await self._change(tenant, claim, undelete, pb.UndeleteMetricsResponse)

    async def GetMetric(  # noqa: N802 - the contract's name
        self, request: pb.GetMetricRequest, context: Any
    ) -> pb.GetMetricResponse:
        """Answers with a metric."""
        tenant, metric_id, shown = identity_of(context).tenant, request.metric_id, request.show_deleted
        metric = await self._read(
            lambda connection: repository.find(connection, tenant, metric_id, show_deleted=shown)
        )
        if metric is None:
            raise MetricNotFound(metric_id=request.metric_id)
        return pb.GetMetricResponse(metric=convert.metric_message(metric))

    async def ListMetrics(  # noqa: N802 - the contract's name
        self, request: pb.ListMetricsRequest, context: Any
    ) -> pb.ListMetricsResponse:
        """Lists metrics, newest first."""
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        shown = request.show_deleted
        name = "all_metrics" if shown else "metrics"
        binding = [name, tenant, request.filter.SerializeToString(deterministic=True).hex()]
        wanted = convert.metric_filter(request.filter)
        after = _position(signer.position(binding, request.page_token)) if request.page_token else None
        metrics = await self._read(
            lambda connection: repository.page(
                connection, tenant, wanted, after, size + 1, show_deleted=shown
            )
        )
        response = pb.ListMetricsResponse(metrics=fitting(map(convert.metric_message, metrics), size))
        if len(response.metrics) < len(metrics):
            last = metrics[len(response.metrics) - 1]
            response.next_page_token = signer.token(binding, convert.page_position(last))
        return response

    async def GetMetricStats(  # noqa: N802 - the contract's name
        self, request: pb.GetMetricStatsRequest, context: Any
    ) -> pb.GetMetricStatsResponse:
        """Counts metrics per type."""
        tenant, wanted = identity_of(context).tenant, convert.metric_filter(request.filter)
        counts = await self._read(
            lambda connection: repository.count_types(connection, tenant, wanted, MAX_COUNTS + 1)
        )
        if len(counts) > MAX_COUNTS:
            raise InvalidField(field="filter", description=f"asks for more than {MAX_COUNTS} counts")
        return pb.GetMetricStatsResponse(
            metric_count=sum(each.metric_count for each in counts),
            type_count=len(counts),
            types=[
                pb.MetricTypeStats(type=each.metric_type, metric_count=each.metric_count) for each in counts
            ],
        )

    async def ExportMetrics(  # noqa: N802 - the contract's name
        self, request: pb.ExportMetricsRequest, context: Any
    ) -> AsyncIterator[pb.ExportMetricsResponse]:
        """Streams metrics, newest first."""
        tenant, wanted = identity_of(context).tenant, convert.metric_filter(request.filter)
        after: tuple[Any, ...] | None = None
        while metrics := await self._read(_next_page(tenant, wanted, after)):
            for metric in metrics:
                yield pb.ExportMetricsResponse(metric=convert.metric_message(metric))
            after = repository.position_of(metrics[-1])

    async def _change(
        self,
        tenant: str,
        claim: AnswerClaim | None,
        effect: Callable[[Connection], Response],
        answer: type[Response],
    ) -> Response:
        """What the effect answers, or what it answered when the key was used first."""

        def unit(connection: Connection) -> bytes:
            def stored() -> bytes:
                return effect(connection).SerializeToString()

            if claim is None:
                return stored()
            now = self._database.now(connection)
            return answered_once(connection, claim, now, now + self._key_ttl, stored)

        async with self._turns.of(tenant):
            response = await self._database.run(
                unit,
                isolation="READ COMMITTED",
                resource=storing.metrics_stream(tenant),
                rerun_when_lost=claim is not None,
            )
        return answer.FromString(response)

    async def _read(self, unit: Callable[[Connection], Result]) -> Result:
        return await self._database.run(unit, read_only=True, resource=_RESOURCE)


def _prepared(
    request: pb.StoreMetricsRequest, identity: Identity
) -> tuple[list[NewMetric], AnswerClaim | None]:
    return convert.new_metrics(request.metrics), _claim(identity, STORE, "", request)


def _claim(identity: Identity, operation: str, resource: str, request: Any) -> AnswerClaim | None:
    if not request.idempotency_key:
        return None
    scope = KeyScope(identity.tenant, identity.caller, operation, resource, request.idempotency_key)
    return AnswerClaim(scope, request_fingerprint(request))


def _actor(identity: Identity, request: Any) -> Actor:
    return Actor(identity.caller, request.user, current_request_id() or "")


def _next_page(
    tenant: str, wanted: MetricFilter, after: tuple[Any, ...] | None
) -> Callable[[Connection], list[StoredMetric]]:
    return lambda connection: repository.page(connection, tenant, wanted, after, MAX_PAGE_SIZE)


def _position(parts: list[Any]) -> tuple[Any, ...]:
    create_time_us, metric_id = parts
    return (EPOCH + create_time_us * MICROSECOND, metric_id)
