# Made by `make sync` from consensus_client/_async/metric_client.py; never edited.
"""The synchronous client of MetricService, for what is read."""

from collections.abc import Iterator

from consensus.v1 import metric_service_pb2, metric_service_pb2_grpc
from consensus_client._sync.connection import each_page
from consensus_client._sync.service_client import SyncServiceClient
from consensus_client.sync_transport import Channel

_PAGE = 100


class SyncMetricClient(SyncServiceClient):
    """Reads metrics and their sums; raises the errors of the contract.

    `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = metric_service_pb2_grpc.MetricServiceStub(channel)

    def list_metrics(
        self, metric_filter: metric_service_pb2.MetricFilter, *, page_size: int = 0, page_token: str = ""
    ) -> metric_service_pb2.ListMetricsResponse:
        """A page of those that the filter wants."""
        request = metric_service_pb2.ListMetricsRequest(
            filter=metric_filter, page_size=page_size, page_token=page_token
        )
        return self._connection.call(self._stub.ListMetrics, request)

    def metrics(self, metric_filter: metric_service_pb2.MetricFilter) -> Iterator[metric_service_pb2.Metric]:
        """All of all pages."""

        def ask(page_token: str) -> metric_service_pb2.ListMetricsResponse:
            return self.list_metrics(metric_filter, page_size=_PAGE, page_token=page_token)

        for page in each_page(ask):
            yield from page.metrics

    def stats(
        self, metric_filter: metric_service_pb2.MetricFilter
    ) -> metric_service_pb2.GetMetricStatsResponse:
        """How many there are, by type."""
        request = metric_service_pb2.GetMetricStatsRequest(filter=metric_filter)
        return self._connection.call(self._stub.GetMetricStats, request)
