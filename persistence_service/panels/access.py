"""Panels as other rooms ask for them: one revision of one panel, built in or stored."""

from consensus.v1 import panel_service_pb2
from consensus_contract.errors import PanelNotFound
from consensus_panels import DEFAULT_PANEL_ID, default_panel
from persistence_service.database import Database
from persistence_service.panels import convert, repository


async def find_panel(
    database: Database, tenant: str, panel_id: str, revision: str, *, show_deleted: bool = False
) -> panel_service_pb2.Panel:
    """The current revision of a panel, or the one that begins so, whole.

    Raises:
        PanelNotFound: there is none.
        InvalidField: several revisions begin so.
    """
    if panel_id == DEFAULT_PANEL_ID:
        panel = default_panel()
        if not panel.revision.startswith(revision):
            raise PanelNotFound(panel_id=panel_id, revision=revision)
        return panel
    row = await database.run(
        lambda connection: dict(
            repository.find(connection, tenant, panel_id, revision, show_deleted=show_deleted)
        ),
        tenant=tenant,
        read_only=True,
        resource=f"panels/{panel_id}",
    )
    return convert.panel_message(row)
