"""The asynchronous client of PanelService."""

from consensus.v1 import panel_service_pb2, panel_service_pb2_grpc
from consensus_client._async.service_client import AsyncServiceClient
from consensus_client.async_transport import Channel
from consensus_client.requests import new_key


class PanelClient(AsyncServiceClient):
    """Puts, reads, lists and deletes panels; raises the errors of the contract.

    `target` is the persistence service.
    """

    def _attach(self, channel: Channel) -> None:
        self._stub = panel_service_pb2_grpc.PanelServiceStub(channel)

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
