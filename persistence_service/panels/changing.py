"""Changes to panels, each with its entry in the audit trail."""

from datetime import datetime

from sqlalchemy import Connection

from consensus.v1 import panel_service_pb2
from consensus_contract.errors import PanelNotFound
from consensus_panels import stored_content
from persistence_service.journal.append import DatabaseClock, append
from persistence_service.journal.entries import Actor, NewEntry
from persistence_service.panels import repository

PUT, DELETED = "panel.put", "panel.deleted"


def panel_stream(panel_id: str) -> str:
    """The stream of the entries about a panel."""
    return f"panels/{panel_id}"


def put(
    clock: DatabaseClock,
    connection: Connection,
    tenant: str,
    actor: Actor,
    panel: panel_service_pb2.Panel,
    now: datetime,
) -> bool:
    """Makes a normalised panel the current revision; False: it was."""
    panel_id, revision = panel.panel_id, panel.revision
    before = repository.lock(connection, tenant, panel_id)
    if before is None:
        repository.begin(connection, tenant, panel_id, "", now)
        before = repository.lock(connection, tenant, panel_id)  # somebody else may have begun it
        assert before is not None, "a panel's row is never removed"
    if before["revision"] == revision and before["delete_time"] is None:
        return False
    repository.add_revision(connection, tenant, panel_id, revision, stored_content(panel), now)
    repository.set_current(connection, tenant, panel_id, revision, now, None)
    data = {"revision": revision, "persona_count": len(panel.personas)}
    entry = NewEntry(PUT, data, payload_digest=bytes.fromhex(revision))
    append(connection, tenant, panel_stream(panel_id), [entry], actor, clock)
    return True


def delete(
    clock: DatabaseClock, connection: Connection, tenant: str, actor: Actor, panel_id: str, now: datetime
) -> None:
    """Deletes a panel; one that is deleted stays as it is.

    Raises:
        PanelNotFound: there never was such a panel.
    """
    before = repository.lock(connection, tenant, panel_id)
    if before is None:
        raise PanelNotFound(panel_id=panel_id)
    if before["delete_time"] is not None:
        return
    repository.set_current(connection, tenant, panel_id, before["revision"], now, now)
    entry = NewEntry(DELETED, {"revision": before["revision"]})
    append(connection, tenant, panel_stream(panel_id), [entry], actor, clock)
