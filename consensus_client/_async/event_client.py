"""The asynchronous client of EventService, for what is read."""

from collections.abc import AsyncIterator

from consensus.v1 import event_service_pb2, event_service_pb2_grpc
from consensus_client._async.connection import each_page
from consensus_client._async.service_client import AsyncServiceClient
from consensus_client.async_transport import Channel

_PAGE = 100


class EventClient(AsyncServiceClient):
    """Reads events and their sums; raises the errors of the contract.

    `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = event_service_pb2_grpc.EventServiceStub(channel)

    async def list_events(
        self, event_filter: event_service_pb2.EventFilter, *, page_size: int = 0, page_token: str = ""
    ) -> event_service_pb2.ListEventsResponse:
        """A page of those that the filter wants."""
        request = event_service_pb2.ListEventsRequest(
            filter=event_filter, page_size=page_size, page_token=page_token
        )
        return await self._connection.call(self._stub.ListEvents, request)

    async def events(
        self, event_filter: event_service_pb2.EventFilter
    ) -> AsyncIterator[event_service_pb2.Event]:
        """All of all pages."""

        async def ask(page_token: str) -> event_service_pb2.ListEventsResponse:
            return await self.list_events(event_filter, page_size=_PAGE, page_token=page_token)

        async for page in each_page(ask):
            for event in page.events:
                yield event

    async def stats(
        self, event_filter: event_service_pb2.EventFilter
    ) -> event_service_pb2.GetEventStatsResponse:
        """How many there are, by type."""
        request = event_service_pb2.GetEventStatsRequest(filter=event_filter)
        return await self._connection.call(self._stub.GetEventStats, request)
