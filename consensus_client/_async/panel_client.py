"""The asynchronous client of PanelService."""

from typing import Self

from consensus.v1 import panel_service_pb2, panel_service_pb2_grpc
from consensus_client._async.connection import AsyncConnection
from consensus_client.async_transport import Channel, Sleep
from consensus_client.options import DEFAULT_PERSISTENCE, ClientOptions
from consensus_client.requests import new_key


class PanelClient:
    """Puts, reads, lists and deletes panels; raises the errors of the contract.

    `target` is the persistence service.
    """

    def __init__(
        self,
        target: str = DEFAULT_PERSISTENCE,
        options: ClientOptions | None = None,
        *,
        channel: Channel | None = None,
        sleep: Sleep | None = None,
    ) -> None:
        """Connects when first used; a `channel` of the caller's own is closed with the client too."""
        self._connection = AsyncConnection(target, options, channel, sleep)
        self._stub = panel_service_pb2_grpc.PanelServiceStub(self._connection.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all calls and closes the channel."""
        await self._connection.close()

    async def put(
        self, panel: panel_service_pb2.Panel, *, user: str = "", idempotency_key: str | None = None
    ) -> panel_service_pb2.PutPanelResponse:
        """Makes the panel current, under its id."""
        request = panel_service_pb2.PutPanelRequest(
            panel=panel, user=user, idempotency_key=new_key(idempotency_key)
        )
        return await self._connection.call(self._stub.PutPanel, request)

    async def get(
        self, panel_id: str, revision: str = "", *, show_deleted: bool = False
    ) -> panel_service_pb2.Panel:
        """A panel, whole, in its current revision or in the one that begins so."""
        request = panel_service_pb2.GetPanelRequest(
            panel_id=panel_id, revision=revision, show_deleted=show_deleted
        )
        return (await self._connection.call(self._stub.GetPanel, request)).panel

    async def list_page(
        self, panel_id: str = "", *, page_size: int = 0, page_token: str = "", show_deleted: bool = False
    ) -> panel_service_pb2.ListPanelsResponse:
        """A page of panels, or of the revisions of one; without instructions."""
        request = panel_service_pb2.ListPanelsRequest(
            panel_id=panel_id, page_size=page_size, page_token=page_token, show_deleted=show_deleted
        )
        return await self._connection.call(self._stub.ListPanels, request)

    async def delete(
        self, panel_id: str, *, user: str = "", idempotency_key: str | None = None
    ) -> panel_service_pb2.Panel:
        """The panel, deleted; runs that it reviews end as they began."""
        request = panel_service_pb2.DeletePanelRequest(
            panel_id=panel_id, user=user, idempotency_key=new_key(idempotency_key)
        )
        return (await self._connection.call(self._stub.DeletePanel, request)).panel
