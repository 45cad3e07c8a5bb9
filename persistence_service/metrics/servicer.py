"""MetricService: typed records of other backends."""
# ruff: noqa: N802 - names are those of the generated base

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from uuid_utils.compat import uuid7

from consensus.v1 import metric_service_pb2, metric_service_pb2_grpc
from consensus_contract.errors import DeletionNotFound, MetricNotFound
from consensus_contract.sizes import MAX_PAGE_SIZE
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import Identity, identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from persistence_service.database import Connection, Database
from persistence_service.database.keyed_locks import KeyedLocks
from persistence_service.idempotency.keys import KeyUse, key_use
from persistence_service.idempotency.once import OncePerKey
from persistence_service.journal.entries import Actor
from persistence_service.metrics import convert, deleting, repository, storing
from persistence_service.metrics.metric import MetricFilter, NewMetric, StoredMetric
from persistence_service.paging.keyset import fitting
from persistence_service.paging.sizes import MAX_COUNTS, check_counts, page_size
from persistence_service.paging.tokens import Signing
from persistence_service.schema.scalars import from_microseconds

STORE, DELETE, UNDELETE = "metric.store", "metric.delete", "metric.undelete"
"""The operations under which keys stand."""

_AT_ONCE = 50
_RESOURCE = "metrics"

Result = TypeVar("Result")
Response = TypeVar("Response", bound=Message)


