# Made by `make sync` from consensus_client/_async/usage_client.py; never edited.
"""The synchronous client of UsageService."""

from collections.abc import Iterator, Sequence

from consensus.v1 import usage_service_pb2, usage_service_pb2_grpc
from consensus_client._sync.connection import each_page
from consensus_client._sync.service_client import SyncServiceClient
from consensus_client.sync_transport import Channel

_PAGE = 100


class SyncUsageClient(SyncServiceClient):
    """Sums what calls to the models came to; raises the errors of the contract.

    `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = usage_service_pb2_grpc.UsageServiceStub(channel)

    def get_page(
        self,
        usage_filter: usage_service_pb2.UsageFilter | None = None,
        group_by: Sequence[usage_service_pb2.UsageGrouping.ValueType] = (),
        *,
        page_size: int = 0,
        page_token: str = "",
    ) -> usage_service_pb2.GetUsageResponse:
        """A page of sums, one for each group and currency."""
        request = usage_service_pb2.GetUsageRequest(
            filter=usage_filter, group_by=group_by, page_size=page_size, page_token=page_token
        )
        return self._connection.call(self._stub.GetUsage, request)

    def get(
        self,
        usage_filter: usage_service_pb2.UsageFilter | None = None,
        group_by: Sequence[usage_service_pb2.UsageGrouping.ValueType] = (),
    ) -> Iterator[usage_service_pb2.Usage]:
        """All sums, page by page."""

        def ask(page_token: str) -> usage_service_pb2.GetUsageResponse:
            return self.get_page(usage_filter, group_by, page_size=_PAGE, page_token=page_token)

        for page in each_page(ask):
            yield from page.usage
