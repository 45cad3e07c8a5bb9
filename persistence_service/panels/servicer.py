"""PanelService: who reviews, kept as data."""
# ruff: noqa: N802 - names are those of the generated base

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from consensus.v1 import panel_service_pb2, panel_service_pb2_grpc
from consensus_panels import DEFAULT_PANEL_ID, PanelRefusedError, default_panel, is_refused, lint, normalised
from consensus_rpc.errors import InvalidField
from consensus_rpc.server.context import Context
from consensus_rpc.server.identity import Identity, identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from persistence_service.database import Database
from persistence_service.database.keyed_locks import KeyedLocks
from persistence_service.idempotency.keys import key_use
from persistence_service.idempotency.once import OncePerKey
from persistence_service.journal.entries import Actor
from persistence_service.paging.keyset import fitting
from persistence_service.paging.revisions import after_id, after_revision, revision_position
from persistence_service.paging.sizes import page_size
from persistence_service.paging.tokens import Signing
from persistence_service.panels import changing, convert, repository
from persistence_service.panels.access import find_panel

OP_PUT, OP_DELETE = "panel.put", "panel.delete"
"""The operations under which keys stand."""


class PanelServicer(panel_service_pb2_grpc.PanelServiceServicer):
    """Keeps the panels of the caller's tenant."""

    def __init__(self, database: Database, signing: Signing, once: OncePerKey) -> None:
        self._database = database
        self._signing = signing
        self._once = once
        # Those who change a panel at once wait here, and not for its row.
        self._locks = KeyedLocks()

    async def PutPanel(
        self, request: panel_service_pb2.PutPanelRequest, context: Context
    ) -> panel_service_pb2.PutPanelResponse:
        identity = identity_of(context)
        _check_own(request.panel.panel_id, "panel.panel_id")
        panel, findings = await asyncio.to_thread(_checked, request.panel, "panel")
        actor, clock = _actor(identity, request.user), self._database.now

        def put(connection: Connection, now: datetime) -> panel_service_pb2.PutPanelResponse:
            is_new = changing.put(clock, connection, identity.tenant, actor, panel, now)
            row = repository.find(connection, identity.tenant, panel.panel_id, "")
            return panel_service_pb2.PutPanelResponse(panel=convert.panel_message(row), created=is_new)

        use = key_use(identity, OP_PUT, panel.panel_id, request, request.idempotency_key)
        stream = changing.panel_stream(panel.panel_id)
        async with self._locks.of(f"{identity.tenant}/{stream}"):
            response = await self._once.change(
                identity.tenant, use, put, panel_service_pb2.PutPanelResponse, stream
            )
        response.findings.extend(findings)
        return response

    async def GetPanel(
        self, request: panel_service_pb2.GetPanelRequest, context: Context
    ) -> panel_service_pb2.GetPanelResponse:
        tenant = identity_of(context).tenant
        panel = await find_panel(
            self._database, tenant, request.panel_id, request.revision, show_deleted=request.show_deleted
        )
        return panel_service_pb2.GetPanelResponse(panel=panel)

    async def ListPanels(
        self, request: panel_service_pb2.ListPanelsRequest, context: Context
    ) -> panel_service_pb2.ListPanelsResponse:
        tenant, size = identity_of(context).tenant, page_size(request.page_size)
        signer = await self._signing.signer()
        binding = ["panels", tenant, request.panel_id, request.show_deleted]
        position = signer.position(binding, request.page_token) if request.page_token else None
        panels = await self._page(tenant, request, position, size + 1)
        response = panel_service_pb2.ListPanelsResponse(panels=fitting(map(convert.listed, panels), size))
        if len(response.panels) < len(panels):
            last = response.panels[-1]
            end = revision_position(last) if request.panel_id else [last.panel_id]
            response.next_page_token = signer.token(binding, end)
        return response

    async def DeletePanel(
        self, request: panel_service_pb2.DeletePanelRequest, context: Context
    ) -> panel_service_pb2.DeletePanelResponse:
        identity, panel_id = identity_of(context), request.panel_id
        _check_own(panel_id, "panel_id")
        actor, clock = _actor(identity, request.user), self._database.now

        def delete(connection: Connection, now: datetime) -> panel_service_pb2.DeletePanelResponse:
            changing.delete(clock, connection, identity.tenant, actor, panel_id, now)
            row = repository.find(connection, identity.tenant, panel_id, "", show_deleted=True)
            return panel_service_pb2.DeletePanelResponse(panel=convert.panel_message(row))

        use = key_use(identity, OP_DELETE, panel_id, request, request.idempotency_key)
        stream = changing.panel_stream(panel_id)
        async with self._locks.of(f"{identity.tenant}/{stream}"):
            return await self._once.change(
                identity.tenant, use, delete, panel_service_pb2.DeletePanelResponse, stream
            )

    async def LintPanel(
        self, request: panel_service_pb2.LintPanelRequest, _context: Context
    ) -> panel_service_pb2.LintPanelResponse:
        return await asyncio.to_thread(_linted, request.panel)

    async def _page(
        self,
        tenant: str,
        request: panel_service_pb2.ListPanelsRequest,
        position: Sequence[object] | None,
        limit: int,
    ) -> list[panel_service_pb2.Panel]:
        if request.panel_id == DEFAULT_PANEL_ID:
            return [default_panel()]
        first = [default_panel()] if position is None and not request.panel_id else []
        shown = request.show_deleted

        def read(connection: Connection) -> list[panel_service_pb2.Panel]:
            if not request.panel_id:
                after = after_id(position, DEFAULT_PANEL_ID)
                rows = repository.page(connection, tenant, after, limit, show_deleted=shown)
            else:
                since = after_revision(position)
                rows = repository.page_of_revisions(
                    connection, tenant, request.panel_id, since, limit, show_deleted=shown
                )
            return [convert.panel_message(row) for row in rows]

        found = await self._database.run(read, tenant=tenant, read_only=True, resource="panels")
        return [*first, *found][:limit]


# A large panel is looked at for longer than other calls may wait: both beside the event loop.
def _checked(
    panel: panel_service_pb2.Panel, field: str
) -> tuple[panel_service_pb2.Panel, Sequence[panel_service_pb2.PanelFinding]]:
    """The panel normalised, and what is odd about it.

    Raises:
        InvalidField: lint finds errors, each a violation of the field.
    """
    try:
        return normalised(panel), lint(panel)
    except PanelRefusedError as refused:
        raise InvalidField(violations=refused.violations(field)) from refused


def _linted(panel: panel_service_pb2.Panel) -> panel_service_pb2.LintPanelResponse:
    findings = lint(panel)
    accepted = None if is_refused(findings) else normalised(panel)
    return panel_service_pb2.LintPanelResponse(findings=findings, panel=accepted)


def _check_own(panel_id: str, field: str) -> None:
    """Raises: InvalidField: for no id, and for the panel that is built in."""
    if not panel_id:
        raise InvalidField(field=field, description="names the panel")
    if panel_id == DEFAULT_PANEL_ID:
        raise InvalidField(field=field, description="is another than default, which is built in")


def _actor(identity: Identity, user: str) -> Actor:
    return Actor(identity.caller, user, current_request_id() or "")
