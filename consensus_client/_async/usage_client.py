"""The asynchronous client of UsageService."""

from collections.abc import AsyncIterator, Sequence

from consensus.v1 import usage_service_pb2, usage_service_pb2_grpc
from consensus_client._async.connection import each_page
from consensus_client._async.service_client import AsyncServiceClient
from consensus_client.async_transport import Channel

_PAGE = 100


class UsageClient(AsyncServiceClient):
    """Sums what calls to the models came to; raises the errors of the contract.

    `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = usage_service_pb2_grpc.UsageServiceStub(channel)

    async def get_page(
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
        return await self._connection.call(self._stub.GetUsage, request)

    async def get(
        self,
        usage_filter: usage_service_pb2.UsageFilter | None = None,
        group_by: Sequence[usage_service_pb2.UsageGrouping.ValueType] = (),
    ) -> AsyncIterator[usage_service_pb2.Usage]:
        """All sums, page by page."""

        async def ask(page_token: str) -> usage_service_pb2.GetUsageResponse:
            return await self.get_page(usage_filter, group_by, page_size=_PAGE, page_token=page_token)

        async for page in each_page(ask):
            for usage in page.usage:
                yield usage
