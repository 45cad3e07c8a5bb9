"""The asynchronous client of MetricService, for what is read."""

from collections.abc import AsyncIterator

from consensus.v1 import metric_service_pb2, metric_service_pb2_grpc
from consensus_client._async.connection import each_page
from consensus_client._async.service_client import AsyncServiceClient
from consensus_client.async_transport import Channel

_PAGE = 100


class MetricClient(AsyncServiceClient):
    """Reads metrics and their sums; raises the errors of the contract.

    `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = metric_service_pb2_grpc.MetricServiceStub(channel)

    async def list_metrics(
        self, metric_filter: metric_service_pb2.MetricFilter, *, page_size: int = 0, page_token: str = ""
    ) -> metric_service_pb2.ListMetricsResponse:
        """A page of those that the filter wants."""
        request = metric_service_pb2.ListMetricsRequest(
            filter=metric_filter, page_size=page_size, page_token=page_token
        )
        return await self._connection.call(self._stub.ListMetrics, request)

    async def metrics(
        self, metric_filter: metric_service_pb2.MetricFilter
    ) -> AsyncIterator[metric_service_pb2.Metric]:
        """All of all pages."""

        async def ask(page_token: str) -> metric_service_pb2.ListMetricsResponse:
            return await self.list_metrics(metric_filter, page_size=_PAGE, page_token=page_token)

        async for page in each_page(ask):
            for metric in page.metrics:
                yield metric

    async def stats(
        self, metric_filter: metric_service_pb2.MetricFilter
    ) -> metric_service_pb2.GetMetricStatsResponse:
        """How many there are, by type."""
        request = metric_service_pb2.GetMetricStatsRequest(filter=metric_filter)
        return await self._connection.call(self._stub.GetMetricStats, request)