class MetricServicer(metric_service_pb2_grpc.MetricServiceServicer):
    """Stores and reads the metrics of the caller's tenant."""

    def __init__(self, database: Database, signing: Signing, once: OncePerKey) -> None:
        self._database = database
        self._signing = signing
        self._once = once
        # A tenant's batches all end in the same stream of the audit trail.
        self._locks = KeyedLocks()

    async def StoreMetrics(
        self, request: metric_service_pb2.StoreMetricsRequest, context: Context
    ) -> metric_service_pb2.StoreMetricsResponse:
        """Stores metrics, new ones and in the place of those with the same ids."""
        identity = identity_of(context)
        if len(request.metrics) <= _AT_ONCE:
            metrics, use = _prepared(request, identity)
        else:  # long enough for others to wait for the loop
            metrics, use = await asyncio.to_thread(_prepared, request, identity)
        actor, clock = _actor(identity, request.user), self._database.now

        def store(connection: Connection, now: datetime) -> metric_service_pb2.StoreMetricsResponse:
            storing.store(clock, connection, identity.tenant, actor, metrics, now)
            ids = [metric.metric_id for metric in metrics]
            return metric_service_pb2.StoreMetricsResponse(stored_count=len(ids), metric_ids=ids)

        return await self._change(identity.tenant, use, store, metric_service_pb2.StoreMetricsResponse)

    async def DeleteMetrics(
        self, request: metric_service_pb2.DeleteMetricsRequest, context: Context
    ) -> metric_service_pb2.DeleteMetricsResponse:
        identity, deletion_id = identity_of(context), str(uuid7())
        tenant, actor, ids = identity.tenant, _actor(identity, request.user), list(request.metric_ids)

        def delete(connection: Connection, _now: datetime) -> metric_service_pb2.DeleteMetricsResponse:
            count = deleting.delete(connection, self._database.now, tenant, actor, ids, deletion_id)
            return metric_service_pb2.DeleteMetricsResponse(
                deletion_id=deletion_id if count else "", deleted_count=count
            )

        use = key_use(identity, DELETE, "", request, request.idempotency_key)
        return await self._change(tenant, use, delete, metric_service_pb2.DeleteMetricsResponse)

    async def UndeleteMetrics(
        self, request: metric_service_pb2.UndeleteMetricsRequest, context: Context
    ) -> metric_service_pb2.UndeleteMetricsResponse:
        identity, deletion_id = identity_of(context), request.deletion_id
        tenant, actor = identity.tenant, _actor(identity, request.user)

        def undelete(connection: Connection, _now: datetime) -> metric_service_pb2.UndeleteMetricsResponse:
            clock = self._database.now
            count = deleting.undelete_deletion(connection, clock, tenant, actor, deletion_id)
            if not count:
                raise DeletionNotFound(deletion_id=deletion_id)
            return metric_service_pb2.UndeleteMetricsResponse(restored_count=count)

        use = key_use(identity, UNDELETE, deletion_id, request, request.idempotency_key)
        return await self._change(tenant, use, undelete, metric_service_pb2.UndeleteMetricsResponse)

    async def GetMetric(
        self, request: metric_service_pb2.GetMetricRequest, context: Context
    ) -> metric_service_pb2.GetMetricResponse:
        tenant, metric_id, shown = identity_of(context).tenant, request.metric_id, request.show_deleted
        metric = await self._read(
            tenant, lambda connection: repository.find(connection, tenant, metric_id, show_deleted=shown)
        )
        if metric is None:
            raise MetricNotFound(metric_id=request.metric_id)
        return metric_service_pb2.GetMetricResponse(metric=convert.metric_message(metric))

    async def ListMetrics(
        self, request: metric_service_pb2.ListMetricsRequest, context: Context
    ) -> metric_service_pb2.ListMetricsResponse:
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        shown = request.show_deleted
        name = "all_metrics" if shown else "metrics"
        binding = [name, tenant, request.filter.SerializeToString(deterministic=True).hex()]
        wanted = convert.metric_filter(request.filter)
        after = _position(signer.position(binding, request.page_token)) if request.page_token else None
        metrics = await self._read(
            tenant,
            lambda connection: repository.page(
                connection, tenant, wanted, after, size + 1, show_deleted=shown
            ),
            may_be_stale=True,
        )
        response = metric_service_pb2.ListMetricsResponse(
            metrics=fitting(map(convert.metric_message, metrics), size)
        )
        if len(response.metrics) < len(metrics):
            last = metrics[len(response.metrics) - 1]
            response.next_page_token = signer.token(binding, convert.page_position(last))
        return response

    async def GetMetricStats(
        self, request: metric_service_pb2.GetMetricStatsRequest, context: Context
    ) -> metric_service_pb2.GetMetricStatsResponse:
        tenant, wanted = identity_of(context).tenant, convert.metric_filter(request.filter)
        counts = await self._read(
            tenant, lambda connection: repository.count_types(connection, tenant, wanted, MAX_COUNTS + 1)
        )
        check_counts(counts, "filter")
        return metric_service_pb2.GetMetricStatsResponse(
            metric_count=sum(each.metric_count for each in counts),
            type_count=len(counts),
            types=[
                metric_service_pb2.MetricTypeStats(type=each.metric_type, metric_count=each.metric_count)
                for each in counts
            ],
        )

    async def ExportMetrics(
        self, request: metric_service_pb2.ExportMetricsRequest, context: Context
    ) -> AsyncIterator[metric_service_pb2.ExportMetricsResponse]:
        tenant, wanted = identity_of(context).tenant, convert.metric_filter(request.filter)
        after: tuple[Any, ...] | None = None
        while metrics := await self._read(tenant, _next_page(tenant, wanted, after), may_be_stale=True):
            for metric in metrics:
                yield metric_service_pb2.ExportMetricsResponse(metric=convert.metric_message(metric))
            after = repository.position_of(metrics[-1])

    async def _change(
        self,
        tenant: str,
        use: KeyUse | None,
        effect: Callable[[Connection, datetime], Response],
        answer: type[Response],
    ) -> Response:
        async with self._locks.of(tenant):
            return await self._once.change(tenant, use, effect, answer, storing.metrics_stream(tenant))

    async def _read(
        self, tenant: str, unit: Callable[[Connection], Result], *, may_be_stale: bool = False
    ) -> Result:
        return await self._database.run(
            unit, tenant=tenant, read_only=True, resource=_RESOURCE, may_be_stale=may_be_stale
        )


def _prepared(
    request: metric_service_pb2.StoreMetricsRequest, identity: Identity
) -> tuple[list[NewMetric], KeyUse | None]:
    metrics = convert.new_metrics(request.metrics)
    return metrics, key_use(identity, STORE, "", request, request.idempotency_key)


def _actor(identity: Identity, user: str) -> Actor:
    return Actor(identity.caller, user, current_request_id() or "")


def _next_page(
    tenant: str, wanted: MetricFilter, after: tuple[Any, ...] | None
) -> Callable[[Connection], list[StoredMetric]]:
    return lambda connection: repository.page(connection, tenant, wanted, after, MAX_PAGE_SIZE)


def _position(parts: list[Any]) -> tuple[Any, ...]:
    create_time_us, metric_id = parts
    return (from_microseconds(create_time_us), metric_id)
