"""MetricService: typed records of other backends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeVar

from consensus.v1 import metric_service_pb2 as pb
from consensus.v1 import metric_service_pb2_grpc
from consensus_rpc.errors import InvalidField, MetricNotFound
from consensus_rpc.identity import Identity, identity_of
from consensus_rpc.request_id import current_request_id
from persistence_service.database import Connection, Database
from persistence_service.idempotency.answers import AnswerClaim, answered_once, request_fingerprint
from persistence_service.idempotency.claims import KeyScope
from persistence_service.journal.entries import Actor
from persistence_service.metrics import convert, repository, storing
from persistence_service.metrics.metric import MetricFilter, NewMetric, StoredMetric
from persistence_service.paging.keyset import fitting
from persistence_service.paging.sizes import MAX_PAGE_SIZE, page_size
from persistence_service.paging.tokens import Signing
from persistence_service.scalars import EPOCH, MICROSECOND
from persistence_service.turns import Turns

STORE = "metric.store"
"""The operation under which keys of StoreMetrics stand."""

MAX_COUNTS = 10_000
_AT_ONCE = 50
_RESOURCE = "metrics"

Result = TypeVar("Result")


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
        actor = Actor(identity.caller, request.user, current_request_id() or "")

        def unit(connection: Connection) -> bytes:
            now = self._database.now(connection)

            def effect() -> bytes:
                storing.store(self._database.now, connection, identity.tenant, actor, metrics, now)
                ids = [metric.metric_id for metric in metrics]
                return pb.StoreMetricsResponse(stored_count=len(ids), metric_ids=ids).SerializeToString()

            if claim is None:
                return effect()
            return answered_once(connection, claim, now, now + self._key_ttl, effect)

        async with self._turns.of(identity.tenant):
            answer = await self._database.run(
                unit,
                isolation="READ COMMITTED",
                resource=storing.metrics_stream(identity.tenant),
                rerun_when_lost=claim is not None,
            )
        return pb.StoreMetricsResponse.FromString(answer)

    async def GetMetric(  # noqa: N802 - the contract's name
        self, request: pb.GetMetricRequest, context: Any
    ) -> pb.GetMetricResponse:
        """Answers with a metric."""
        tenant = identity_of(context).tenant
        metric = await self._read(lambda connection: repository.find(connection, tenant, request.metric_id))
        if metric is None:
            raise MetricNotFound(metric_id=request.metric_id)
        return pb.GetMetricResponse(metric=convert.metric_message(metric))

    async def ListMetrics(  # noqa: N802 - the contract's name
        self, request: pb.ListMetricsRequest, context: Any
    ) -> pb.ListMetricsResponse:
        """Lists metrics, newest first."""
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        binding = ["metrics", tenant, request.filter.SerializeToString(deterministic=True).hex()]
        wanted = convert.metric_filter(request.filter)
        after = _position(signer.position(binding, request.page_token)) if request.page_token else None
        metrics = await self._read(
            lambda connection: repository.page(connection, tenant, wanted, after, size + 1)
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

    async def _read(self, unit: Callable[[Connection], Result]) -> Result:
        return await self._database.run(unit, read_only=True, resource=_RESOURCE)


def _prepared(
    request: pb.StoreMetricsRequest, identity: Identity
) -> tuple[list[NewMetric], AnswerClaim | None]:
    metrics = convert.new_metrics(request.metrics)
    if not request.idempotency_key:
        return metrics, None
    scope = KeyScope(identity.tenant, identity.caller, STORE, "", request.idempotency_key)
    return metrics, AnswerClaim(scope, request_fingerprint(request))


def _next_page(
    tenant: str, wanted: MetricFilter, after: tuple[Any, ...] | None
) -> Callable[[Connection], list[StoredMetric]]:
    return lambda connection: repository.page(connection, tenant, wanted, after, MAX_PAGE_SIZE)


def _position(parts: list[Any]) -> tuple[Any, ...]:
    create_time_us, metric_id = parts
    return (EPOCH + create_time_us * MICROSECOND, metric_id)
